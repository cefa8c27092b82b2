"""
The gateway's part in the feed: take changes, apply them, acknowledge; again and again.

    stream ─▶ Consumer ─▶ those of one turn together ─▶ apply ─▶ settle
                 └─ cannot be read ─▶ aside

One group for all gateways: each change is taken once, and taken over from a gateway that died.
Where the cache is away a change is tried again, then left in the stream for whoever comes.

Besides, once a second: the stream is tended, its lag is told, and it is looked whether the cache
has gone back (it crashed, and came up from its last snapshot) or another generation has begun to
answer; then the changes that may be missing are put on again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from eligibility.catch_up import replay
from eligibility.change import BadChange, Change, id_at, put_at, read_change
from eligibility.change_apply import Result, Wrote, apply, mark, marked, place_of
from eligibility.change_stream import ChangeStream, Tended
from eligibility.generation import BadGeneration
from eligibility.generations import Generations
from eligibility.person_store import Written
from state.commands import Commands
from state.consumer import Consumer, Link
from state.errors import ReplyError, Unavailable
from state.streams import Entry, after
from state.together import Together

log = structlog.get_logger("eligibility")

AT_ONCE: Final = 1000
CLAIM_AFTER: Final = 5.0
"""Seconds after which a change that a gateway took and did not hold on to is another's."""
PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 1.0)
"""Seconds before each further try of what the cache did not take."""
TENDED_EVERY: Final = 1.0
MOST_TENDED: Final = 100
"""Rounds of removing old entries a second: more than can come."""
OVERLAP: Final = timedelta(minutes=10)
"""How far before a mark or a switch changes are put on again: gateways do not finish in order."""

_FAULTS = (Unavailable, ReplyError, BadGeneration)


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """How long an applied change stays for the next load, and how many at the most; from when on
    a change counts as late; how much before an export's as_of a load begins to catch up."""

    kept_for: timedelta
    limit: int
    late_after: timedelta
    margin: timedelta


class ChangeObserver(Protocol):
    """Who counts."""

    def changed(self, what: str) -> None:
        """A change was taken off: one of person_store.Written, or `bad`."""
        ...

    def put_aside(self, field: str) -> None:
        """A change could not be read, for this field (see BadChange) or `fault`."""
        ...

    def changes_wait(self, length: int, lag: float) -> None:
        """The stream has so many entries; the oldest that waits has waited so many seconds."""
        ...


class ChangeFeed:
    """One process's part. `open_link` connects as state/consumer.py asks."""

    def __init__(
        self,
        stream: ChangeStream,
        cache: Commands,
        state: Commands,
        settings: ChangeSettings,
        *,
        open_link: Callable[[], Awaitable[Link]],
        clock: Callable[[], datetime],
        observer: ChangeObserver,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        claim_after: float = CLAIM_AFTER,
    ) -> None:
        self._stream = stream
        self._cache = cache
        self._generations = Generations(cache, state)
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._pause = pause
        self._applying = Together(self._apply)
        self._consumer = Consumer(
            stream.stream,
            self._work,
            open_link,
            give_up=self._give_up,
            at_once=AT_ONCE,
            claim_after=claim_after,
        )
        self._tending: asyncio.Task[None] | None = None
        self._stopping = False
        self._lag = 0.0
        self._late = False
        self._seen = b"0-0"
        self._answers = ""

    @property
    def late(self) -> str:
        """Empty, or what is wrong: for /readyz."""
        return f"{self._lag:.0f} s behind" if self._late else ""

    def start(self) -> None:
        """Begin to take changes."""
        self._consumer.start()
        self._tending = asyncio.create_task(self._tend(), name="tend changes")

    async def finish(self, deadline: float) -> int:
        """Take no more, and end what is under way by `deadline` (the loop's clock).

        How many were cut off; they stay in the stream.
        """
        self._stopping = True
        if self._tending:
            self._tending.cancel()
            await asyncio.wait([self._tending])
        return await self._consumer.finish(deadline)

    async def tend(self) -> None:
        """What is done once a second. Raises Unavailable, ReplyError, BadGeneration."""
        now = self._clock()
        kept_for, limit = self._settings.kept_for, self._settings.limit
        tended = await self._stream.tend(now, kept_for, limit)
        for _ in range(MOST_TENDED):
            if not tended.removed:
                break
            tended = await self._stream.tend(now, kept_for, limit)
        self._lag = (now - put_at(tended.oldest, now)).total_seconds() if tended.oldest else 0.0
        self._observer.changes_wait(tended.length, self._lag)
        late = self._lag > self._settings.late_after.total_seconds()
        if late != self._late:
            self._late = late
            tell = log.error if late else log.info
            tell("changes_late", seconds=round(self._lag), late=late)
        if tended.lost:
            log.error("changes_lost", number=tended.lost)
        if tended.length > limit:
            log.error("changes_above_limit", length=tended.length)
        await self._mend(now, tended)

    async def _mend(self, now: datetime, tended: Tended) -> None:
        """Put changes on again where the cache went back, or where something else answers now."""
        if self._seen == b"0-0":
            self._seen = tended.delivered
        seen = self._seen  # as it was before the cache was asked: changes go on meanwhile
        there = await marked(self._cache)
        first = id_at(now - OVERLAP)
        # What waits still comes by itself, and is counted then.
        waiting = tended.oldest or after(tended.delivered)
        back = place_of(there) < place_of(seen)
        if back:
            first = min(first, id_at(put_at(there or b"0-0", now) - OVERLAP), key=place_of)
        else:
            self._seen = max(self._seen, there or seen, key=place_of)
        pointer = await self._generations.pointer()
        answers = pointer.current.token if pointer.current else ""
        if not answers or (answers == self._answers and not back):
            return
        for generation in (pointer.current, pointer.previous):
            if generation is None or (generation is pointer.previous and not back):
                continue
            begins = max(first, id_at(generation.as_of - self._settings.margin), key=place_of)
            try:
                done = await replay(self._stream, self._cache, generation, begins, now, waiting)
            except Unavailable:
                if generation is pointer.current:
                    raise
                continue  # nobody can go back to it
            if done.applied:
                log.warning("changes_put_on_again", generation=generation.number, n=done.applied)
        if back:
            await mark(self._cache, self._seen)
        self._answers = answers

    async def _tend(self) -> None:
        failed = ""
        while True:
            try:
                await self.tend()
                failed = ""
            except Exception as error:
                # Also a bug of ours: the changes themselves go on all the same.
                if failed != (failed := type(error).__name__):
                    log.warning("changes_untended", reason=failed)
            await asyncio.sleep(TENDED_EVERY)

    async def _work(self, entry: Entry) -> None:
        try:
            change = read_change(entry, self._clock())
        except BadChange as error:
            await self._aside(entry, error.field, str(error))
            return
        result = await self._applying.add(change)
        if isinstance(result, Exception):
            if isinstance(result, Unavailable):
                self._consumer.rest(PAUSES[-1])
            raise result

    async def _give_up(self, entry: Entry) -> None:
        await self._aside(entry, "fault", "could not be applied, by a fault of the gateway")

    async def _aside(self, entry: Entry, field: str, reason: str) -> None:
        if await self._stream.put_aside(entry, reason):
            log.error("change_put_aside", change=entry.id.decode(), reason=reason)
            self._observer.changed("bad")
            self._observer.put_aside(field)

    async def _apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Apply and settle; what became of each, and why what is left is left."""
        results: dict[bytes, Result] = {}
        left: list[Change] = list(changes)
        wrote: Wrote = set()
        for pause in (*PAUSES, None):
            try:
                results |= await self._once(left, wrote)
            except Exception as error:
                if not isinstance(error, Unavailable | ReplyError):
                    # A bug that is no single change's: none of them is given up for it.
                    log.error("changes_unapplied", reason=type(error).__name__)
                    error = Unavailable("a fault of the gateway")
                results |= dict.fromkeys((change.id for change in left), error)
            left = [change for change in left if isinstance(results[change.id], Unavailable)]
            if not left or pause is None or self._stopping:
                break
            await self._pause(pause)
        return [results[change.id] for change in changes]

    async def _once(self, changes: Sequence[Change], wrote: Wrote) -> dict[bytes, Result]:
        told = await apply(self._cache, self._generations, changes, wrote)
        results = list(zip(changes, told, strict=True))
        done = [(change, what) for change, what in results if isinstance(what, Written)]
        if done:
            highest = max((change.id for change, _ in done), key=place_of)
            await mark(self._cache, highest)
            self._seen = max(self._seen, highest, key=place_of)
        for (change, what), ours in zip(done, await self._stream.settle(done), strict=True):
            if ours:
                self._observer.changed(what)
                if what is Written.UNREADABLE:
                    log.error("change_not_comparable", change=change.id.decode())
        return {change.id: result for change, result in results}
