"""
CRC-64 of many byte strings at once, as Redis has it in the payload of DUMP and RESTORE.

    polynomial ad93d23594c935a9 ("Jones"), bits reflected, from 0, nothing added at the end
    "123456789" -> e9c6d914c4b8d9ca

From 0 on, zeros change nothing: so strings of unlike lengths stand in the rows of one matrix with
zeros before them, and are summed together, eight bytes a step.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_REFLECTED: Final = 0x95AC9329AC4BC9B5


def _tables() -> NDArray[np.uint64]:
    """Of each of the four pairs of bytes in a word: what it adds to the sum after the word."""
    byte = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        byte = np.where(byte & 1, byte >> 1 ^ _REFLECTED, byte >> 1)

    def after_a_zero(sums: NDArray[np.uint64]) -> NDArray[np.uint64]:
        after: NDArray[np.uint64] = byte[sums & 0xFF] ^ sums >> 8
        return after

    pair = after_a_zero(byte[np.arange(65536) & 0xFF] ^ np.arange(65536, dtype=np.uint64) >> 8)
    tables = [pair]
    for _ in range(3):
        tables.append(after_a_zero(after_a_zero(tables[-1])))
    return np.array(tables[::-1])


_TABLES: Final = _tables()


def crc64(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The sums of the rows of a matrix, whose width is a multiple of 8."""
    words = np.ascontiguousarray(rows.view("<u8").T)
    sums = np.zeros(len(rows), np.uint64)
    for column in words:
        sums ^= column
        sums = (
            _TABLES[0][sums & 0xFFFF]
            ^ _TABLES[1][sums >> 16 & 0xFFFF]
            ^ _TABLES[2][sums >> 32 & 0xFFFF]
            ^ _TABLES[3][sums >> 48]
        )
    return sums
