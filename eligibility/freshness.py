"""
How old an answer may be: told as it is, told with its date, or not told at all.

    age of the facts   up to fresh_for    up to usable_for    older
    verdict            as it is           marked stale        CANNOT_CHECK
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from eligibility.verdict import CANNOT_CHECK, Outcome, Record, Source, Verdict, judge
from persian.jalali import tehran_date


@dataclass(frozen=True, slots=True)
class Freshness:
    """Ages of the facts: beyond `fresh_for` they are stale, beyond `usable_for` useless."""

    fresh_for: timedelta
    usable_for: timedelta


class Found(NamedTuple):
    """What the cache knows of a person; `record` is None for one the registry does not know.

    `as_of` is when the registry said so: with the export, with a later change, or when asked.
    `generation` is the one that was looked into, None for what the registry said.
    """

    record: Record | None
    as_of: datetime
    generation: int | None = None

    @classmethod
    def of(cls, record: Record, exported: datetime, generation: int | None = None) -> "Found":
        """A record in a generation whose export was true at that moment."""
        as_of = max(exported, record.updated_at, record.confirmed_at or exported)
        return cls(record, as_of, generation)


def verdict_of(found: Found, now: datetime, freshness: Freshness) -> Verdict:
    """The verdict at a moment (aware). NOT_FOUND ages as records do.

    A registry's clock may be ahead of ours. By its time it is decided which of a person's records
    is newer, wherever they come from; but nobody is told a moment that has not come.
    """
    as_of = min(found.as_of, now)
    age = now - as_of
    if age > freshness.usable_for:
        return CANNOT_CHECK
    stale = age > freshness.fresh_for
    if found.record is None:
        return Verdict(
            Outcome.NOT_FOUND,
            as_of=as_of,
            source=Source.CACHE,
            stale=stale,
            generation=found.generation,
        )
    return judge(
        found.record,
        tehran_date(now),
        as_of=as_of,
        source=Source.CACHE,
        stale=stale,
        generation=found.generation,
    )
