"""
From the journal's stream to SQL: read a batch, commit it, then take it off the stream.

What was committed and not taken off, because the process died in between, comes again and adds
nothing (journal_sql.py). While SQL is away one batch is held, the rest stays in the stream, and
Journal.tend watches its bound. Many gateways may do this at once; one of them deletes what is past
its keeping.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from eligibility.journal import Journal, Observer
from eligibility.journal_keys import JournalKeys
from eligibility.journal_sql import JournalTable, WrongSchema
from eligibility.told import BadEntry, Told, microseconds, unpack_told
from state.commands import Commands
from state.consumer import FORGET_AFTER, MOST_DELIVERIES, Link
from state.errors import ReplyError, Unavailable
from state.streams import Entry, Stream

log = structlog.get_logger("journal")

GROUP: Final = "dargah"
OK: Final = "ok"

BATCH: Final = 500
READ_FOR: Final = 0.5
LINGER: Final = 0.2
"""Seconds that entries may gather where few come: a transaction for each would cost more."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 1.0
TENDED_EVERY: Final = 1.0
KEYS_REREAD_EVERY: Final = 2.0
FORGOTTEN_EVERY: Final = 60.0
FORGET_AT_ONCE: Final = 2_000
LEASE_KEY: Final = "{journal}:retention"
LEASE_MS: Final = 60_000
FORGET_FOR: Final = 30.0
"""Seconds of deleting under one lease, which lasts twice as long and is never renewed."""

_AWAY = (Unavailable, ReplyError)


class _NoDatabase(Unavailable):
    """It is SQL that cannot answer, not Redis."""


class JournalWriter:
    """Empties the stream into SQL.

    `open_link` connects: its commands wait for entries, and would hold up everybody. SQL has
    `patience` seconds for a batch; what a process has not touched for `claim_after` is another's.
    """

    def __init__(
        self,
        journal: Journal,
        stream: Stream,
        table: JournalTable,
        keys: JournalKeys,
        state: Commands,
        open_link: Callable[[], Awaitable[Link]],
        *,
        kept_for: timedelta,
        clock: Callable[[], datetime],
        token: str,
        observer: Observer,
        patience: float,
        claim_after: float = 30.0,
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._table = table
        self._keys = keys
        self._state = state
        self._open_link = open_link
        self._kept_for = kept_for
        self._clock = clock
        self._token = token
        self._observer = observer
        self._patience = patience
        self._claim_after = claim_after
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._why = self._logged = OK
        self._prepared = False
        self._claimed_at = float("-inf")

    @property
    def ready(self) -> str:
        """ "ok", or why what is told does not reach SQL now, as of the last try.

        Whoever may ask reads it: the log alone names the place and what it said.
        """
        return "its stream is full" if self._journal.full else self._why

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._write(), name="journal to SQL"),
            asyncio.create_task(self._tend(), name="tend journal"),
            asyncio.create_task(self._forget(), name="forget old journal"),
        ]

    async def close(self, within: float) -> None:
        """Write what is at hand, `within` seconds at the most, and stop."""
        self._stopping.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        with suppress(*_AWAY):
            await self._journal.tend(self._clock())
        if left := self._journal.kept:
            log.error("journal_lost", entries=left)
            self._observer.journal_lost(left)

    async def write_once(self, link: Commands, wait_seconds: float) -> int:
        """One batch from the stream to SQL; how many entries. Raises Unavailable, ReplyError."""
        if not self._prepared:
            try:
                await self._table.prepare()
            except Unavailable as error:
                raise _NoDatabase(str(error)) from None
            await self._stream.prepare()
            self._prepared = True
        entries = await self._left_behind()
        if not entries:
            entries = await self._stream.read(link, BATCH, wait_seconds)
        if entries:
            await self._keep(entries)
        return len(entries)

    async def forget_once(self) -> int:
        """Delete what is past its keeping, if no other gateway does; how many inquiries."""
        token = self._token
        if await self._state.send("SET", LEASE_KEY, token, "NX", "PX", LEASE_MS) is None:
            return 0
        loop = asyncio.get_running_loop()
        until = loop.time() + FORGET_FOR
        before = microseconds(self._clock() - self._kept_for)
        total = 0
        while loop.time() < until and not self._stopping.is_set():
            gone = await self._table.forget(before, FORGET_AT_ONCE)
            total += gone
            if gone < FORGET_AT_ONCE:
                break
            await asyncio.sleep(0.01)
        return total

    async def _write(self) -> None:
        pause = FIRST_PAUSE
        link: Link | None = None
        try:
            while not self._stopping.is_set():
                try:
                    link = link or await self._open_link()
                    written = await self.write_once(link, READ_FOR)
                except (Unavailable, ReplyError, WrongSchema) as error:
                    self._prepared = False  # Redis, or SQL, may come back without its data
                    self._told(_in_short(error), str(error))
                    await self._wait(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                except Exception as error:
                    # Our own bug: with this loop's end nothing would be journalled.
                    failed = f"failed ({type(error).__name__})"
                    self._told(failed, failed)
                    await self._wait(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                else:
                    self._why = self._logged = OK
                    pause = FIRST_PAUSE
                    if written < BATCH:
                        await self._wait(LINGER)
        finally:
            if link is not None:
                await link.close()

    def _told(self, why: str, reason: str) -> None:
        self._why = why
        # Once for each reason: it may last for hours.
        if reason != self._logged:
            log.error("journal_unwritten", reason=reason)
        self._logged = reason

    async def _keep(self, entries: list[Entry]) -> None:
        """Commit a batch and take it off, or leave all of it to be claimed."""
        told: list[Told] = []
        done: list[Entry] = []
        for entry in entries:
            try:
                told.append(unpack_told(entry.values[0]))
                done.append(entry)
            except (BadEntry, IndexError):
                # A newer gateway may have written it, and can read it.
                if entry.deliveries > MOST_DELIVERIES:
                    log.error("journal_unreadable", entry=entry.id.decode())
                    self._observer.journal_lost(1)
                    done.append(entry)
        try:
            await self._add(told)
        except Unavailable:
            with suppress(*_AWAY):
                await self._stream.hand_back([entry.id for entry in entries], self._claim_after)
            self._claimed_at = float("-inf")  # they are the first to be tried again
            raise
        self._observer.journal_written(len(told))
        await asyncio.gather(*(self._stream.done(entry.id) for entry in done))

    async def _add(self, told: list[Told]) -> None:
        """Commit, or raise Unavailable: a database that hangs does so for longer than we can."""
        adding = asyncio.ensure_future(self._table.add(told))
        silent = _NoDatabase(f"the database {self._table.database.name} does not answer")
        try:
            await asyncio.wait({adding}, timeout=self._patience)
            if not adding.done():
                self._told(_in_short(silent), str(silent))
        finally:
            adding.cancel()  # a driver may take seconds over it
            await asyncio.gather(adding, return_exceptions=True)
        if adding.cancelled():
            raise silent
        try:
            adding.result()
        except Unavailable as error:
            raise _NoDatabase(str(error)) from None

    async def _left_behind(self) -> list[Entry]:
        """What a dead gateway, or SQL's absence, has left; asked for now and then."""
        now = asyncio.get_running_loop().time()
        if now < self._claimed_at + self._claim_after / 3:
            return []
        await self._stream.forget_idle(FORGET_AFTER)
        entries = await self._stream.claim(self._claim_after, BATCH)
        if len(entries) < BATCH:
            self._claimed_at = now
        return entries

    async def _tend(self) -> None:
        loop = asyncio.get_running_loop()
        reread = loop.time()
        while not self._stopping.is_set():
            with suppress(*_AWAY):
                await self._journal.tend(self._clock())
            if loop.time() >= reread + KEYS_REREAD_EVERY:
                reread = loop.time()
                try:
                    self._keys.reread()
                except (OSError, ValueError) as error:
                    log.error("journal_keys_unread", reason=type(error).__name__)
            await self._wait(TENDED_EVERY)

    async def _forget(self) -> None:
        while not self._stopping.is_set():
            await self._wait(FORGOTTEN_EVERY)
            try:
                if self._prepared and (gone := await self.forget_once()):
                    log.info("journal_forgotten", inquiries=gone)
            except _AWAY as error:
                log.warning("journal_unforgotten", reason=str(error))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _in_short(error: Exception) -> str:
    """Why, without an address."""
    if isinstance(error, _NoDatabase):
        return "the database does not answer, or refuses: see the log"
    if isinstance(error, ReplyError):
        return f"Redis refuses what is asked of it ({error.code})"
    if isinstance(error, WrongSchema):
        return "the database has tables of another version of Dargah: see the log"
    return "Redis does not answer"
