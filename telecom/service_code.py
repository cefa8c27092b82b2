"""
Service codes and what is dialled after them.

    *4*1420*1*0012345679#
    \\_____/ \\__________/
     entry    inputs "1", "0012345679", as if typed one by one

Both * and # end a part; empty parts say nothing. A national ID may stand among the inputs, so
no exception and no repr here holds what was dialled.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from persian.digits import to_ascii_digits
from persian.letters import strip_invisible

MOST_INPUTS: Final = 16
LONGEST_INPUT: Final = 32
_LONGEST_DIALLED: Final = 1024
_MOST_PARTS: Final = MOST_INPUTS + 8  # room for a code of eight parts

# Full-width forms, and the star that Persian and Arabic keyboards offer.
_KEYS: Final = str.maketrans({"\uff0a": "*", "\u066d": "*", "\uff03": "#"})


class NotAServiceCode(ValueError):
    """What was dialled cannot be read. The message never holds it."""


class TooMuchDialled(NotAServiceCode):
    """A service code, with more after it than any menu takes."""


def normalise_dialled(text: str) -> str:
    """Digits, stars and hashes as on an ASCII keypad; no blanks, no bidi marks."""
    return "".join(to_ascii_digits(strip_invisible(text)).translate(_KEYS).split())


@dataclass(frozen=True, slots=True, repr=False)
class Dialled:
    """A dialled string by its parts: "*4*1420*1#" is ("4", "1420", "1")."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Any dialled string that starts with a star, with or without its hash.

        Raises NotAServiceCode if it doesn't, or is longer than any menu is deep.
        """
        if len(text) > _LONGEST_DIALLED:
            raise NotAServiceCode("the dialled string is too long")
        dialled = normalise_dialled(text)
        if not dialled.startswith("*"):
            raise NotAServiceCode("a service code starts with *")
        parts = _parts(dialled)
        if not parts:
            raise NotAServiceCode("a service code has digits after its *")
        if len(parts) > _MOST_PARTS:
            raise NotAServiceCode("the dialled string has too many parts")
        if any(len(part) > LONGEST_INPUT for part in parts):
            raise NotAServiceCode(f"a part of the dialled string is over {LONGEST_INPUT} long")
        return cls(parts)

    def starts_with(self, code: "Dialled") -> bool:
        """Whether the code's parts are this string's first ones, each whole."""
        return self.parts[: len(code.parts)] == code.parts

    def __str__(self) -> str:
        return f"{len(self.parts)} parts"

    def __repr__(self) -> str:
        return f"Dialled({self})"


def match(entries: Collection[str], dialled: str) -> tuple[str, tuple[str, ...]] | None:
    """
    The longest of the entries that the dialled string starts with, and the inputs after it.

    None if there is none. The entry comes back as it was given. Raises TooMuchDialled for one of
    the entries with more than 16 inputs or otherwise too long, and NotAServiceCode for whatever
    else Dialled.parse refuses, and for an entry that is no service code.
    """
    codes = {entry: Dialled.parse(entry) for entry in entries}
    try:
        asked = Dialled.parse(dialled)
    except NotAServiceCode as error:
        # An entry is short: the first characters tell whether it is one.
        begins = normalise_dialled(dialled[:_LONGEST_DIALLED])
        start = Dialled(_parts(begins) if begins.startswith("*") else ())
        if any(start.starts_with(code) for code in codes.values()):
            raise TooMuchDialled(str(error)) from None
        raise
    found = [entry for entry, code in codes.items() if asked.starts_with(code)]
    if not found:
        return None
    entry = max(found, key=lambda code: len(codes[code].parts))
    inputs = asked.parts[len(codes[entry].parts) :]
    if len(inputs) > MOST_INPUTS:
        raise TooMuchDialled(f"more than {MOST_INPUTS} inputs were dialled at once")
    return entry, inputs


def _parts(dialled: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[*#]", dialled) if part)
