"""
The FastAGI server: one connection for each call, one task for each connection.

FastAGI has neither authentication nor encryption, so peers are filtered by address. A call
beyond the bound is closed at once; the dialplan sees that nothing was done and goes on.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

import structlog
from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from ivr.errors import Hangup, LineStuck, LocalProtocolError, RemoteProtocolError
from ivr.fastagi import Environment
from ivr.line import Line, LineTimes

Script = Callable[[Line, Environment], Awaitable[None]]
"""What is done with a call."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Bounds on what peers can grow; times in seconds."""

    calls: int = 5_000
    environment_seconds: float = 5.0
    call_seconds: float = 600.0
    times: LineTimes = field(default_factory=LineTimes)


class FastAgiServer(Factory):
    """Takes calls from the peers named, each by `script`. `ended` counts calls by outcome."""

    noisy = False

    def __init__(
        self,
        script: Script,
        *,
        peers: Sequence[IPv4Network | IPv6Network],
        limits: CallLimits | None = None,
    ) -> None:
        self.script = script
        self.limits = limits or CallLimits()
        self.ended: Counter[str] = Counter()
        self._peers = tuple(peers)
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def calls(self) -> int:
        """How many calls there are now."""
        return len(self._calls)

    def buildProtocol(self, addr: IAddress | None) -> "Call | None":
        """A call, or None to close the connection at once."""
        if not self._welcome(getattr(addr, "host", "")):
            self.ended["stranger"] += 1
            _log.warning("fastagi_peer_refused")
            return None
        if len(self._calls) >= self.limits.calls:
            self.ended["full"] += 1
            _log.warning("fastagi_full", calls=len(self._calls))
            return None
        return Call(self)

    def _welcome(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._peers)

    def hold(self, task: asyncio.Task[None]) -> None:
        """Keep a call's task: the loop alone would let it be collected in mid-flight."""
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def drain(self, seconds: float) -> None:
        """Give the calls that there are `seconds` to end, then end them."""
        if not self._calls:
            return
        _, left = await asyncio.wait(set(self._calls), timeout=seconds)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


class Call(Protocol):
    """The connection of one call."""

    transport: ITCPTransport
    _line: Line
    _task: asyncio.Task[None]

    def __init__(self, server: FastAgiServer) -> None:
        self._server = server

    def connectionMade(self) -> None:
        """Begin the call's task."""
        # Commands are small and each waits for its reply: Nagle would hold them for 40 ms.
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        self._line = Line(self.transport.write, self._server.limits.times)
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._server.hold(self._task)

    def dataReceived(self, data: bytes) -> None:
        """Hand what Asterisk said to the line; a hang-up ends the call wherever it stands."""
        try:
            self._line.receive_bytes(data)
        except RemoteProtocolError as error:
            self._server.ended["protocol"] += 1
            _log.warning("fastagi_protocol_error", reason=str(error))
            self.transport.abortConnection()
            return
        if self._line.hung_up:
            self._task.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the call: nobody is there."""
        self._line.lost()
        self._task.cancel()

    async def _run(self) -> None:
        outcome = "failed"
        try:
            outcome = await self._take()
        except Hangup:
            outcome = "hangup"
        except asyncio.CancelledError:
            # By a hang-up, which is an end like another, or by a drain.
            outcome = "hangup" if self._line.hung_up else "drained"
        finally:
            self._server.ended[outcome] += 1
            # Asterisk keeps the channel's thread until we close, a hang-up or not.
            self.transport.loseConnection()

    async def _take(self) -> str:
        limits = self._server.limits
        try:
            async with asyncio.timeout(limits.environment_seconds):
                environment = await self._line.began()
            async with asyncio.timeout(limits.call_seconds):
                await self._server.script(self._line, environment)
        except TimeoutError:
            _log.warning("call_too_long")
            return "too_long"
        except LineStuck as error:
            _log.warning("line_stuck", command=str(error))
            return "stuck"
        except Hangup:
            raise
        except Exception as error:
            # The type alone: a text might hold what the caller typed.
            _log.error("call_failed", error=type(error).__name__, local=_is_ours(error))
            return "failed"
        return "done"


def _is_ours(error: Exception) -> bool:
    return isinstance(error, LocalProtocolError)
