"""
Where Twisted's callbacks meet `async def`: the only module that knows both.

Twisted and asyncio share one loop (dargah/loop.py). A task that nobody holds is collected in
mid-flight, so each one started from a callback is kept in a Tasks until it is done. Time limits
are set inside, with asyncio.timeout: `addTimeout` on a bridged Deferred leaks CancelledError.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import structlog
from twisted.internet.defer import Deferred

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Tasks:
    """The tasks that one edge has started and not yet seen done."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` on the running loop; what escapes it is logged, once, without its text."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self, within: float) -> int:
        """Wait `within` seconds for what runs, cancel the rest; returns how many were cancelled."""
        if not self._running:
            return 0
        _, late = await asyncio.wait(self._running, timeout=within)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", **described(error))


async def answered(work: Awaitable[T], within: float, instead: T, name: str) -> T:
    """The result of `work`, or `instead` when it fails or takes over `within` seconds.

    The fault is logged once, under `name`. Cancellation passes through.
    """
    limit = asyncio.timeout(within)
    try:
        async with limit:
            return await work
    except Exception as error:
        if isinstance(error, TimeoutError) and limit.expired():
            log.warning("request_late", route=name, after=within)
        else:
            log.error("request_failed", route=name, **described(error))
    return instead


async def settled(result: object) -> object:
    """Wait for a Deferred as asyncio waits; what isn't one is given back as it is."""
    if isinstance(result, Deferred):
        future: asyncio.Future[object] = result.asFuture(asyncio.get_running_loop())
        return await future
    return result


def described(error: BaseException) -> dict[str, str]:
    """A fault for the log: its type and where it was raised.

    Never its text: an exception quotes what it choked on, and that may be a national ID.
    """
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return {"error": type(error).__name__, "where": where}
