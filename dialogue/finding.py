"""What is wrong with a tree or its phrases, and how screens look."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One sentence for the author of a file, and where to look.

    `screen` names the screen that it is about, if any, and `shown` is how that one looks.
    """

    file: str
    line: int
    message: str
    screen: str = field(default="", compare=False)
    shown: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One text that a screen can come to, with the longest values it can hold, as USSD pages."""

    screen: str
    language: str
    line: int
    pages: tuple[str, ...]
    paged: bool
