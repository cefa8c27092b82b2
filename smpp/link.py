"""
A session on a Twisted connection, either role: no rules of its own.

One write for each batch that was read; what the owner sends in one turn of the loop goes out
together too. A peer that doesn't read is not read from, until the link counts as silent.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from smpp.events import Answered, BindRequested, Closed, Event, Received, Unanswered
from smpp.pdu import Bind, ShortMessage
from smpp.session import Session
from smpp.settings import SessionSettings
from smpp.states import Role, State

Outcome = Answered | Unanswered
"""What became of a message of ours."""

_CLOSE_TIMEOUT = 5.0
"""Seconds from our last octet to the end of the connection, then it is cut."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from the peer, and the way to answer it on the connection that it came by."""

    message: ShortMessage
    sequence: int
    link: "Link"

    def answer(self, status: int = 0, message_id: str = "") -> bool:
        """Answer once. False if the connection is gone: the peer will send it again."""
        return self.link.answer(self.sequence, status, message_id)


class _ITransport(ITCPTransport, IConsumer, IPushProducer):
    """What Twisted's TCP and TLS transports all are."""


@implementer(IPushProducer)
class Link(Protocol):
    """`received` gets each message, `noticed` every other event but the outcomes.

    gone: fires with None when the connection has ended.
    """

    transport: _ITransport

    def __init__(
        self,
        role: Role,
        settings: SessionSettings,
        clock: IReactorTime,
        jitter: Callable[[], float],
        received: Callable[[Inbound], None],
        noticed: Callable[["Link", Event], None],
    ) -> None:
        self.gone: Deferred[None] = Deferred()
        self.peer_bind: Bind | None = None
        self._clock = clock
        self._session = Session(role, settings, clock.seconds(), jitter)
        self._received = received
        self._noticed = noticed
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._timer: IDelayedCall | None = None
        self._flush_call: IDelayedCall | None = None
        self._close_call: IDelayedCall | None = None
        self._in_batch = False
        self._open = False
        self._producing = False

    @property
    def session(self) -> Session:
        """For reading its state, bind_type and load."""
        return self._session

    def bind(self, bind: Bind) -> None:
        """ESME: ask for the bind."""
        self._session.bind(bind, self._clock.seconds())
        self._flush_soon()

    def answer_bind(self, status: int, system_id: str) -> None:
        """SMSC: accept or refuse the bind that was asked for."""
        self._happened(self._session.answer_bind(status, system_id, self._clock.seconds()))

    def send(self, message: ShortMessage) -> "asyncio.Future[Outcome]":
        """submit_sm as an ESME, deliver_sm as an SMSC.

        Raises NotBound, Busy, LocalProtocolError at once; the future never fails.
        """
        esme = self._session.role is Role.ESME
        send = self._session.submit if esme else self._session.deliver
        sequence = send(message, self._clock.seconds())
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = outcome
        self._flush_soon()
        return outcome

    def answer(self, sequence: int, status: int = 0, message_id: str = "") -> bool:
        """Answer a message of the peer's. False if the link is over."""
        heard = self._session.answer(sequence, self._clock.seconds(), status, message_id)
        self._flush_soon()
        return heard

    def drain(self) -> None:
        """Send no more, wait for the answers, unbind, close; `gone` tells the end."""
        self._happened(self._session.drain(self._clock.seconds()))

    def drop(self) -> None:
        """Cut the connection now."""
        self.transport.abortConnection()

    # Protocol

    def connectionMade(self) -> None:
        """Twisted: the connection stands."""
        self._open = True
        self.transport.setTcpNoDelay(True)
        self._reschedule()

    def dataReceived(self, data: bytes) -> None:
        """Twisted: octets from the peer."""
        if not self._producing:
            # Not before: TLS pauses its producer while it shakes hands, and who stops reading
            # then never gets to the end of that.
            self._producing = True
            self.transport.registerProducer(self, True)
        self._in_batch = True
        try:
            self._happened(self._session.receive_bytes(data, self._clock.seconds()))
        finally:
            self._in_batch = False
        self._flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted: the connection has ended."""
        self._open = False
        self._happened(self._session.connection_lost())
        for call in (self._timer, self._flush_call, self._close_call):
            if call is not None and call.active():
                call.cancel()
        self.gone.callback(None)

    # IPushProducer: the transport's buffer is full or has room again

    def pauseProducing(self) -> None:
        """Twisted: the peer doesn't read; neither do we."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Twisted: the peer reads again."""
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """Twisted: the connection is ending."""

    # The parts

    def _happened(self, events: list[Event]) -> None:
        closed = False
        for event in events:
            match event:
                case Answered(sequence) | Unanswered(sequence):
                    outcome = self._waiting.pop(sequence, None)
                    if outcome is not None and not outcome.done():
                        outcome.set_result(event)
                case Received(sequence, message):
                    self._received(Inbound(message, sequence, self))
                case BindRequested(bind):
                    self.peer_bind = bind
                    self._noticed(self, event)
                case _:
                    closed = closed or isinstance(event, Closed)
                    self._noticed(self, event)
        if closed:
            self._close()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._in_batch and self._flush_call is None and self._open:
            self._flush_call = self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        if self._flush_call is not None and self._flush_call.active():
            self._flush_call.cancel()
        self._flush_call = None
        data = self._session.bytes_to_send()
        if data and self._open:
            self.transport.write(data)
        self._reschedule()

    def _close(self) -> None:
        if not self._open or self._close_call is not None:
            return
        self._flush()
        if self._producing:
            self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._close_call = self._clock.callLater(_CLOSE_TIMEOUT, self.drop)

    def _reschedule(self) -> None:
        deadline = self._session.next_deadline()
        if self._session.state is State.CLOSED or deadline is None:
            return
        if self._timer is not None and self._timer.active():
            # One that comes too early finds nothing due and asks again: cheaper than moving it.
            if self._timer.getTime() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, deadline - self._clock.seconds()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._happened(self._session.tick(self._clock.seconds()))
        if self._session.state is not State.CLOSED:
            self._flush()
