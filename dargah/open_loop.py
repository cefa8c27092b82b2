"""
Lookups at a rate that is offered, whatever becomes of them: an open loop.

The time of each counts from when it was meant to arrive, so that a pause is felt by everybody who
would have come during it. The arrivals come from a process of their own (dargah/arrivals.py).
"""

import asyncio
import sys
import time
from array import array
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from dargah.arrivals import BEGIN, due
from dargah.failures import Failure
from dargah.wiring import clock
from eligibility.national_id import NationalId
from eligibility.verdict import CANNOT_CHECK, Outcome, Verdict
from state.errors import ReplyError, Unavailable

Asked = tuple[str, bool]
"""An ID as typed, and whether the registry knows it."""


class Looks(Protocol):
    """Who looks people up: eligibility.cache.Cache."""

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """As Cache.verdict."""
        ...


@dataclass(frozen=True, slots=True)
class Steady:
    """What became of an offered rate. Times are in milliseconds from the intended arrival.

    `unanswered` could not be checked; they have their times with the others. `late` is the share
    of arrivals that went out more than a millisecond after their time: the generator's doing, or
    that of a machine with too few processors. `p99_each_second` has the seconds in their order.
    """

    offered: float
    answered: int
    unanswered: int
    late: float
    p50: float
    p99: float
    p999: float
    p99_each_second: tuple[float, ...]


async def steady(
    cache: Looks, asked: Sequence[Asked], rate: float, until: Awaitable[object], seed: int = 1420
) -> Steady:
    """Look people up at this rate until something is done. Raises Failure for a wrong answer."""
    loop = asyncio.get_running_loop()
    command = [sys.executable, "-m", "dargah.arrivals", str(rate), str(seed)]
    transport, hearing = await loop.subprocess_exec(
        lambda: Hearing(cache, asked, rate, seed), *command, stdin=None
    )
    try:
        await until
        transport.terminate()
        await hearing.over
    finally:
        transport.close()
    await asyncio.gather(*hearing.under_way)
    return hearing.measured()


def quantile(ordered: Sequence[float], share: float) -> float:
    """The time within which this share was done; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Hearing(asyncio.SubprocessProtocol):
    """Starts a lookup for each arrival, and times it."""

    def __init__(self, cache: Looks, asked: Sequence[Asked], rate: float, seed: int) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.under_way: set[asyncio.Task[None]] = set()
        self._cache = cache
        self._asked = asked
        self._rate = rate
        self._due = due(rate, seed)
        self._begin: float | None = None
        self._head = b""
        self._said = b""
        self._arrived = 0
        self._meant = array("d")
        self._took = array("d")
        self._unanswered = 0
        self._wrong = ""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Arrivals on 1; on 2, at the end, how many and how many late."""
        if fd == 2:
            self._said += data
            return
        if self._begin is None:
            self._head += data
            if len(self._head) < BEGIN.size:
                return
            (self._begin,) = cast("tuple[float]", BEGIN.unpack_from(self._head))
            data = self._head[BEGIN.size :]
        for _ in data:
            task = asyncio.create_task(self._look_up(self._arrived, next(self._due)))
            self._arrived += 1
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, and all that it said has been heard."""
        if not self.over.done():
            self.over.set_result(None)

    async def _look_up(self, number: int, meant: float) -> None:
        text, known = self._asked[number % len(self._asked)]
        begin = cast("float", self._begin)
        try:
            verdict = await self._cache.verdict(NationalId.parse(text), clock())
        except (Unavailable, ReplyError):
            verdict = CANNOT_CHECK
        if verdict is CANNOT_CHECK:
            self._unanswered += 1
        elif known is (verdict.outcome is Outcome.NOT_FOUND):
            self._wrong = verdict.outcome
        self._meant.append(meant)
        self._took.append(time.monotonic() - begin - meant)

    def measured(self) -> Steady:
        """All of it. Raises Failure."""
        if self._wrong:
            raise Failure(f"somebody came out as {self._wrong}, and should not have.")
        words = self._said.split()
        if len(words) != 2:
            raise Failure("the process that makes the arrivals did not run to its end.")
        seconds: dict[int, list[float]] = {}
        for meant, took in zip(self._meant, self._took, strict=True):
            seconds.setdefault(int(meant), []).append(took * 1000)
        ordered = sorted(took * 1000 for took in self._took)
        return Steady(
            offered=self._rate,
            answered=len(ordered) - self._unanswered,
            unanswered=self._unanswered,
            late=int(words[1]) / max(1, int(words[0])),
            p50=quantile(ordered, 0.5),
            p99=quantile(ordered, 0.99),
            p999=quantile(ordered, 0.999),
            p99_each_second=tuple(
                quantile(sorted(times), 0.99) for _, times in sorted(seconds.items())
            ),
        )
