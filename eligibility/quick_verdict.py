"""
Verdicts from packed records, the same as verdict_of(unpack(...)) gives, at half the price.

Nearly every record is older than the export it came in, so its verdict is as old as the export.
Then status, kind and last day alone decide what is said (some thousands of combinations), for as
long as it is the same day in Tehran and the export stays on one side of each limit of freshness.
"""

from dataclasses import fields
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from eligibility.freshness import Found, Freshness, verdict_of
from eligibility.generation import Generation
from eligibility.record import NO_BRANCH, SIZE, hundredths_of, unpack
from eligibility.verdict import CANNOT_CHECK, Verdict
from persian.jalali import TEHRAN, tehran_date

MAX_KEPT: Final = 50_000
"""Combinations kept. Four kinds, three statuses and ten years of days are 44,000."""

_ALWAYS: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
_NEVER: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=2)
_NEXT: Final = timedelta.resolution


class QuickVerdicts:
    """A memory of what was judged, good for one generation and one stretch of time."""

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._generation: Generation | None = None
        self._from = self._until = _ALWAYS
        self._exported = b""
        self._judged: dict[bytes, Verdict] = {}

    def verdict(self, packed: bytes, generation: Generation, now: datetime) -> Verdict:
        """The verdict at an aware moment. Raises BadRecord."""
        if generation is not self._generation or not self._from <= now < self._until:
            self._begin(generation, now)
        if len(packed) != SIZE or packed[5:] > self._exported:
            found = Found.of(unpack(packed), generation.as_of, generation.number)
            return verdict_of(found, now, self._freshness)
        judged = self._judged.get(packed[:3])
        if judged is None:
            found = Found(unpack(packed), generation.as_of, generation.number)
            judged = verdict_of(found, now, self._freshness)
            if len(self._judged) < MAX_KEPT:
                self._judged[packed[:3]] = judged
        if judged is CANNOT_CHECK:
            return judged
        branch = packed[3] << 8 | packed[4]
        opened: Any = _Open()
        opened.outcome = judged.outcome
        opened.as_of = judged.as_of
        opened.source = judged.source
        opened.stale = judged.stale
        opened.valid_until = judged.valid_until
        opened.not_covered_since = judged.not_covered_since
        opened.kind = judged.kind
        opened.branch = None if branch == NO_BRANCH else branch
        opened.generation = judged.generation
        opened.__class__ = Verdict
        verdict: Verdict = opened
        return verdict

    def _begin(self, generation: Generation, now: datetime) -> None:
        """Forget, and find the stretch of time around now in which nothing changes by itself."""
        midnight = datetime.combine(tehran_date(now), time(), TEHRAN).astimezone(UTC)
        turns = [midnight, midnight + timedelta(days=1)]
        for limit in (self._freshness.fresh_for, self._freshness.usable_for):
            turns.append(_later(generation.as_of, limit) + _NEXT)
        self._from = max((turn for turn in turns if turn <= now), default=_NEVER)
        self._until = min((turn for turn in turns if turn > now), default=_ALWAYS)
        self._exported = hundredths_of(generation.as_of).to_bytes(5)
        self._generation = generation
        self._judged = {}


class _Open:
    """A Verdict while it is written: the same slots, and no lock on them.

    The constructor of a frozen class goes round its own lock for each field, which would cost more
    than all else that is done here.
    """

    __slots__ = tuple(field.name for field in fields(Verdict))


def _later(moment: datetime, span: timedelta) -> datetime:
    return _ALWAYS if span > _ALWAYS - moment else moment + span
