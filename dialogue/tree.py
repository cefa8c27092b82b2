"""
The dialogue tree: what can be said, and what may follow it.

    entry ─▶ menu ─▶ question ─▶ lookup ─▶ message
               └──────────▶ ... ◀── again, where the ID was wrong

Facts only. dialogue/tree_file.py reads them from config/dialogue/tree.toml, whose head explains
the format; dialogue/check.py proves them; dialogue/advance.py walks through them. Names of
screens and phrases are plain strings; `line` is where each thing stands in the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dialogue.phrases import language_of_script


class Branch(StrEnum):
    """What a lookup can come to: the six outcomes, or no lookup for want of budget."""

    COVERED = "COVERED"
    NOT_COVERED = "NOT_COVERED"
    PENDING_PAYMENT = "PENDING_PAYMENT"
    NOT_FOUND = "NOT_FOUND"
    INVALID_ID = "INVALID_ID"
    CANNOT_CHECK = "CANNOT_CHECK"
    OVER_BUDGET = "OVER_BUDGET"


WRONG_ID = ("length", "short", "check_digit", "characters")
"""What can be wrong with a national ID; a question has a phrase for each."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a menu; `language`, if any, is spoken from then on."""

    key: str
    label: str
    go: str
    language: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Menu:
    """A title and options; `wrong` is said where none of them was typed."""

    name: str
    line: int
    paged: bool
    title: str
    wrong: str
    options: tuple[Option, ...]

    def offered(self, language: str) -> tuple[Option, ...]:
        """The options in a language: none leads to the language that is spoken already.

        One that leads from a script back to its language gives way to another with its key.
        """
        offered = tuple(option for option in self.options if option.language != language)
        own = language_of_script(language)
        if own == language:
            return offered
        keys = {option.key for option in offered if option.language != own}
        return tuple(
            option for option in offered if option.language != own or option.key not in keys
        )


@dataclass(frozen=True, slots=True)
class Question:
    """Asks for a national ID; `wrong` has the phrase that asks again, by what was wrong."""

    name: str
    line: int
    paged: bool
    prompt: str
    wrong: Mapping[str, str]
    go: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks up what the question before it was told; `on` has the screen for each branch."""

    name: str
    line: int
    on: Mapping[Branch, str]


@dataclass(frozen=True, slots=True)
class Message:
    """Says something. With `go` any answer leads on; without, it is the last word.

    Of `say` the first phrase is said whose every value is known; of `also`, each whose values
    are known and not yet said.
    """

    name: str
    line: int
    paged: bool
    say: tuple[str, ...]
    also: tuple[str, ...]
    go: str | None


Screen = Menu | Question | Lookup | Message


@dataclass(frozen=True, slots=True)
class Exits:
    """Messages that end a conversation which cannot go on."""

    tries: str
    turns: str
    busy: str
    expired: str
    unavailable: str
    unknown_code: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Everything that can be said.

    `tries` are wrong answers in a row at one screen, `turns` are answers in one conversation.
    `entries` has the screen for each service code. `digest` changes with the tree's meaning, not
    with its comments: a conversation that began on another tree is ended politely.
    """

    file: str
    digest: str
    languages: tuple[str, ...]
    tries: int
    turns: int
    exits: Exits
    entries: Mapping[str, str]
    entry_lines: Mapping[str, int]
    screens: Mapping[str, Screen]

    def speaks(self, code: str) -> bool:
        """Whether this is one of the languages, or a script of one."""
        return language_of_script(code) in self.languages
