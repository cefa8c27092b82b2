from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eligibility.freshness import Found, Freshness, verdict_of
from eligibility.generation import Generation, Phase
from eligibility.quick_verdict import QuickVerdicts
from eligibility.record import (
    FIRST_DAY,
    LAST_DAY,
    SIZE,
    BadRecord,
    pack,
    unpack,
)
from eligibility.verdict import Kind, Outcome, Record, Status, Verdict
from persian.jalali import TEHRAN

RECORDS = st.builds(
    Record,
    status=st.sampled_from(Status),
    valid_until=st.none() | st.dates(FIRST_DAY, LAST_DAY),
    kind=st.sampled_from(Kind),
    branch=st.none() | st.integers(0, 65_534),
    updated_at=st.integers(0, (1 << 40) - 1).map(
        lambda n: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=10) * n
    ),
)
USABLE = Freshness(fresh_for=timedelta(days=30), usable_for=timedelta(days=90))
MIDNIGHT = datetime(2026, 11, 21, tzinfo=TEHRAN)


@given(RECORDS)
def test_inverse(record: Record) -> None:
    """A record comes out of its ten bytes exactly as it went in."""
    packed = pack(record)
    assert len(packed) == SIZE
    assert unpack(packed) == record


@given(st.binary(max_size=12))
def test_any_bytes(packed: bytes) -> None:
    """Bytes are the one record that packs to them, or no record."""
    try:
        record = unpack(packed)
    except BadRecord:
        return
    assert pack(record) == packed


def test_other_version() -> None:
    """A record of a version to come is not guessed at."""
    packed = pack(Record(Status.ACTIVE, None, Kind.MAIN, 1, MIDNIGHT))
    with pytest.raises(BadRecord):
        unpack(bytes([packed[0] ^ 0x40]) + packed[1:])


@pytest.mark.parametrize(
    "record",
    [
        Record(Status.ACTIVE, FIRST_DAY - timedelta(1), Kind.MAIN, 1, MIDNIGHT),
        Record(Status.ACTIVE, LAST_DAY + timedelta(1), Kind.MAIN, 1, MIDNIGHT),
        Record(Status.ACTIVE, None, Kind.MAIN, 65_535, MIDNIGHT),
        Record(Status.ACTIVE, None, Kind.MAIN, -1, MIDNIGHT),
        Record(Status.ACTIVE, None, Kind.MAIN, 1, datetime(1969, 12, 31, tzinfo=UTC)),
    ],
)
def test_does_not_fit(record: Record) -> None:
    """What does not fit into a record is refused, not cut."""
    with pytest.raises(BadRecord):
        pack(record)


COVERED, NOT_COVERED = Outcome.COVERED, Outcome.NOT_COVERED
DAY = date(2026, 11, 20)
"""The day that ends at MIDNIGHT in Tehran."""

BEFORE, AFTER = MIDNIGHT - timedelta(microseconds=1), MIDNIGHT


@pytest.mark.parametrize(
    ("status", "until", "now", "outcome", "valid_until", "since"),
    [
        (Status.ACTIVE, DAY, BEFORE, COVERED, DAY, None),
        (Status.ACTIVE, DAY, AFTER, NOT_COVERED, None, DAY + timedelta(1)),
        (Status.ACTIVE, DAY + timedelta(1), AFTER, COVERED, DAY + timedelta(1), None),
        (Status.ACTIVE, None, BEFORE, COVERED, None, None),
        (Status.ACTIVE, None, AFTER, COVERED, None, None),
        (Status.INACTIVE, DAY, BEFORE, NOT_COVERED, None, None),
        (Status.INACTIVE, DAY, AFTER, NOT_COVERED, None, DAY + timedelta(1)),
        (Status.INACTIVE, DAY + timedelta(9), AFTER, NOT_COVERED, None, None),
        (Status.INACTIVE, None, BEFORE, NOT_COVERED, None, None),
        (Status.INACTIVE, None, AFTER, NOT_COVERED, None, None),
        (Status.PENDING, DAY, BEFORE, Outcome.PENDING_PAYMENT, None, None),
        (Status.PENDING, DAY, AFTER, Outcome.PENDING_PAYMENT, None, None),
        (Status.PENDING, DAY + timedelta(9), AFTER, Outcome.PENDING_PAYMENT, None, None),
        (Status.PENDING, None, AFTER, Outcome.PENDING_PAYMENT, None, None),
    ],
)
def test_table(
    status: Status,
    until: date | None,
    now: datetime,
    outcome: Outcome,
    valid_until: date | None,
    since: date | None,
) -> None:
    """The table of outcomes holds on both sides of a Tehran midnight, asked in any zone."""
    record = Record(status, until, Kind.MAIN, 1, MIDNIGHT - timedelta(days=3))
    for moment in (now, now.astimezone(UTC)):
        verdict = verdict_of(Found(record, record.updated_at), moment, USABLE)
        assert (verdict.outcome, verdict.valid_until, verdict.not_covered_since) == (
            outcome,
            valid_until,
            since,
        )
        assert not verdict.stale


@pytest.mark.parametrize("record", [Record(Status.ACTIVE, None, Kind.MAIN, 1, MIDNIGHT), None])
def test_age(record: Record | None) -> None:
    """Old facts are told as old, very old ones not at all; so is that somebody is unknown."""
    found = Found(record, MIDNIGHT)
    outcome = Outcome.COVERED if record else Outcome.NOT_FOUND
    ages = [timedelta(days=30), timedelta(days=30, seconds=1), timedelta(days=90)]
    told = [verdict_of(found, MIDNIGHT + age, USABLE) for age in ages]
    assert [(verdict.outcome, verdict.stale) for verdict in told] == [
        (outcome, False),
        (outcome, True),
        (outcome, True),
    ]
    assert all(verdict.as_of == MIDNIGHT for verdict in told)
    useless = verdict_of(found, MIDNIGHT + timedelta(days=90, seconds=1), USABLE)
    assert useless.outcome is Outcome.CANNOT_CHECK


OLD_RECORDS = st.builds(
    replace, RECORDS, updated_at=st.integers(0, 10**9).map(lambda n: datetime.fromtimestamp(n, UTC))
)


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=11) | RECORDS.map(pack) | OLD_RECORDS.map(pack), st.integers(0, 5)
        )
    ),
    st.integers(0, 10**9).map(lambda n: MIDNIGHT.astimezone(UTC) - n * timedelta(milliseconds=7)),
)
def test_quick_verdicts(asked: list[tuple[bytes, int]], exported: datetime) -> None:
    """The quick way to a verdict says what the plain way says, on whatever days it is asked."""
    generation = Generation(1, "a1", 1, 1, 1, 0, 0, exported, exported, "", "", Phase.READY)
    quick = QuickVerdicts(USABLE)
    limits = [timedelta(0), USABLE.fresh_for, USABLE.usable_for]
    moments = [
        exported + limit + edge * timedelta.resolution for limit in limits for edge in (0, 1)
    ]
    moments += [MIDNIGHT - timedelta.resolution, MIDNIGHT]
    for packed, first in asked:
        for now in (*moments[first:], *moments):
            try:
                record = unpack(packed)
            except BadRecord:
                with pytest.raises(BadRecord):
                    quick.verdict(packed, generation, now)
                continue
            found = Found(record, max(exported, record.updated_at))
            told = quick.verdict(packed, generation, now)
            assert told == verdict_of(found, now, USABLE)
            assert type(told) is Verdict
            with pytest.raises(FrozenInstanceError):
                told.outcome = Outcome.COVERED  # type: ignore[misc]
