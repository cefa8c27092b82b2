"""
From a record to an outcome.

The classes and the table are the organisation's own: six outcomes, never fewer, never mixed up.
A fault is CANNOT_CHECK; it never comes out as NOT_COVERED or NOT_FOUND.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """What an inquiry can come to."""

    COVERED = "COVERED"
    NOT_COVERED = "NOT_COVERED"
    PENDING_PAYMENT = "PENDING_PAYMENT"
    NOT_FOUND = "NOT_FOUND"
    INVALID_ID = "INVALID_ID"
    CANNOT_CHECK = "CANNOT_CHECK"


class Source(StrEnum):
    """Who gave the facts of a verdict."""

    CACHE = "cache"
    REGISTRY = "registry"


class Status(StrEnum):
    """What the registry holds about a person's cover."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"


class Kind(StrEnum):
    """The kind of insurance; told only to API keys with the scope for it."""

    MAIN = "main"
    DEPENDANT = "dependant"
    PENSIONER = "pensioner"
    VOLUNTARY = "voluntary"


@dataclass(frozen=True, slots=True)
class Record:
    """One person as the registry has them. `branch` is None if unknown; moments are aware.

    `updated_at` is when this became so at the registry; `confirmed_at` when the registry was last
    asked about this person alone, None where it never was.
    """

    status: Status
    valid_until: date | None
    kind: Kind
    branch: int | None
    updated_at: datetime
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about one person's cover, and since when we know it.

    `as_of` is when the registry said so, not when we read it; None where nobody said anything
    (INVALID_ID, CANNOT_CHECK). `valid_until` goes with COVERED, `not_covered_since` with
    NOT_COVERED; both may be None there. `kind` and `branch` are for scoped API keys alone.
    `generation` is the one that was looked into, None where the cache did not say it.
    """

    outcome: Outcome
    as_of: datetime | None = None
    source: Source | None = None
    stale: bool = False
    valid_until: date | None = None
    not_covered_since: date | None = None
    kind: Kind | None = None
    branch: int | None = None
    generation: int | None = field(default=None, compare=False)


CANNOT_CHECK = Verdict(Outcome.CANNOT_CHECK)
INVALID_ID = Verdict(Outcome.INVALID_ID)


def judge(
    record: Record,
    today: date,
    *,
    as_of: datetime,
    source: Source,
    stale: bool = False,
    generation: int | None = None,
) -> Verdict:
    """The outcome of a record on a day (the date in Tehran)."""
    until = record.valid_until
    outcome, valid_until, since = Outcome.NOT_COVERED, None, None
    if record.status is Status.PENDING:
        outcome = Outcome.PENDING_PAYMENT
    elif until is not None and until < today:
        since = until + timedelta(days=1)
    elif record.status is Status.ACTIVE:
        outcome, valid_until = Outcome.COVERED, until
    return Verdict(
        outcome=outcome,
        as_of=as_of,
        source=source,
        stale=stale,
        valid_until=valid_until,
        not_covered_since=since,
        kind=record.kind,
        branch=record.branch,
        generation=generation,
    )
