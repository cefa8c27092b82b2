"""
One change at the registry, as it stands in the stream: the fields of a row of the CSV.

    national_id status valid_until kind branch updated_at [batch]

All six are needed, by these names, whatever their order; others are ignored. They are read as the
loader reads a row. `batch` is a mark of `dargah apply`, which counts by it what became of its own.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from eligibility.csv_rows import COLUMNS, Header, Rejected, RowReader
from eligibility.national_id import NationalId
from eligibility.record import unpack
from eligibility.verdict import Record
from state.streams import Entry

BATCH: Final = "batch"
MAX_FIELDS: Final = 64
MAX_VALUE: Final = 128
"""Octets of a value; ours have 32 at most."""

_HEADER: Final = Header.read("a change", list(COLUMNS))
_BATCH: Final = re.compile(rb"[0-9a-f]{16}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STREAMS_BEGAN: Final = datetime(2018, 1, 1, tzinfo=UTC)


class BadChange(ValueError):
    """An entry that is no change. `field` is one of COLUMNS or `entry`; no text of it is told."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody's new record, by its place in the stream; `batch` is "" where nobody counts."""

    id: bytes
    person: NationalId
    record: Record
    batch: str = ""


def read_change(entry: Entry, now: datetime) -> Change:
    """The change in an entry. Raises BadChange.

    The loader's clock is here the moment at which the entry was put into the stream, so that
    whoever reads it, and however often, reads the same.
    """
    put = put_at(entry.id, now)
    if put < _STREAMS_BEGAN:
        raise BadChange("entry", "has an ID of its sender's own; Redis has to give it (*)")
    if len(entry.names) > MAX_FIELDS:
        raise BadChange("entry", f"has more than {MAX_FIELDS} fields")
    fields = dict(zip(entry.names, entry.values, strict=True))
    values = [_text(column, fields.get(column.encode())) for column in COLUMNS]
    if len(fields) < len(entry.names):
        raise BadChange("entry", "has a field twice")
    try:
        row = RowReader(_HEADER, put).read(values)
    except Rejected as rejected:
        raise BadChange(rejected.column or "entry", rejected.reason) from None
    batch = fields.get(BATCH.encode(), b"")
    return Change(
        entry.id,
        NationalId.parse(values[0]),
        unpack(row.record),
        batch.decode() if _BATCH.fullmatch(batch) else "",
    )


def put_at(id_: bytes, now: datetime) -> datetime:
    """When an entry was put into its stream, by its ID; `now` where that is yet to come."""
    milliseconds = int(id_.partition(b"-")[0])
    if milliseconds >= (now - _EPOCH) // timedelta(milliseconds=1):
        return now
    return _EPOCH + timedelta(milliseconds=milliseconds)


def id_at(moment: datetime) -> bytes:
    """The least ID of an entry put at this moment or later."""
    return b"%d-0" % max(0, (moment - _EPOCH) // timedelta(milliseconds=1))


def _text(column: str, value: bytes | None) -> str:
    if value is None:
        raise BadChange(column, "is missing")
    if len(value) > MAX_VALUE:
        raise BadChange(column, f"has more than {MAX_VALUE} octets")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadChange(column, "is not UTF-8") from None
