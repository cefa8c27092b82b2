"""
One loop for Twisted and asyncio.

The reactor can be installed once in a process, and before anything else imports it: so call
`install()` first, and import whatever needs the reactor after.
"""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

log = structlog.get_logger(__name__)

T = TypeVar("T")

Main = Callable[[asyncio.Event], Coroutine[Any, Any, int]]
"""What runs: it is given the event that says "drain and end", and returns the exit code."""


def install() -> "AsyncioSelectorReactor":
    """Make the loop (uvloop's where it installs), install the reactor on it, and return that."""
    loop = new_loop()
    asyncio.set_event_loop(loop)
    from twisted.internet import asyncioreactor

    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]
    from twisted.internet import reactor

    assert isinstance(reactor, asyncioreactor.AsyncioSelectorReactor)
    return reactor


def run_alone(main: Coroutine[Any, Any, T]) -> T:
    """Run a command that needs no reactor, on the quick loop: a load's writes are many."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def run(reactor: "AsyncioSelectorReactor", main: Main) -> int:
    """Run `main` with the reactor running; returns its exit code, or raises what it raised.

    The first SIGTERM or SIGINT sets main's event; a second one cancels main, and the exit code is
    then 128 and the signal's number. Whatever tasks main leaves are cancelled before this returns.
    """
    # The loop that install() made: asyncio's idea of the current one may have changed since.
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    stopping = asyncio.Event()
    killed: list[int] = []

    def on_signal(number: int) -> None:
        log.info("signal_received", signal=signal.Signals(number).name, again=stopping.is_set())
        if stopping.is_set():
            killed.append(number)
            task.cancel()
        stopping.set()

    task = loop.create_task(main(stopping))
    task.add_done_callback(lambda _: reactor.stop())  # type: ignore[no-untyped-call]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        # Twisted's own handlers would take SIGCHLD from the loop, which reaps our redis-server.
        reactor.run(installSignalHandlers=False)  # type: ignore[no-untyped-call]
        loop.run_until_complete(_cancel_the_rest(loop))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        loop.close()
    if task.cancelled():
        return 128 + killed[0] if killed else 1
    return task.result()


async def _cancel_the_rest(loop: asyncio.AbstractEventLoop) -> None:
    rest = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it installs, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def spare_the_collector() -> None:
    """Let the garbage collector look less often, and never again at what the start made.

    An answer makes and drops some hundred small objects and no cycles; with the default
    thresholds the collector took a fifth of the time, and its full runs made the slowest answers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
