"""
Changes that are in the stream already, put onto a generation that has missed them.

    a load      an export is older than the newest changes: before it answers, and right after
    a cache     that came back from its last snapshot, older than what was applied to it

Whoever is newer in the generation stays, so what it has already does no harm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from eligibility.change import BadChange, Change, id_at, put_at, read_change
from eligibility.change_apply import apply_to
from eligibility.change_stream import ChangeStream
from eligibility.generation import Generation, Phase
from eligibility.person_store import Written
from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.streams import Entry, after

log = structlog.get_logger("eligibility")

AT_ONCE: Final = 500
"""Entries read and written at once: some milliseconds of Redis."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """`applied` of the `read` entries were newer than what was there; `last` is the last ID."""

    read: int
    applied: int
    last: bytes


async def replay(
    stream: ChangeStream,
    cache: Commands,
    generation: Generation,
    first: bytes,
    now: datetime,
    before: bytes | None = None,
) -> Replayed:
    """Put all entries from the ID `first` on, and below `before`, onto a generation.

    Bad entries are passed over. Raises Unavailable where a bucket is not there, ReplyError.
    """
    read = applied = 0
    last = first
    while entries := await stream.since(first, before, AT_ONCE):
        changes = [change for entry in entries if (change := _change(entry, now))]
        for result in await apply_to(cache, generation.layout, changes):
            if isinstance(result, Exception):
                raise result
            if result is Written.GONE:
                raise Unavailable("the generation is not in the cache")
            applied += result is Written.WRITTEN
        read += len(entries)
        last = entries[-1].id
        first = after(last)
        if len(entries) < AT_ONCE:
            break
    return Replayed(read, applied, last)


class CatchUp:
    """For a load: called with its generation, again and again, it goes on where it stopped.

    `margin`: an export lacks what came while it was made, and clocks differ; so it begins this
    much before the export's `as_of`.
    """

    def __init__(
        self,
        state: Commands,
        cache: Commands,
        *,
        margin: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._stream = ChangeStream(state)
        self._cache = cache
        self._margin = margin
        self._clock = clock
        self._next: dict[str, bytes] = {}

    async def __call__(self, generation: Generation) -> None:
        """Put the changes onto it that it has missed. Raises Unavailable, ReplyError.

        A ready one answers by now: what fails is not the load's, and a gateway does the same when
        it sees the switch.
        """
        try:
            await self._put_on(generation)
        except (Unavailable, ReplyError) as error:
            if generation.phase is not Phase.READY:
                raise
            log.warning("changes_left_to_gateways", reason=type(error).__name__)

    async def _put_on(self, generation: Generation) -> None:
        now = self._clock()
        first = self._next.get(generation.token)
        if first is None:
            first = id_at(generation.as_of - self._margin)
            gone = await self._stream.gone_to()
            if gone is not None and put_at(gone, now) >= put_at(first, now):
                log.warning(
                    "changes_not_kept",
                    generation=generation.number,
                    up_to=put_at(gone, now).isoformat(timespec="seconds"),
                )
        done = await replay(self._stream, self._cache, generation, first, now)
        if done.read:
            log.info(
                "changes_replayed",
                generation=generation.number,
                read=done.read,
                applied=done.applied,
            )
            first = after(done.last)
        self._next[generation.token] = first


def _change(entry: Entry, now: datetime) -> Change | None:
    try:
        return read_change(entry, now)
    except BadChange:
        return None  # whose turn it is to apply it puts it aside
