"""
HTTP/1.1 by twisted.web, bounded on every side.

twisted.web parses; what it leaves open is closed here. Its timer starts anew with every octet,
so a caller who drips is never cut; its answer to a refused body is lost when it closes at once;
and it knows no bound on connections. Its Site brings sessions, an access log and tracebacks, and
stays out.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import structlog
from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel, Request

from dargah.bridge import Tasks, described
from dargah.http_exchange import Exchange
from dargah.http_request import MALFORMED, HttpEvents, Reply, Route

LINGER_OCTETS = 1_048_576
LINGER_SECONDS = 2
FLUSH_SECONDS = 1
GRACE_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets of a body; connections at once; seconds of idleness, which is also what a request
    has to arrive in; seconds for an answer.
    """

    body: int
    connections: int
    idle: float
    answer: float


class BoundedChannel(HTTPChannel):
    """One connection."""

    factory: "HttpFactory"
    requestFactory = Exchange
    abortTimeout = LINGER_SECONDS
    maxHeaders = 100
    refused = False
    _begun = False
    _lingered = 0

    def connectionMade(self) -> None:
        """Start the idle timer."""
        self.factory.opened(self)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Start the timer anew with a request's first octet, not with each of them."""
        if self.refused:
            self._lingered += len(data)
            if self._lingered > LINGER_OCTETS:
                self.forceAbortClient()
            return
        if not self._begun:
            self._begun = True
            self.resetTimeout()  # type: ignore[no-untyped-call]
        try:
            # Past HTTPChannel's own, which starts the timer anew every time.
            LineReceiver.dataReceived(self, data)  # type: ignore[no-untyped-call]
        except Exception as error:
            # What was sent behind a request is parsed when that is answered, within its task:
            # an error let out there would leave this connection open, with its timer off.
            log.error("http_connection_failed", **described(error))
            self.forceAbortClient()

    def lineReceived(self, line: bytes) -> None:
        """Drop what follows a refusal."""
        if not self.refused:
            super().lineReceived(line)  # type: ignore[no-untyped-call]

    def rawDataReceived(self, data: bytes) -> None:
        """Drop what follows a refusal."""
        if not self.refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """Hand a whole request over, unless it was refused while it came."""
        if not self.refused:
            super().allContentReceived()  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a request line or a header that has no end."""
        self._respondToBadRequestAndDisconnect()

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """While the gateway drains, a connection ends with its next answer."""
        if self.factory.closing:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))  # type: ignore[no-untyped-call]

    def requestDone(self, request: Request) -> None:
        """Go on to the next request."""
        self._begun = False
        super().requestDone(request)  # type: ignore[no-untyped-call]

    def refuse(self, reply: Reply, reason: str) -> None:
        """Answer before the request is whole, and end the connection.

        Closing at once would reset a caller who is still sending, and take the answer from it:
        so what still comes is read and dropped, within a bound of octets and of time.
        """
        if self.refused:
            return
        self.refused = True
        self.clearLineBuffer()  # type: ignore[no-untyped-call]
        self.factory.events.refused(reason)
        head = (
            f"HTTP/1.1 {reply.status} {RESPONSES[reply.status].decode()}\r\n"
            f"Content-Type: {reply.content_type}\r\n"
            f"Content-Length: {len(reply.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self._tcp().write(head.encode() + reply.body)
        self.setTimeout(LINGER_SECONDS)  # type: ignore[no-untyped-call]
        if self.isSecure():  # type: ignore[no-untyped-call]
            # TLS has no half-closed state; its close waits for the peer's by itself.
            self.loseConnection()  # type: ignore[no-untyped-call]
        else:
            self._tcp().loseWriteConnection()

    def timeoutConnection(self) -> None:
        """Cut an idle, slow or lingering connection. Twisted's own would log the address."""
        if self.refused:
            self.forceAbortClient()
            return
        if self._begun:
            self.factory.events.refused("slow")
        self._abortingCall = self.factory.clock.callLater(LINGER_SECONDS, self.forceAbortClient)
        self.loseConnection()  # type: ignore[no-untyped-call]

    def forceAbortClient(self) -> None:
        """Give the descriptor back, whatever is still unsent."""
        self._abortingCall = None
        self._tcp().abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection and whatever was being done for it."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self.factory.closed(self)

    def idle(self) -> bool:
        """Whether no whole request waits for its answer here."""
        return not self._handlingRequest

    def _tcp(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)

    def _send100Continue(self) -> None:
        if not self.refused:
            super()._send100Continue()  # type: ignore[no-untyped-call]

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(MALFORMED, "malformed")


class HttpFactory(ServerFactory):
    """Connections up to a bound, and the routes that they share.

    `routes` are by path; `clock` gives the time and the timers.
    """

    noisy = False

    def __init__(
        self,
        routes: Mapping[str, Route],
        limits: Limits,
        clock: IReactorTime,
        tasks: Tasks,
        events: HttpEvents,
    ) -> None:
        self.routes = routes
        self.limits = limits
        self.clock = clock
        self.tasks = tasks
        self.events = events
        self.closing = False
        self._open: set[BoundedChannel] = set()
        self._emptied = asyncio.Event()

    # Twisted wants channels whose factory may be any; ours knows its own.
    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> BoundedChannel | None:
        """A channel for a new connection, or None, which closes it."""
        if len(self._open) >= self.limits.connections:
            self.events.refused("connections")
            return None
        channel = BoundedChannel()  # type: ignore[no-untyped-call]
        channel.factory = self
        channel.timeOut = self.limits.idle  # type: ignore[assignment]
        channel.callLater = self.clock.callLater  # type: ignore[assignment, method-assign]
        return channel

    def log(self, request: Request) -> None:
        """Twisted offers each request for an access log; it would hold addresses."""

    def opened(self, channel: BoundedChannel) -> None:
        """Count a connection."""
        self._open.add(channel)
        self.events.connections(len(self._open))

    def closed(self, channel: BoundedChannel) -> None:
        """Count a connection no more."""
        self._open.discard(channel)
        self.events.connections(len(self._open))
        if self.closing and not self._open:
            self._emptied.set()

    async def finish(self, within: float) -> int:
        """Wait `within` seconds for the answers still owed, cut the rest.

        Idle connections have GRACE_SECONDS for a request that is on its way already; it is answered
        and ends its connection. Returns how many answers were cut short. Stop listening first.
        """
        self.closing = True
        if self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(GRACE_SECONDS, within)):
                    await self._emptied.wait()
        for channel in list(self._open):
            if channel.idle():
                channel.loseConnection()  # type: ignore[no-untyped-call]
        late = await self.tasks.finish(within)
        if self._open:
            # The last answers are still on their way out of the write buffers.
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._emptied.wait()
        for channel in list(self._open):
            channel.forceAbortClient()
        return late
