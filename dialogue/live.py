"""
The dialogue that changes while conversations run.

The pointer in Redis is looked up twice a second. A new version is fetched, built and proven in a
thread, and begins to serve when all of that has gone well; whatever cannot be read or proven
leaves the version in service. Conversations in flight find the version that they began with here,
or in Redis where this process never had it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Generic

import structlog

from config.errors import ConfigError
from dialogue.bundle import DIGEST, BadBundle, Bundle
from dialogue.notice import Notice, in_force
from dialogue.published import Now, Published
from dialogue.version import V
from state.errors import ReplyError, Unavailable

log = structlog.get_logger("dialogue")

POLLED_EVERY = 0.5
"""Seconds. With the building of a version, every process has it well within two seconds."""

MOST_HELD = 8
"""Versions held in memory; older ones are fetched again where a conversation still needs one."""

_AWAY = (Unavailable, ReplyError)


class LiveVersions(Generic[V]):
    """Versions as they are published; `own` is the one of this process's files.

    `build` makes and proves a version, off the loop: it raises ConfigError. `noticed` is told of
    each version that begins to serve. `start` before the first conversation, `close` at the end.
    """

    def __init__(
        self,
        own: V,
        published: Published,
        build: Callable[[Bundle], V],
        *,
        clock: Callable[[], datetime],
        polled_every: float = POLLED_EVERY,
        noticed: Callable[[V], None] = lambda _: None,
    ) -> None:
        self._own = own
        self._current = own
        self._published = published
        self._build = build
        self._clock = clock
        self._polled_every = polled_every
        self._noticed = noticed
        self._notice: Notice | None = None
        self._held: OrderedDict[str, V] = OrderedDict()
        self._coming: dict[str, asyncio.Task[V | None]] = {}
        self._refused: OrderedDict[str, str] = OrderedDict()
        self._times = ""
        self._said = ""
        self._polling: asyncio.Task[None] | None = None

    @property
    def current(self) -> V:
        """The version on which a conversation begins now."""
        return self._current

    @property
    def own(self) -> V:
        """The version of this process's files, which serves where none is published."""
        return self._own

    async def of(self, digest: str) -> V | None:
        """The version that a conversation began on; None if it is not known any more.

        Raises Unavailable or ReplyError where it must be fetched and cannot.
        """
        if digest == self._current.digest:
            return self._current
        if digest == self._own.digest:
            return self._own
        if digest in self._held:
            self._held.move_to_end(digest)
            return self._held[digest]
        if not DIGEST.fullmatch(digest) or digest in self._refused:
            return None
        # A thousand conversations may need it at once: it is fetched once, whoever gives up.
        if digest not in self._coming:
            self._coming[digest] = asyncio.create_task(self._fetch(digest), name="fetch version")
            self._coming[digest].add_done_callback(lambda task: self._came(digest, task))
        return await asyncio.shield(self._coming[digest])

    def notice(self) -> Notice | None:
        """The notice, until it ends."""
        return in_force(self._notice, self._clock())

    async def refresh(self) -> None:
        """Look the pointer up, and follow it. Raises Unavailable or ReplyError."""
        try:
            now = await self._published.now()
        except BadBundle as error:
            self._say_once(str(error))
            return
        self._follow_notice(now)
        if not now.digest:
            self._serve(self._own)
            return
        if now.times != self._times:
            # Put in service again: what kept us from it may have been mended.
            self._times = now.times
            self._refused.pop(now.digest, None)
        if now.digest in self._refused:
            return
        version = await self.of(now.digest)
        if version is not None:
            self._serve(version)
        elif now.digest not in self._refused:
            self._say_once(f"version {now.digest} is not in Redis.")

    async def start(self) -> None:
        """Look the pointer up, and again and again from now on. Never fails."""
        await self._try_refresh()
        self._polling = asyncio.create_task(self._poll(), name="poll dialogue")

    async def close(self) -> None:
        """Stop looking. The connection is the caller's."""
        tasks = [task for task in (self._polling, *self._coming.values()) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._polling = None

    def _serve(self, version: V) -> None:
        if version is self._current:
            return
        before, self._current = self._current, version
        self._hold(before)
        self._said = ""
        log.info("dialogue_in_service", version=version.digest, before=before.digest)
        self._noticed(version)

    def _hold(self, version: V) -> None:
        self._held[version.digest] = version
        self._held.move_to_end(version.digest)
        while len(self._held) > MOST_HELD:
            self._held.popitem(last=False)

    def _follow_notice(self, now: Now) -> None:
        if now.notice != self._notice:
            self._notice = now.notice
            if now.notice is None:
                log.info("notice_cleared")
            else:
                until = now.notice.until.isoformat(timespec="minutes")
                log.info("notice_set", until=until, languages=sorted(now.notice.texts))

    def _came(self, digest: str, task: "asyncio.Task[V | None]") -> None:
        self._coming.pop(digest, None)
        if not task.cancelled():
            task.exception()  # seen, where nobody waits any longer

    async def _fetch(self, digest: str) -> V | None:
        try:
            bundle = await self._published.bundle(digest)
            if bundle is None:
                return None
            version = await asyncio.to_thread(self._build, bundle)
        except (BadBundle, ConfigError) as error:
            self._refuse(digest, str(error))
            return None
        except _AWAY:
            raise
        except Exception as error:
            # Of a build that another release of ours would have refused in words.
            self._refuse(digest, type(error).__name__)
            return None
        self._hold(version)
        return version

    def _refuse(self, digest: str, reason: str) -> None:
        self._refused[digest] = reason
        while len(self._refused) > 100:
            self._refused.popitem(last=False)
        log.error("dialogue_refused", version=digest, reason=reason)

    def _say_once(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            log.error("dialogue_not_followed", reason=reason)

    async def _try_refresh(self) -> None:
        # What is in service stays so while Redis is away.
        try:
            with suppress(*_AWAY):
                await self.refresh()
        except Exception as error:
            # Whatever it is, the next look must come.
            self._say_once(type(error).__name__)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._polled_every)
            await self._try_refresh()
