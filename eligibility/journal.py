"""
The journal's way out of an inquiry: one XADD beside the ledger's record, in the same write.

    journal    the stream: one entry an answered inquiry (told.py), until it is in SQL

Where the stream cannot take an entry, it is kept here and written later; the stream is at its
bound when SQL has been away for long. Only past both bounds is an entry lost, which is counted
and logged.
"""

import asyncio
from collections import deque
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import structlog

from eligibility.answer import Asker
from eligibility.journal_keys import JournalKeys
from eligibility.ledger import Entry
from eligibility.national_id import NationalId
from eligibility.told import moment_of, pack_told
from state.commands import Commands, Reply
from state.errors import ReplyError, Unavailable

log = structlog.get_logger("journal")

STREAM: Final = "journal"

MOST_WAITING: Final = 50_000
"""Entries kept in memory while the stream takes none: some 300 octets each."""

AT_ONCE: Final = 500
"""Kept entries that are written together, later."""


class Observer(Protocol):
    """Who counts the journal."""

    def journal_waiting(self, entries: int, lag: float) -> None:
        """So many entries are not in SQL yet, the oldest for so many seconds."""
        ...

    def journal_written(self, entries: int) -> None:
        """So many entries more are in SQL."""
        ...

    def journal_lost(self, entries: int) -> None:
        """So many entries are lost for good."""
        ...


class Journal:
    """`limit`: entries in the stream beyond which it takes no more."""

    def __init__(
        self, state: Commands, keys: JournalKeys, *, limit: int, observer: Observer
    ) -> None:
        self._state = state
        self._keys = keys
        self._limit = limit
        self._observer = observer
        self._kept: deque[bytes] = deque()
        self._full = False
        self._lost = 0

    @property
    def kept(self) -> int:
        """Entries that wait here for the stream."""
        return len(self._kept)

    @property
    def full(self) -> bool:
        """Whether the stream was at its bound at the last look."""
        return self._full

    def write(
        self, person: NationalId, asker: Asker, entry: Entry, *, repeat: bool
    ) -> "asyncio.Future[Reply] | None":
        """Journal an answer: joins this turn's write to Redis, and never fails.

        The future is done when the entry is in the stream, or kept; it gives the entry's id in the
        stream. None: kept at once, for the stream takes none now.
        """
        key = self._keys.required(entry.at)
        packed = pack_told(key, person, asker, entry, repeat=repeat)
        if self._kept or self._full:
            self._keep(packed)
            return None
        sent = self._state.send(b"XADD", STREAM, b"*", b"m", packed)
        sent.add_done_callback(lambda future: self._settle(future, packed))
        return sent

    async def take_back(self, written: "asyncio.Future[Reply] | None") -> None:
        """Take off what was written under a code that turned out to be somebody else's.

        Where that fails, or comes too late, the same answer follows it under its own code, and the
        later one counts.
        """
        if written is None:
            return
        await asyncio.wait([written])
        if not written.cancelled() and written.exception() is None:
            with suppress(Unavailable, ReplyError):
                await self._state.send("XDEL", STREAM, written.result())

    async def tend(self, now: datetime) -> int:
        """Look how full the stream is, and write what was kept; the stream's length.

        To be called about once a second. Raises Unavailable, ReplyError.
        """
        self._report()
        length, oldest = await asyncio.gather(
            self._state.send("XLEN", STREAM),
            self._state.send("XRANGE", STREAM, "-", "+", "COUNT", 1),
        )
        lag = 0.0
        if oldest:
            since = int(oldest[0][0].partition(b"-")[0]) * 1000
            lag = max(0.0, (now - moment_of(since)).total_seconds())
        self._observer.journal_waiting(length + len(self._kept), lag)
        full = length >= self._limit
        if full and not self._full:
            log.error("journal_full", entries=length, kept=len(self._kept))
        self._full = full
        room = self._limit - length
        while self._kept and room > 0:
            some = [self._kept.popleft() for _ in range(min(AT_ONCE, room, len(self._kept)))]
            sent = [self._state.send("XADD", STREAM, "*", "m", packed) for packed in some]
            await asyncio.wait(sent)
            failed = [p for p, f in zip(some, sent, strict=True) if f.exception() is not None]
            self._kept.extendleft(reversed(failed))
            if failed:
                raise Unavailable("the journal's stream takes no entries")
            room -= len(some)
        return int(length)

    def _settle(self, sent: "asyncio.Future[Reply]", packed: bytes) -> None:
        # A bug in a reply must not lose the entry: whatever is no id is written again, and SQL
        # knows a double by what was told when.
        if sent.cancelled() or sent.exception() is not None:
            self._keep(packed)

    def _keep(self, packed: bytes) -> None:
        if len(self._kept) >= MOST_WAITING:
            self._kept.popleft()
            self._lost += 1
            self._observer.journal_lost(1)
        self._kept.append(packed)

    def _report(self) -> None:
        if self._lost:
            log.error("journal_lost", entries=self._lost)
            self._lost = 0
