"""
Eight characters of many rows at once.

A word holds eight characters of a row, the first in its lowest byte; an array of words holds
those of a hundred thousand rows, and one operation of numpy looks at them all.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Offsets = NDArray[np.int64]
Mask = NDArray[np.bool_]


def word(characters: bytes) -> int:
    """Up to eight characters as a word."""
    return int.from_bytes(characters, "little")


class Shape:
    """A form of up to eight characters: `d` is a digit, `?` anything, all else itself."""

    def __init__(self, form: str) -> None:
        self._mask = np.uint64(word(bytes({"d": 0xF0, "?": 0}.get(c, 0xFF) for c in form)))
        self._want = np.uint64(word(bytes({"d": 0x30, "?": 0}.get(c, ord(c)) for c in form)))
        # 0x3A to 0x3F are no digits: six more, and they leave the row of those that are.
        self._six = np.uint64(word(bytes(6 * (c == "d") for c in form)))

    def fits(self, words: Words) -> Mask:
        """Which words have the form."""
        same: Mask = (words & self._mask) == self._want
        same &= ((words + self._six) & self._mask) == self._want
        return same


_EIGHT: Final = Shape("dddddddd")

SMALL: Final = np.array([word(b" " * n) for n in range(9)], np.uint64)
"""The bit that makes a letter small, in the first n characters."""
FIRST: Final = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
"""All bits of the first n characters."""
_DIGITS: Final = np.uint64(0x0F0F_0F0F_0F0F_0F0F)
_PAIRS: Final = np.uint64(0x00FF_00FF_00FF_00FF)
_FOURS: Final = np.uint64(0x0000_FFFF_0000_FFFF)
ZEROS: Final = np.array([word(b"0" * n) for n in range(9)], np.uint64)
"""The digit 0 in each of the first n characters."""


def eight(words: Words) -> tuple[Words, Mask]:
    """The numbers that eight digits make, 0 where they are none; and where they are."""
    sound = _EIGHT.fits(words)
    words = words & _DIGITS
    words[~sound] = 0
    words = (words * 10 + (words >> 8)) & _PAIRS
    words = (words * 100 + (words >> 16)) & _FOURS
    return (words * 10_000 + (words >> 32)) & FIRST[4], sound


def two(words: Words, shift: int = 0) -> Words:
    """The number that two digits make, `shift` bits from the beginning."""
    return (words >> shift & 15) * 10 + (words >> (shift + 8) & 15)
