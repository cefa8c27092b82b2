"""
Buckets as Redis itself packs them, for RESTORE: built for thousands of buckets at once.

A small hash is one string of entries: field, value, field, value. Ours begins with WHOLE and 1.

    listpack (Redis 7, Valkey)              ziplist (Redis 6.2, and read by the later ones)
    total(4) entries(2) ... FF              total(4) last entry's offset(4) entries(2) ... FF
    entry: what(1+) bytes, its length(1)    entry: length of the one before(1), what(1) bytes

    payload: kind(1) length(1, 2) that string, RDB version(2) CRC-64(8)

Sources: listpack.c, ziplist.c, rdb.h and verifyDumpPayload in cluster.c of Redis 6.2 and 7.0. What
is restored is, byte for byte, what HSET would have made in the same order; but for a record whose
ten bytes happen to be ten digits (not before 2035), which Redis would keep as a number, and which
reads the same.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eligibility.buckets import WHOLE
from eligibility.crc64 import crc64
from eligibility.record import SIZE
from eligibility.spool import Buckets

Octets = NDArray[np.uint8]

MOST_PEOPLE: Final = 512
"""People in a bucket that is sent so: with more, Redis packs no hash. Such a bucket is for HSET,
and needs a skew that the spreading of places makes all but impossible."""


@dataclass(frozen=True, slots=True)
class Integer:
    """How numbers below `below` are said: a head, and `size` bytes of the number, little-endian.

    What is left of a `mixed` number is added to the head.
    """

    below: int
    head: int
    size: int
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Packing:
    """One of Redis' two ways to pack a small hash."""

    name: str
    kind: int
    rdb_version: int
    before: bool
    """Whether a length stands before an entry, and is that of the entry before it; else after it,
    and its own."""
    numbers: tuple[Integer, ...]
    string: int
    """What is said before a short string, to which its length is added."""

    @property
    def header(self) -> int:
        """Bytes before the first entry."""
        return 10 if self.before else 6


LISTPACK: Final = Packing(
    "listpack",
    kind=16,
    rdb_version=10,
    before=False,
    numbers=(
        Integer(1 << 7, 0x00, 0, mixed=True),
        Integer(1 << 12, 0xC0, 1, mixed=True),
        Integer(1 << 15, 0xF1, 2),
        Integer(1 << 23, 0xF2, 3),
        Integer(1 << 31, 0xF3, 4),
        Integer(1 << 63, 0xF4, 8),
    ),
    string=0x80,
)
ZIPLIST: Final = Packing(
    "ziplist",
    kind=13,
    rdb_version=9,
    before=True,
    numbers=(
        Integer(13, 0xF1, 0, mixed=True),
        Integer(1 << 7, 0xFE, 1),
        Integer(1 << 15, 0xC0, 2),
        Integer(1 << 23, 0xF0, 3),
        Integer(1 << 31, 0xD0, 4),
        Integer(1 << 63, 0xE0, 8),
    ),
    string=0x00,
)

_FOOTER: Final = 10
_VALUE: Final = SIZE + 2
"""Bytes of the entry of a record; those of a field are two more than its number's."""


def payloads(buckets: Buckets, packing: Packing) -> list[bytes]:
    """What RESTORE takes for each of the buckets, none of which has more than MOST_PEOPLE."""
    lengths, entries = _entries(buckets, packing)
    ends = np.cumsum(buckets.counts)
    until = np.append(0, np.cumsum(lengths))
    bodies = until[ends] - until[ends - buckets.counts]
    begin = _begin(packing)
    sizes = packing.header + len(begin) + bodies + 1
    totals = 1 + np.where(sizes < 64, 1, 2) + sizes + _FOOTER
    # All payloads end at the right edge, with zeros before them, as crc64() needs it.
    edge = -(-int(totals.max()) // 8) * 8
    matrix = np.zeros((len(sizes), edge), np.uint8)
    rows, at = np.arange(len(sizes)), edge - totals
    long = sizes >= 64
    matrix[rows, at] = packing.kind
    matrix[rows, at + 1] = np.where(long, 0x40 | sizes >> 8, sizes)
    matrix[rows[long], at[long] + 2] = sizes[long] & 0xFF
    at = edge - _FOOTER - sizes
    _write(matrix, at, sizes, 4)
    if packing.before:
        last = np.where(buckets.counts > 0, _VALUE, 2)
        _write(matrix, at + 4, sizes - 1 - last, 4)
    _write(matrix, at + packing.header - 2, 2 + 2 * buckets.counts, 2)
    for n, octet in enumerate(begin):
        matrix[rows, at + packing.header + n] = octet
    columns = np.arange(edge - _FOOTER - 1)
    matrix[:, : len(columns)][columns >= (len(columns) - bodies)[:, None]] = entries
    matrix[:, len(columns)] = 0xFF
    matrix[:, edge - _FOOTER] = packing.rdb_version
    matrix[:, edge - 8 :] = crc64(matrix[:, : edge - 8]).astype("<u8")[:, None].view(np.uint8)
    packed, starts = matrix.tobytes(), (rows * edge + edge - totals).tolist()
    return [packed[a:b] for a, b in zip(starts, ((rows + 1) * edge).tolist(), strict=True)]


def _begin(packing: Packing) -> bytes:
    """The entries of WHOLE and its 1."""
    word = bytes([packing.string + len(WHOLE)]) + WHOLE
    one = bytes([packing.numbers[0].head + 1])
    if packing.before:
        return b"\0" + word + bytes([len(word) + 1]) + one
    return word + bytes([len(word)]) + one + b"\x01"


def _entries(buckets: Buckets, packing: Packing) -> tuple[NDArray[np.int64], Octets]:
    """How many bytes each person's two entries have, and all of these bytes in order."""
    fields, numbers = buckets.fields, packing.numbers
    way = np.searchsorted(np.array([n.below for n in numbers], np.uint64), fields, side="right")
    size = np.array([n.size for n in numbers])[way]
    head = np.array([n.head for n in numbers], np.uint64)[way]
    mixed = np.array([n.mixed for n in numbers])[way]
    head += np.where(mixed, fields >> (8 * size).view(np.uint64), 0)
    widest = int(size.max(initial=0))
    # Each person has a row, in which the bytes beyond the number's own are left out at the end.
    table = np.empty((len(fields), 2 + widest + _VALUE), np.uint8)
    what = 1 if packing.before else 0
    value = table[:, 2 + widest :]
    table[:, what] = head
    number = fields.astype("<u8").view(np.uint8).reshape(-1, 8)
    table[:, what + 1 : what + 1 + widest] = number[:, :widest]
    if packing.before:
        table[:, 0] = _VALUE
        starts = np.cumsum(buckets.counts) - buckets.counts
        table[starts[buckets.counts > 0], 0] = 2  # the entry before is WHOLE's 1
        value[:, 0] = 2 + size
    else:
        table[:, 1 + widest] = 1 + size
        value[:, -1] = SIZE + 1
    value[:, what] = packing.string + SIZE
    value[:, what + 1 : what + 1 + SIZE] = np.frombuffer(
        buckets.records.tobytes(), np.uint8
    ).reshape(-1, SIZE)
    lengths = 2 + size + _VALUE
    if (size == widest).all():
        return lengths, table.reshape(-1)
    kept = np.ones(table.shape, np.bool_)
    kept[:, what + 1 : what + 1 + widest] = np.arange(widest) < size[:, None]
    return lengths, table[kept]


def _write(matrix: Octets, at: NDArray[np.int64], numbers: NDArray[np.int64], size: int) -> None:
    """Write a number of so many bytes, little-endian, into each row at its column."""
    rows = np.arange(len(matrix))
    for n in range(size):
        matrix[rows, at + n] = numbers >> 8 * n & 0xFF
