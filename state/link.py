"""
One Redis, as the rest of Dargah uses it: a connection that mends itself.

    connecting ──PING answered──▶ up ──timeout, end, READONLY──▶ connecting, after a pause

While there is no connection a command fails at once: the caller has somebody waiting, and an
honest "cannot check now" is better than a queue that nobody will wait for.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from state.address import Address
from state.commands import Arg, Commands, Reply, Script
from state.errors import ReplyError, Unavailable
from state.opening import open_wire
from state.wire import PassedOn, Wire, failed

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
CLOSE_AGAIN = 0.05
SETTLED = 2.0
"""A connection that held this long, in seconds, was a good one: the next pause is short again."""


async def run_script(
    commands: Commands, script: Script, keys: Sequence[bytes | str], *args: Arg
) -> Reply:
    """As Commands.script, by `commands.send`."""
    try:
        try:
            return await commands.send("EVALSHA", script.sha, len(keys), *keys, *args)
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await commands.send("EVAL", script.source, len(keys), *keys, *args)
    except ReplyError as error:
        raise ReplyError(f"{error} of the script {script.name}") from None


class Redis:
    """Commands over one connection (state.commands.Commands). Made by open_redis().

    `timeout` is in seconds a command; `in_flight` how many may be outstanding; `jitter` gives a
    number from 0 to 1, so that many clients do not come back in step. On a node of a Cluster,
    `greeting` is said first on each connection, `pass_on` gets what the node would not do, and
    `lost` is told of each connection that has ended.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str,
        timeout: float,
        in_flight: int,
        jitter: Callable[[], float],
        greeting: tuple[Arg, ...] = (),
        pass_on: Callable[[PassedOn], None] | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        self._greeting = greeting
        self._pass_on = pass_on
        self._lost = lost
        self._name = name
        self._timeout = timeout
        self._in_flight = in_flight
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self.wire: Wire | None = None
        """The connection, for who cannot spend a call more on each command; None: there is none."""
        self._why = f"no connection to Redis at {address} yet"
        self._up = asyncio.Event()
        self._ended = asyncio.Event()
        self._closing = False
        self._task = self._loop.create_task(self._stay_connected(), name=f"redis {name}")

    def __repr__(self) -> str:
        return f"Redis({self.address}, {'up' if self.connected else 'down'})"

    @property
    def connected(self) -> bool:
        """Would a command be sent now?"""
        return self.wire is not None

    @property
    def reason(self) -> str:
        """Why the last connection ended, or could not be had: for logs and /readyz."""
        return self._why

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send."""
        if self.wire is None:
            return failed(self._loop, Unavailable(self._why))
        return self.wire.send(args)

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await run_script(self, script, keys, *args)

    async def wait_connected(self) -> None:
        """Until there is a connection. The caller bounds the wait."""
        await self._up.wait()

    def wire_lost(self, wire: Wire, reason: str) -> None:
        """From the Wire: commands fail at once from here on, until there is another."""
        if wire is self.wire:
            self.wire = None
            self._why = f"Redis at {self.address}: {reason}"
            self._up.clear()
            self._lost()
        self._ended.set()

    async def _stay_connected(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing:
            since = self._loop.time()
            self._ended.clear()
            try:
                opened = await open_wire(
                    self.address,
                    self,
                    name=self._name,
                    timeout=self._timeout,
                    in_flight=self._in_flight,
                    pass_on=self._pass_on,
                )
            except Unavailable as error:
                self._why = str(error)
            else:
                if not self._ended.is_set() and not self._closing:
                    if self._greeting:
                        opened.wire.send(self._greeting)
                    self.wire = opened.wire
                    self._up.set()
                try:
                    if not self._closing:
                        await self._ended.wait()
                finally:
                    opened.wire.drop("closed")
                    opened.forget()
                if self._loop.time() - since >= SETTLED:
                    pause = FIRST_PAUSE
            await asyncio.sleep(pause * (0.5 + self._jitter() / 2))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def close(self) -> None:
        """End the connection; what is outstanding fails with Unavailable. Harmless twice."""
        self._closing = True
        while not self._task.done():
            # Again and again: redis-py's wait_for swallows a cancellation that comes while it
            # connects (CPython issue 86296, mended in 3.12).
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_AGAIN)
        self._why = f"the connection to Redis at {self.address} is closed"


class Connects(Protocol):
    """What connects by itself, and says why it could not."""

    @property
    def reason(self) -> str:
        """Why the last try came to nothing."""
        ...

    async def wait_connected(self) -> None:
        """Until there is a connection."""
        ...

    async def close(self) -> None:
        """Try no more."""
        ...


async def open_redis(
    address: Address,
    *,
    name: str,
    timeout: float = 0.2,  # noqa: ASYNC109  of each command; `deadline` bounds this call
    in_flight: int = 20_000,
    deadline: float = 5.0,
    jitter: Callable[[], float] = random.random,
) -> Redis:
    """Connect to one Redis, waiting at most `deadline` seconds for it to answer.

    `name` is what CLIENT LIST shows, without spaces. Raises Unavailable with one sentence.
    """
    redis = Redis(address, name=name, timeout=timeout, in_flight=in_flight, jitter=jitter)
    await connected(redis, deadline)
    return redis


async def connected(link: Connects, deadline: float) -> None:
    """Wait for the connection, so many seconds at most. Raises Unavailable; it is closed then."""
    try:
        async with asyncio.timeout(deadline):
            await link.wait_connected()
    except TimeoutError:
        reason = link.reason
        await link.close()
        raise Unavailable(f"{reason}, after {deadline:g} s") from None
    except BaseException:
        await link.close()
        raise
