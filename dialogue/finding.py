"""What is wrong with a tree or its phrases, and how screens look."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One sentence for the author of a file, and where to look."""

    file: str
    line: int
    message: str

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
