"""
A model of the store of people, for the test that holds the store against it.

It knows of each generation, for each person, which records may stand there: one, or two where a
write was under way when Redis failed. It judges by the organisation's own table, written down here
once more.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from eligibility.record import pack
from eligibility.verdict import Outcome, Record, Status, Verdict

FRESH, USABLE = timedelta(hours=30), timedelta(days=6)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Held:
    """What the model knows of a generation: of each person the records that may stand there."""

    number: int
    as_of: datetime
    people: dict[str, set[Record | None]] = field(default_factory=dict)
    there: bool = True

    def may_be(self, person: str) -> set[Record | None]:
        """The records of a person; None is nobody."""
        return self.people.get(person, {None})

    def takes(self, person: str, record: Record, *, surely: bool = True) -> None:
        """A record came; not `surely` where nobody knows whether it was written."""
        before = self.may_be(person)
        after: set[Record | None] = {later(one, record) for one in before}
        self.people[person] = after if surely else before | after


def later(one: Record | None, other: Record) -> Record:
    """Which of two records stays."""
    return other if one is None or rank(other) > rank(one) else one


def rank(record: Record) -> tuple[datetime, datetime, bytes]:
    """The order of a person's records: at the registry, then by when it was asked, then any."""
    packed = pack(record)
    return record.updated_at, record.confirmed_at or NEVER, bytes([packed[0] % 32]) + packed[1:5]


def expected(held: Held, record: Record | None, now: datetime) -> Verdict:
    """The verdict by the organisation's table."""
    moments = [held.as_of]
    if record:
        moments += [record.updated_at, record.confirmed_at or NEVER]
    as_of, today = max(moments), (now + timedelta(hours=3, minutes=30)).date()
    if now - as_of > USABLE:
        return Verdict(Outcome.CANNOT_CHECK)
    outcome, until, since = Outcome.NOT_FOUND, None, None
    if record:
        past = record.valid_until is not None and record.valid_until < today
        if record.status is Status.PENDING:
            outcome = Outcome.PENDING_PAYMENT
        elif record.status is Status.ACTIVE and not past:
            outcome, until = Outcome.COVERED, record.valid_until
        else:
            outcome = Outcome.NOT_COVERED
            if past and record.valid_until:
                since = record.valid_until + timedelta(days=1)
    stale = now - as_of > FRESH
    return Verdict(outcome, as_of, stale=stale, valid_until=until, not_covered_since=since)


def what_is_told(verdict: Verdict) -> tuple[object, ...]:
    """All that a caller learns."""
    return (
        verdict.outcome,
        verdict.as_of,
        verdict.stale,
        verdict.valid_until,
        verdict.not_covered_since,
    )
