"""
One open connection to one Redis, after redis-py has opened it and logged in.

    send(...)  ──▶ this turn's list ──▶ one write, once the turn ends
    future     ◀── replies, in the order of the commands, as RESP2 has them

A lookup is a few hundred nanoseconds of packing and one future; what costs is the write and the
read, so those are shared by all that was sent in one turn of the loop.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import hiredis

from state.commands import Arg, Reply
from state.errors import ReplyError, Unavailable

NOT_ENOUGH = object()

# Its stub takes tuples of one item. It refuses bool, which str() would write as a word.
_pack = cast("Callable[[tuple[Arg, ...]], bytes]", hiredis.pack_command)

_THREE = b"*3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"

# The server is there, and cannot answer yet or any more. A client has nothing to put right.
TRY_LATER = frozenset(
    {"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS"}
)

# A node of a Cluster does not do it itself; nothing was done (Cluster specification, "Redirection
# and resharding"). Who follows the Cluster gets these, if the Wire was told of one.
PASSED_ON = frozenset({"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"})

_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,31}(?= |$)")
_PLACE = re.compile(r"(?:MOVED|ASK) (\d{1,5}) (\S*)$")
# Redis 6 puts its own words around what refused a command of a script.
_IN_SCRIPT = re.compile(
    r"^ERR Error running script .*?user_script:? ?\d+: -(MISCONF|OOM|READONLY|NOREPLICAS) "
)


class _Refusal(Exception):
    """An error reply as it came. Its text may quote arguments, so it stays in this file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        match = _IN_SCRIPT.search(text) or _CODE.match(text)
        self.code = match[match.lastindex or 0] if match else "ERR"
        place = _PLACE.match(text)
        self.slot = int(place[1]) if place else -1
        self.place = place[2] if place else ""


@dataclass(frozen=True, slots=True)
class PassedOn:
    """A command that a node would not do: the code, and with MOVED and ASK slot and "HOST:PORT".

    The host is empty where it is that of the node itself. `future` is still waited for.
    """

    future: asyncio.Future[Reply] = field(repr=False)
    args: tuple[Arg, ...] = field(repr=False)
    code: str
    slot: int
    place: str


class Owner(Protocol):
    """Who is told when a connection has become useless."""

    def wire_lost(self, wire: "Wire", reason: str) -> None:
        """Called once; everything outstanding has failed already."""
        ...


def failed(
    loop: asyncio.AbstractEventLoop, error: Unavailable | ReplyError
) -> asyncio.Future[Reply]:
    """A future that has failed, and makes no noise if nobody looks at it."""
    future: asyncio.Future[Reply] = loop.create_future()
    fail(future, error)
    return future


def fail(future: asyncio.Future[Reply], error: Unavailable | ReplyError) -> None:
    """Fail a future that may have been cancelled, or that nobody awaits."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # marks it as seen: asyncio logs the others when they are collected


class Wire(asyncio.Protocol):
    """Commands out and replies in, in order.

    `timeout` is in seconds, from the write to the reply; `in_flight` is how many commands may wait
    for their replies; `pass_on` gets what a node of a Cluster would not do. When a command is
    overdue all that wait fail with Unavailable, and the connection is dropped: the replies of a
    connection cannot be told apart but by their order.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
        *,
        timeout: float,
        in_flight: int,
        pass_on: Callable[[PassedOn], None] | None = None,
    ) -> None:
        self._pass_on = pass_on
        self._transport = transport
        self._loop = loop
        self._owner = owner
        self._timeout = timeout
        self._in_flight = in_flight
        self._reader = hiredis.Reader(
            protocolError=_Refusal, replyError=_Refusal, notEnoughData=NOT_ENOUGH
        )
        self._out: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Reply], tuple[Arg, ...]]] = deque()
        self._sent = 0
        self._answered = 0
        self._writes: deque[tuple[int, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False

    def send(self, args: tuple[Arg, ...]) -> asyncio.Future[Reply]:
        """Join this turn's write. Raises TypeError for an argument Redis cannot take."""
        if len(self._waiting) >= self._in_flight:
            return failed(self._loop, Unavailable("busy"))
        try:  # as _pack does it, at half the price: a lookup is three words in bytes
            name, key, field = args
            packed = _THREE % (len(name), name, len(key), key, len(field), field)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # a text, a number, or not three
            packed = _pack(args)
        if not self._out:
            self._loop.call_soon(self._write)
        self._out.append(packed)
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((future, args))
        return future

    def take_over(
        self, future: asyncio.Future[Reply], args: tuple[Arg, ...], *, asking: bool = False
    ) -> None:
        """Send what another node has passed on; `asking`: for a slot that is on its way here."""
        if self._lost or len(self._waiting) >= self._in_flight:
            fail(future, Unavailable("busy"))
            return
        if asking:
            self.send(("ASKING",)).cancel()
        if not self._out:
            self._loop.call_soon(self._write)
        self._out.append(_pack(args))
        self._waiting.append((future, args))

    def _write(self) -> None:
        if self._lost:
            return
        out = self._out
        self._sent += len(out)
        self._writes.append((self._sent, self._loop.time() + self._timeout))
        self._transport.write(b"".join(out))
        out.clear()
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._check)

    def _check(self) -> None:
        """Is the oldest command overdue? One timer stands for all of them.

        After a pause of the loop what has arrived is read first, and timers run then: so it is
        with asyncio's own loops, and with uvloop since its libuv 1.45.
        """
        self._timer = None
        writes = self._writes
        while writes and writes[0][0] <= self._answered:
            writes.popleft()
        if not writes:
            return
        left = writes[0][1] - self._loop.time()
        if left <= 0:
            self.drop(f"no answer within {self._timeout:g} s")
            return
        self._timer = self._loop.call_later(left, self._check)

    def data_received(self, data: bytes) -> None:
        """Give each reply to the command it answers."""
        waiting = self._waiting
        popleft = waiting.popleft
        gets = self._reader.gets
        # Nothing is sent in between: who waits for a future runs in a later turn.
        before = len(waiting)
        try:
            self._reader.feed(data)
            while (reply := gets()) is not NOT_ENOUGH:
                future, args = popleft()
                if reply.__class__ is _Refusal:
                    self._refuse(future, args, reply)
                elif not future.done():
                    future.set_result(reply)
        except (_Refusal, IndexError):
            self.drop("a reply that is not Redis's protocol")
        self._answered += before - len(waiting)

    def _refuse(
        self, future: asyncio.Future[Reply], args: tuple[Arg, ...], refusal: _Refusal
    ) -> None:
        code = refusal.code
        if self._pass_on is not None and code in PASSED_ON:
            if not future.done():
                self._pass_on(PassedOn(future, args, code, refusal.slot, refusal.place))
            return
        if code not in TRY_LATER:
            fail(future, ReplyError(f"{code} in answer to {_name(args[0])}"))
            return
        fail(future, Unavailable(f"Redis answers {code}"))
        if code == "READONLY":
            # A replica now, since a failover: the name may lead to the new master.
            self.drop("the server has become a replica")

    def connection_lost(self, exc: Exception | None) -> None:
        """The server, or the network, has ended it."""
        self.drop("connection lost")

    def drop(self, reason: str) -> None:
        """End the connection; everything outstanding fails with Unavailable. Harmless twice."""
        if self._lost:
            return
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            fail(future, Unavailable(reason))
        self._owner.wire_lost(self, reason)


def _name(command: Arg) -> str:
    """A command's name: our own word, never something that a person typed."""
    text = command.decode("ascii", "replace") if isinstance(command, bytes) else str(command)
    return text[:24]
