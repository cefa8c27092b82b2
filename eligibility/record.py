"""
A person's record, packed: ten bytes, big-endian.

    byte 0     version (3 bits) | status (2) | kind (3)
    bytes 1-2  valid_until, days since 1950-01-01 plus 1; 0: none
    bytes 3-4  branch; 65535: unknown
    bytes 5-9  updated_at, hundredths of a second since 1970-01-01 UTC

An unknown version is BadRecord, never a guess: a gateway that is older than the loader answers
that it cannot check.
"""

import struct
from datetime import UTC, date, datetime, timedelta
from typing import Final

from eligibility.verdict import Kind, Record, Status

SIZE: Final = 10
VERSION: Final = 1
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
    VERSION << 5 | status_code << 3 | kind_code: (status, kind)
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
    """Pack a record; `updated_at` is rounded down to hundredths. Raises BadRecord."""
    branch = record.branch
    if branch is not None and not 0 <= branch < NO_BRANCH:
        raise BadRecord(f"branch outside 0 to {NO_BRANCH - 1}")
    return pack_codes(
        STATUS_CODES[record.status],
        KIND_CODES[record.kind],
        0 if record.valid_until is None else days_of(record.valid_until),
        NO_BRANCH if branch is None else branch,
        hundredths_of(record.updated_at),
    )


def unpack(packed: bytes) -> Record:
    """The record in ten bytes; `updated_at` is in UTC. Raises BadRecord."""
    try:
        head, days, branch, high, low = _PACKING.unpack(packed)
        status, kind = _HEADS[head]
    except (struct.error, KeyError):
        raise BadRecord(f"{len(packed)} bytes that are no record of version {VERSION}") from None
    seconds, hundredths = divmod(high << 32 | low, 100)
    return Record(
        status,
        date.fromordinal(days + _DAY_ZERO) if days else None,
        kind,
        None if branch == NO_BRANCH else branch,
        _EPOCH + timedelta(0, seconds, hundredths * 10_000),
    )
