"""
The number that identifies a person: the national ID, or a foreign national's code.

    d0 d1 d2 d3 d4 d5 d6 d7 d8 | d9     s = sum of d_i * (10 - i), r = s mod 11
    nine digits                | check  d9 = r if r < 2, else 11 - r; ten equal digits are not valid

Twelve digits are a foreign national's code, which has no public check rule. Zeros at the front
count: eight or nine digits are a person whose zeros were lost, and are never padded here, since
one mistyped number in ten becomes another person's when padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from persian.digits import to_ascii_digits

Reason = Literal["characters", "short", "length", "check_digit"]

MAX_TYPED = 64
"""Characters looked at. Twelve digits with a blank between each two fit well."""

_IGNORED: Final = {
    ord(sign): None
    for sign in (
        " \t\r\n\v\f\u00a0\u2009\u202f\u3000"  # blanks
        "-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d_.\u0640"  # dashes, dots, tatweel
        "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"  # marks of direction
        "\u2060\u2066\u2067\u2068\u2069\ufeff"
    )
}


def _sums(weights: Sequence[int]) -> bytes:
    """By number of so many digits: the weighted sum of its digits, mod 11."""
    sums = b"\0"
    for weight in reversed(weights):
        shifted = (bytes((r + digit * weight) % 11 for r in range(256)) for digit in range(10))
        sums = b"".join(sums.translate(shift) for shift in shifted)
    return sums


_UPPER, _LOWER = _sums((10, 9, 8, 7, 6)), _sums((5, 4, 3, 2))
_CHECK: Final = bytes(r if r < 2 else 11 - r for r in (s % 11 for s in range(21)))
_LENGTHS: Final = (10, 12)
_TEN_ONES: Final = 1_111_111_111


class InvalidId(ValueError):
    """What was typed identifies nobody. The text never holds what was typed.

    `reason`: `characters` (nothing, or something that is no digit), `short` (eight or nine
    digits: zeros at the front count), `length`, `check_digit`.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"no national ID: {reason}")
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class NationalId:
    """Ten digits that pass their check, or twelve. Made by `parse`. `number` is their value."""

    digits: str
    number: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", int(self.digits))

    @classmethod
    def parse(cls, text: str) -> "NationalId":
        """Read what a person typed. Raises InvalidId."""
        if len(text) not in _LENGTHS or not (text.isascii() and text.isdigit()):
            text = typed_digits(text)
            if not (text.isascii() and text.isdigit()):
                raise InvalidId("characters")
            if len(text) not in _LENGTHS:
                raise InvalidId("short" if len(text) in (8, 9) else "length")
        if len(text) == 12:
            return cls(text)
        number = int(text)
        # check_digit(), without its call.
        check = _CHECK[_UPPER[number // 100_000] + _LOWER[number // 10 % 10_000]]
        if check != number % 10 or not number % _TEN_ONES:
            raise InvalidId("check_digit")
        # What cls(text) does, at a third of the price: every lookup comes by here.
        opened: Any = _Open()
        opened.digits = text
        opened.number = number
        opened.__class__ = NationalId
        person: NationalId = opened
        return person

    @property
    def foreign(self) -> bool:
        """Whether this is a foreign national's code of twelve digits."""
        return len(self.digits) == 12

    @property
    def last3(self) -> str:
        """All that may be shown back."""
        return self.digits[-3:]

    def __str__(self) -> str:
        return f"…{self.last3}"

    def __repr__(self) -> str:
        return f"NationalId(…{self.last3})"


class _Open:
    """A NationalId while it is written: the same slots, and no lock on them.

    The constructor of a frozen class goes round its own lock for each field, at some price.
    """

    __slots__ = ("digits", "number")


def check_digit(nine_digits: int) -> int:
    """The tenth digit that belongs to the first nine, given as a number below 10**9."""
    return _CHECK[_UPPER[nine_digits // 10_000] + _LOWER[nine_digits % 10_000]]


def typed_digits(text: str) -> str:
    """The text in ASCII digits, without what people put between them.

    Whatever else it holds is kept. Raises InvalidId for a text too long to be looked at.
    """
    if len(text) > MAX_TYPED:
        raise InvalidId("length")
    return to_ascii_digits(text).translate(_IGNORED)
