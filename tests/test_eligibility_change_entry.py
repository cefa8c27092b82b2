"""Entries of the feed of changes, as anybody may have put them there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eligibility.change import BadChange, Change, read_change
from eligibility.csv_rows import COLUMNS
from eligibility.record import pack, unpack
from eligibility.verdict import Kind, Record, Status
from state.streams import Entry
from tests.loading import national

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
AT_NOW = b"%d-0" % (NOW.timestamp() * 1000)
GOOD = (national(1), "active", "2027-03-20", "main", "12", "2026-11-21T08:00:00+00:00")

octets = st.binary(max_size=200) | st.sampled_from([text.encode() for text in GOOD])
names = st.sampled_from([column.encode() for column in COLUMNS]) | st.binary(max_size=20)


def entry(*values: str, id_: bytes = AT_NOW, batch: str = "") -> Entry:
    """An entry with the values of COLUMNS."""
    fields = dict(zip(COLUMNS, values, strict=True)) | ({"batch": batch} if batch else {})
    return Entry(
        id_,
        tuple(value.encode() for value in fields.values()),
        names=tuple(name.encode() for name in fields),
    )


def tried(entry: Entry) -> Change | BadChange:
    """What reading comes to."""
    try:
        return read_change(entry, NOW)
    except BadChange as error:
        return error


@given(st.lists(st.tuples(names, octets), max_size=80), st.integers(0, 1 << 62))
def test_whatever_is_in_an_entry(fields: list[tuple[bytes, bytes]], milliseconds: int) -> None:
    """An entry is a change or is put aside; nothing that stands in it is told."""
    found = tuple(zip(*fields, strict=True)) or ((), ())
    told = tried(Entry(b"%d-7" % milliseconds, found[1], names=found[0]))
    if isinstance(told, BadChange):
        assert told.field in {*COLUMNS, "entry"}
        assert national(1) not in str(told)
    else:
        assert told.record.updated_at <= NOW


@given(
    st.builds(
        Record,
        status=st.sampled_from(Status),
        valid_until=st.none() | st.dates(NOW.date(), NOW.date() + timedelta(days=999)),
        kind=st.sampled_from(Kind),
        branch=st.none() | st.integers(0, 600),
        updated_at=st.timedeltas(timedelta(0), timedelta(days=9999)).map(lambda age: NOW - age),
    )
)
def test_a_change_is_read_as_it_was_written(record: Record) -> None:
    """What the registry says of a person arrives whole."""
    change = read_change(
        entry(
            national(1),
            record.status,
            record.valid_until.isoformat() if record.valid_until else "",
            record.kind,
            "" if record.branch is None else str(record.branch),
            record.updated_at.isoformat(),
        ),
        NOW,
    )
    assert change.person.digits == national(1)
    assert change.record == unpack(pack(record))


def test_a_clock_that_is_ahead_keeps_its_order() -> None:
    """A change dated ahead keeps its date, whenever and by whomever it is read."""
    ahead = (*GOOD[:5], "2026-11-21T20:00:00+00:00")
    read = [
        read_change(entry(*ahead), NOW + timedelta(hours=hours)).record.updated_at
        for hours in (0, 1, 100)
    ]
    assert read == [datetime(2026, 11, 21, 20, tzinfo=UTC)] * 3


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (entry("1234567890", *GOOD[1:]), "national_id"),
        (entry(*GOOD[:1], "gone", *GOOD[2:]), "status"),
        (entry(*GOOD[:2], "1405/12/29", *GOOD[3:]), "valid_until"),
        (entry(*GOOD[:5], "2026-11-23T00:00:00Z"), "updated_at"),
        (entry(*GOOD[:4], "7" * 200, GOOD[5]), "branch"),
        (entry(*GOOD, id_=b"5-1"), "entry"),
        (Entry(AT_NOW, (b"\xff",), names=(b"national_id",)), "national_id"),
        (Entry(AT_NOW, entry(*GOOD).values[1:], names=entry(*GOOD).names[1:]), "national_id"),
        (Entry(AT_NOW, entry(*GOOD).values * 2, names=entry(*GOOD).names * 2), "entry"),
        (Entry(AT_NOW, (b"",) * 65, names=tuple(b"%d" % n for n in range(65))), "entry"),
    ],
)
def test_what_is_wrong_is_named(bad: Entry, field: str) -> None:
    """A bad change is put aside under the field that is to be mended."""
    with pytest.raises(BadChange) as raised:
        read_change(bad, NOW)
    assert raised.value.field == field


def test_only_our_own_marks_are_counted_by() -> None:
    """The mark of a batch becomes part of a key, so any other text there is ignored."""
    assert read_change(entry(*GOOD, batch="0123456789abcdef"), NOW).batch == "0123456789abcdef"
    for other in ("0123456789ABCDEF", "x" * 16, "}", "0123456789abcdef0"):
        assert read_change(entry(*GOOD, batch=other), NOW).batch == ""
