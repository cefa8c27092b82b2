"""
The loop of one consumer: read, work on many at once, and take over what a dead one left.

    read ──▶ one task an entry, `at_once` at most ──▶ the work itself says done, or leaves it

Whatever is at work is held (see Stream.hold), so nobody takes it for left behind. What the work
leaves alone, because Redis was away, comes back after `claim_after`. What fails by a bug of ours
comes back so too, and is given up in the end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import structlog

from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.streams import Entry, Stream

log = structlog.get_logger("state")

READ_FOR = 0.5
"""Seconds that one read waits. A stop ends the wait: what a read brings is ours to do."""
AT_ONE_READ = 200
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
MOST_DELIVERIES = 4
"""How often an entry may come before it is given up, if it fails again."""
FORGET_AFTER = 3600.0
"""Seconds after which a consumer that owns nothing counts as gone; its next entry makes it anew."""


class Link(Commands, Protocol):
    """A connection of the consumer's own: it waits for entries, and would hold up everybody."""

    async def close(self) -> None:
        """End it."""
        ...


class Consumer:
    """`work` gets each entry, and says itself what becomes of it.

    Should it raise what it was not expected to, the entry comes again; `give_up` gets one that
    failed and had come more than MOST_DELIVERIES times, to take it off for good. `open_link`
    connects; its commands may take READ_FOR and a second more. `claim_after` is in seconds.
    """

    def __init__(
        self,
        stream: Stream,
        work: Callable[[Entry], Awaitable[None]],
        open_link: Callable[[], Awaitable[Link]],
        *,
        give_up: Callable[[Entry], Awaitable[None]],
        at_once: int,
        claim_after: float,
    ) -> None:
        self._stream = stream
        self._give_up = give_up
        self._work = work
        self._open_link = open_link
        self._at_once = at_once
        self._claim_after = claim_after
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._rest = 0.0
        self._reader = 0

    @property
    def at_work(self) -> int:
        """Entries being worked on."""
        return len(self._tasks)

    def start(self) -> None:
        """Begin to read and to take over."""
        name = self._stream.key
        self._loops = [
            asyncio.create_task(self._read(), name=f"read {name}"),
            asyncio.create_task(self._mend(), name=f"mend {name}"),
        ]

    def rest(self, seconds: float) -> None:
        """Read and claim nothing for so long: what there is cannot be worked on."""
        self._rest = max(self._rest, asyncio.get_running_loop().time() + seconds)

    async def stop(self) -> None:
        """Take nothing new; returns when nothing more will come. Work goes on: see `finish`."""
        self._stopping.set()
        self._room.set()
        if not self._loops:
            return
        with suppress(Unavailable, ReplyError):  # then the read ends by itself, a little later
            if self._reader:
                await self._stream.wake(self._reader)
        await asyncio.wait(self._loops[:1], timeout=READ_FOR + 2)

    async def finish(self, deadline: float) -> int:
        """Wait for the work, until the loop's clock shows `deadline`; how many were cut off.

        What is cut off stays in the stream for another consumer.
        """
        await self.stop()
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        late: set[asyncio.Task[None]] = set()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks.values()), timeout=left)
        ids = [id_ for id_, task in self._tasks.items() if task in late]
        for task in (*late, *self._loops):
            task.cancel()
        await asyncio.gather(*late, *self._loops, return_exceptions=True)
        with suppress(Unavailable, ReplyError):  # they are claimed all the same, a little later
            await self._stream.hand_back(ids, self._claim_after)
        return len(late)

    async def _read(self) -> None:
        pause = FIRST_PAUSE
        link: Link | None = None
        try:
            while not self._stopping.is_set():
                try:
                    if link is None:
                        link = await self._open_link()
                    if not self._reader:
                        await self._stream.prepare()
                        self._reader = await self._stream.reader(link)
                    await self._room.wait()
                    await self._rested()
                    room = self._at_once - len(self._tasks)
                    if self._stopping.is_set() or room < 1:
                        continue
                    entries = await self._stream.read(link, min(room, AT_ONE_READ), READ_FOR)
                except (Unavailable, ReplyError) as error:
                    self._reader = 0
                    log.warning("stream_unread", stream=self._stream.key, reason=str(error))
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                except Exception as error:
                    # Our own bug, or a link's: with this loop's end nobody would be answered.
                    self._reader = 0
                    log.error("stream_unread", stream=self._stream.key, reason=type(error).__name__)
                    if link is not None:
                        with suppress(Exception):
                            await link.close()
                        link = None
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                pause = FIRST_PAUSE
                for entry in entries:
                    self._begin(entry)
        finally:
            if link is not None:
                await link.close()

    async def _mend(self) -> None:
        """Hold what we work on, and claim what others have left."""
        every = self._claim_after / 3
        while True:
            try:
                async with asyncio.timeout(every):
                    await self._stopping.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(every)
            try:
                await self._stream.hold(list(self._tasks))
                if self._stopping.is_set() or self._resting():
                    continue
                await self._stream.forget_idle(FORGET_AFTER)
                await self._claim()
            except (Unavailable, ReplyError) as error:
                log.warning("stream_unmended", stream=self._stream.key, reason=str(error))
            except Exception as error:
                # As in `_read`; the wait above is the pause.
                log.error("stream_unmended", stream=self._stream.key, reason=type(error).__name__)

    async def _claim(self) -> None:
        while (room := min(self._at_once - len(self._tasks), AT_ONE_READ)) > 0:
            left = await self._stream.claim(self._claim_after, room, self._tasks.keys())
            for entry in left:
                self._begin(entry)
            if len(left) < room or self._stopping.is_set():
                return

    async def _rested(self) -> None:
        loop = asyncio.get_running_loop()
        while self._resting() and not self._stopping.is_set():
            try:
                async with asyncio.timeout_at(self._rest):
                    await self._stopping.wait()
            except TimeoutError:
                pass
            if loop.time() >= self._rest:
                return

    def _resting(self) -> bool:
        return asyncio.get_running_loop().time() < self._rest

    def _begin(self, entry: Entry) -> None:
        if entry.id in self._tasks:
            return
        task = asyncio.create_task(self._one(entry))
        self._tasks[entry.id] = task
        if len(self._tasks) >= self._at_once:
            self._room.clear()

    async def _one(self, entry: Entry) -> None:
        try:
            if await self._failed(self._work, entry) and entry.deliveries > MOST_DELIVERIES:
                await self._failed(self._give_up, entry)
        finally:
            self._tasks.pop(entry.id, None)
            self._room.set()

    async def _failed(self, do: Callable[[Entry], Awaitable[None]], entry: Entry) -> bool:
        """Do it; whether that raised what nobody expects."""
        try:
            await do(entry)
        except (Unavailable, ReplyError) as error:
            log.warning("work_left", stream=self._stream.key, reason=str(error))
        except Exception as error:
            # Our own bug. The entry stays, and the next one is not held up by it.
            # No traceback: it may quote what a person wrote.
            log.error("work_failed", stream=self._stream.key, reason=type(error).__name__)
            return True
        return False
