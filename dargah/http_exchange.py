"""
One request and its answer: gathered in memory, answered by a task.

twisted.web's Request would spool a long or chunked body to disk and read forms by itself.
"""

import asyncio
from typing import TYPE_CHECKING

from twisted.python.failure import Failure
from twisted.web.http import Request, datetimeToString

from dargah.bridge import answered
from dargah.http_request import (
    NOT_FOUND,
    REPEATED,
    HttpRequest,
    Reply,
    Route,
    not_allowed,
    too_large,
)

if TYPE_CHECKING:
    from dargah.http_channel import BoundedChannel, HttpFactory

ONCE = (b"Authorization", b"Content-Type", b"Idempotency-Key", b"X-Dargah-Secret")
"""Headers of which a second one would leave open which of the two is meant."""


class Exchange(Request):
    """What a BoundedChannel makes of each request line."""

    channel: "BoundedChannel"
    _task: asyncio.Task[None] | None = None
    _room: "HttpFactory | None" = None
    _body: bytearray

    def gotLength(self, length: int | None) -> None:
        """Take the announced length in octets; None where the body comes in chunks."""
        self._body = bytearray()
        if length is not None and length > self.channel.factory.limits.body:
            self._refuse_large()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body, until it is more than the limit."""
        if len(self._body) + len(data) > self.channel.factory.limits.body:
            self._refuse_large()
        elif not self.channel.refused:
            self._body += data

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Find who answers, now that the request is whole."""
        self.method, self.uri, self.clientproto = command, path, version
        factory = self.channel.factory
        began = factory.clock.seconds()
        method = command.decode("latin-1")
        address = path.partition(b"?")[0].decode("latin-1")
        route = factory.routes.get(address)
        if route is None:
            self._send(NOT_FOUND, "other", began)
        elif method != route.method and (method, route.method) != ("HEAD", "GET"):
            allow = "GET, HEAD" if route.method == "GET" else route.method
            self._send(route.refused(not_allowed(allow)), route.name, began)
        elif any(len(self.requestHeaders.getRawHeaders(name) or ()) > 1 for name in ONCE):
            self._send(route.refused(REPEATED), route.name, began)
        else:
            headers = {
                name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
                for name, values in self.requestHeaders.getAllRawHeaders()
            }
            peer: str = getattr(self.client, "host", "")
            request = HttpRequest(method, address, headers, bytes(self._body), peer)
            self._room = factory if route.goes_on else None
            self._task = factory.tasks.start(self._answer(route, request, began))

    def _refuse_large(self) -> None:
        factory = self.channel.factory
        reply = too_large(factory.limits.body)
        # The request line is read, but twisted.web hands it over with the whole request alone.
        path: bytes = getattr(self.channel, "_path", b"")
        route = factory.routes.get(path.partition(b"?")[0].decode("latin-1"))
        self.channel.refuse(route.refused(reply) if route else reply, "too_large")

    async def _answer(self, route: Route, request: HttpRequest, began: float) -> None:
        channel = self.channel
        try:
            try:
                within = channel.factory.limits.answer
                reply = await answered(route.answer(request), within, route.sorry, route.name)
            except asyncio.CancelledError:
                # The gateway goes down with the caller still on the line.
                if not self._disconnected:
                    self._send(route.sorry, route.name, began)
                raise
            if not self._disconnected:
                self._send(reply, route.name, began)
            elif reply.unwritten is not None:
                reply.unwritten()
        finally:
            # Were the answer itself at fault, no timer would ever end this connection.
            if not self.finished and not self._disconnected:
                channel.forceAbortClient()

    def _send(self, reply: Reply, name: str, began: float) -> None:
        factory = self.channel.factory
        now = factory.clock.seconds()
        self.setResponseCode(reply.status)
        headers = self.responseHeaders
        headers.setRawHeaders("Date", [datetimeToString(now)])  # type: ignore[no-untyped-call]
        headers.setRawHeaders("Content-Type", [reply.content_type])
        headers.setRawHeaders("Content-Length", [str(len(reply.body))])
        headers.setRawHeaders("Cache-Control", ["no-store"])
        for key, value in reply.headers:
            headers.setRawHeaders(key, [value])
        if factory.closing:
            self.channel.persistent = False
            headers.setRawHeaders("Connection", ["close"])
        factory.events.answered(name, reply.status, now - began)
        self.write(reply.body)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure) -> None:
        """Nobody waits for the answer any more."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        # Who has left takes no connection any more: what is done for them has the same bound.
        room = self._room
        if room is not None and len(room.tasks) <= room.limits.connections:
            return
        if self._task is not None:
            self._task.cancel()
