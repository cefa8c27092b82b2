"""
A person's record, packed: ten bytes, or fifteen where the registry was asked about this person
alone; big-endian.

    byte 0       version (3 bits) | status (2) | kind (3)
    bytes 1-2    valid_until, days since 1950-01-01 plus 1; 0: none
    bytes 3-4    branch; 65535: unknown
    bytes 5-9    updated_at, hundredths of a second since 1970-01-01 UTC
    bytes 10-14  confirmed_at, likewise: version 2 alone

Version 0, all zero, stands for a row of the export that could not be read: its person is known, so
NOT_FOUND would be untrue, and whatever is written later is newer. A load writes version 1, whose
records are as fresh as their generation. An unknown version is BadRecord, never a guess: a gateway
that is older than the loader answers that it cannot check.
"""

import struct
from datetime import UTC, date, datetime, timedelta
from typing import Final

from eligibility.verdict import Kind, Record, Status

SIZE: Final = 10
UNREADABLE: Final = bytes(SIZE)
"""Of somebody whose row in the export could not be read: known, and cannot be checked."""
CONFIRMED_SIZE: Final = 15
VERSION: Final = 1
CONFIRMED_VERSION: Final = 2
NO_BRANCH: Final = 0xFFFF

_PACKING: Final = struct.Struct(">BHHBI")
_DAY_ZERO: Final = date(1950, 1, 1).toordinal() - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HUNDREDTH: Final = timedelta(milliseconds=10)

FIRST_DAY: Final = date.fromordinal(_DAY_ZERO + 1)
LAST_DAY: Final = date.fromordinal(_DAY_ZERO + 0xFFFF)

STATUS_CODES: Final = {status: code for code, status in enumerate(Status)}
KIND_CODES: Final = {kind: code for code, kind in enumerate(Kind)}
_HEADS: Final = {
    version << 5 | status_code << 3 | kind_code: (status, kind, size)
    for version, size in ((VERSION, SIZE), (CONFIRMED_VERSION, CONFIRMED_SIZE))
    for status, status_code in STATUS_CODES.items()
    for kind, kind_code in KIND_CODES.items()
}


class BadRecord(ValueError):
    """Bytes that are no record of a known version, or a record that does not fit into one."""


def days_of(day: date) -> int:
    """A day as it is packed. Raises BadRecord outside FIRST_DAY to LAST_DAY."""
    days = day.toordinal() - _DAY_ZERO
    if not 1 <= days <= 0xFFFF:
        raise BadRecord(f"valid_until outside {FIRST_DAY} to {LAST_DAY}")
    return days


def hundredths_of(moment: datetime) -> int:
    """An aware moment as it is packed, rounded down. Raises BadRecord before 1970."""
    hundredths = (moment - _EPOCH) // _HUNDREDTH
    if not 0 <= hundredths < 1 << 40:
        raise BadRecord("updated_at before 1970, or too far ahead")
    return hundredths


def pack_codes(status: int, kind: int, days: int, branch: int, hundredths: int) -> bytes:
    """Pack a record from its codes, each within its range: the loader's quick way."""
    return _PACKING.pack(
        VERSION << 5 | status << 3 | kind, days, branch, hundredths >> 32, hundredths & 0xFFFFFFFF
    )


def pack(record: Record) -> bytes:
    """Pack a record; its moments are rounded down to hundredths. Raises BadRecord."""
    branch = record.branch
    if branch is not None and not 0 <= branch < NO_BRANCH:
        raise BadRecord(f"branch outside 0 to {NO_BRANCH - 1}")
    packed = pack_codes(
        STATUS_CODES[record.status],
        KIND_CODES[record.kind],
        0 if record.valid_until is None else days_of(record.valid_until),
        NO_BRANCH if branch is None else branch,
        hundredths_of(record.updated_at),
    )
    if record.confirmed_at is None:
        return packed
    head = packed[0] ^ VERSION << 5 | CONFIRMED_VERSION << 5
    return bytes([head]) + packed[1:] + hundredths_of(record.confirmed_at).to_bytes(5)


def unpack(packed: bytes) -> Record:
    """The record in ten or fifteen bytes; its moments are in UTC. Raises BadRecord."""
    try:
        status, kind, size = _HEADS[packed[0]]
        if len(packed) != size:
            raise IndexError
    except (IndexError, KeyError):
        raise BadRecord(f"{len(packed)} bytes that are no record of a known version") from None
    _, days, branch, high, low = _PACKING.unpack_from(packed)
    return Record(
        status,
        date.fromordinal(days + _DAY_ZERO) if days else None,
        kind,
        None if branch == NO_BRANCH else branch,
        _moment(high << 32 | low),
        _moment(int.from_bytes(packed[SIZE:])) if size > SIZE else None,
    )


def _moment(hundredths: int) -> datetime:
    seconds, rest = divmod(hundredths, 100)
    return _EPOCH + timedelta(0, seconds, rest * 10_000)
