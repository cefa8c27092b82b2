"""
Lookups at a steady rate, in an open loop: each is sent at its time, however late others are.

What a lookup took is counted from the time it was meant for, so that a pause of ours, or a queue,
is seen. Every answer is compared with what the population says.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from eligibility.cache import Cache
from eligibility.national_id import NationalId
from eligibility.population import people
from eligibility.verdict import Kind, Outcome, Record, Source, Status, Verdict, judge
from state.errors import ReplyError, Unavailable

PLAIN, STALE, CANNOT_CHECK, WRONG = "plain", "stale", "cannot check", "wrong"
KINDS: Final = (PLAIN, STALE, CANNOT_CHECK, WRONG)
TICK = 0.0005
"""Seconds between two sendings: 2,000 a second are one at a time."""
UNKNOWN_EVERY = 10
"""One in so many is asked about who is not in the population."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A person, and the verdict that is right on the run's day (its dates and outcome alone)."""

    person: NationalId
    right: Verdict


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: `at` when it was meant to be asked, `took` until it was there; seconds."""

    at: float
    took: float
    kind: str


def questions(number: int, seed: int, today: date, now: datetime) -> list[Asked]:
    """Everybody of a population and, between them, some whom it has not."""
    known = []
    for digits, status, until, kind, branch, updated in people(number, seed, today):
        record = Record(
            Status(status),
            date.fromisoformat(until) if until else None,
            Kind(kind),
            int(branch) if branch else None,
            datetime.fromisoformat(updated),
        )
        right = judge(record, today, as_of=now, source=Source.CACHE)
        known.append(Asked(NationalId.parse(digits), right))
    there = {asked.person.digits for asked in known}
    unknown = (row[0] for row in people(number, seed + 1, today) if row[0] not in there)
    nobody = Verdict(Outcome.NOT_FOUND, as_of=now, source=Source.CACHE)
    mixed: list[Asked] = []
    for asked in known:
        mixed.append(asked)
        if not len(mixed) % UNKNOWN_EVERY and (digits := next(unknown, "")):
            mixed.append(Asked(NationalId.parse(digits), nobody))
    return mixed


class Steady:
    """Asks at `rate` a second from start() to stop(). `told` has all answers, `wrong` the worst."""

    def __init__(
        self, cache: Cache, asked: Sequence[Asked], rate: float, clock: Callable[[], datetime]
    ) -> None:
        self.told: list[Told] = []
        self.wrong: list[str] = []
        self._cache = cache
        self._asked = asked
        self._rate = rate
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began = 0.0
        self._lookups: set[asyncio.Task[None]] = set()
        self._asking: asyncio.Task[None] | None = None

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self._loop.time() - self._began

    def start(self) -> None:
        """Begin."""
        self._began = self._loop.time()
        self._asking = asyncio.create_task(self._ask())

    async def stop(self) -> None:
        """Ask nothing more; returns when every answer is there."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await asyncio.gather(*self._lookups)

    async def until_plain(self, seconds: float, within: float) -> None:
        """Until all answers meant for the last so many seconds are plain. Raises TimeoutError."""
        since = self.now
        async with asyncio.timeout(within):
            while True:
                await asyncio.sleep(seconds / 4)
                end = self.now - 0.3
                last = [t for t in self.told[-20_000:] if max(since, end - seconds) <= t.at < end]
                if end - seconds >= since and last and all(t.kind == PLAIN for t in last):
                    return

    def kinds(self, since: float = 0.0, until: float = float("inf")) -> set[str]:
        """What kinds of answer there were to what was meant to be asked then."""
        return {told.kind for told in self.told if since <= told.at < until}

    async def _ask(self) -> None:
        sent = 0
        while True:
            while sent / self._rate <= self.now:
                # A step that shares no divisor with the length would be nicer; any order will do.
                asked = self._asked[sent * 7919 % len(self._asked)]
                task = asyncio.create_task(self._one(asked, sent / self._rate))
                self._lookups.add(task)
                task.add_done_callback(self._lookups.discard)
                sent += 1
            await asyncio.sleep(TICK)

    async def _one(self, asked: Asked, at: float) -> None:
        try:
            verdict = await self._cache.verdict(asked.person, self._clock())
        except (Unavailable, ReplyError):
            kind = CANNOT_CHECK  # so the inquiry tells it (eligibility/inquiry.py)
        else:
            kind = self._judged(asked.right, verdict)
        self.told.append(Told(at, self.now - at, kind))

    def _judged(self, right: Verdict, verdict: Verdict) -> str:
        if verdict.outcome is Outcome.CANNOT_CHECK:
            return CANNOT_CHECK
        if _facts(verdict) != _facts(right) or verdict.as_of is None:
            self.wrong.append(f"{verdict.outcome} where {right.outcome} is right")
            return WRONG
        return STALE if verdict.stale else PLAIN


def _facts(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.outcome,
        verdict.valid_until,
        verdict.not_covered_since,
        verdict.kind,
        verdict.branch,
    )


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which so much of them lies; 0.0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
