"""
Our end of one bind: connects, binds, keeps the link, reconnects, drains.

Runs on Twisted's ClientService; the endpoint, the clock and the randomness are handed in. What
was outstanding when a link is lost ends as Unanswered: only the caller knows whether sending
again may double it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from twisted.application.internet import ClientService
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory

from smpp.errors import NotBound
from smpp.events import BindRefused, Bound, Event
from smpp.link import Inbound, Link, Outcome
from smpp.pdu import Bind, ShortMessage
from smpp.reconnect import ALARMING, Reconnect, ReconnectSettings
from smpp.settings import SessionSettings
from smpp.states import Role, State


@dataclass(frozen=True, slots=True)
class Waiting:
    """No link; the next attempt comes after `delay` seconds.

    alarm: somebody has to act, the SMSC refused the secret or the name.
    """

    delay: float
    alarm: bool


Notice = Event | Waiting


class Esme(Service):
    """One bind as a service: `startService`, `stopService` (which drains).

    received: each deliver_sm; it must be answered, now or later. noticed: every other event, for
    log and metrics. jitter: gives 0 to 1.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        bind: Bind,
        settings: SessionSettings,
        *,
        clock: IReactorTime,
        jitter: Callable[[], float],
        received: Callable[[Inbound], None],
        noticed: Callable[[Notice], None],
        reconnect: ReconnectSettings | None = None,
    ) -> None:
        self._bind = bind
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._received = received
        self._tell = noticed
        self._reconnect = Reconnect(reconnect or ReconnectSettings(), jitter)
        self._alarm = False
        self._link: Link | None = None
        factory = _Links(self._new_link)
        self._client = ClientService(endpoint, factory, retryPolicy=self._delay, clock=clock)

    @property
    def link(self) -> Link | None:
        """The connection of now, bound or not; for reading its state."""
        return self._link

    @property
    def bound(self) -> bool:
        """Whether a bind holds, so that `submit` may be tried."""
        return self._link is not None and self._link.session.state is State.BOUND

    def submit(self, message: ShortMessage) -> "asyncio.Future[Outcome]":
        """Send one message; the future gives Answered or Unanswered and never fails.

        Raises NotBound, Busy (window and queue full), LocalProtocolError (a field doesn't fit).
        """
        if self._link is None:
            raise NotBound("not connected")
        return self._link.send(message)

    def startService(self) -> None:
        """Begin to connect."""
        super().startService()  # type: ignore[no-untyped-call]
        self._client.startService()

    def stopService(self) -> "Deferred[None]":
        """Send no more, wait for the answers, unbind, close; fires when all is over."""
        super().stopService()  # type: ignore[no-untyped-call]
        done: Deferred[None] = Deferred()

        def stop(_: None) -> None:
            self._client.stopService().addBoth(lambda _: done.callback(None))

        if self._link is None:
            stop(None)
        else:
            self._link.gone.addCallback(stop)
            self._link.drain()
        return done

    def _new_link(self) -> Link:
        return _EsmeLink(self, self._bind, self._settings, self._clock, self._jitter)

    def _delay(self, _failures: int) -> float:
        delay = self._reconnect.delay(self._clock.seconds())
        alarm, self._alarm = self._alarm, False
        if self.running:
            self._tell(Waiting(delay, alarm))
        return delay

    def _up(self, link: Link) -> None:
        self._link = link

    def _down(self) -> None:
        self._link = None

    def _noticed(self, _: Link, event: Event) -> None:
        match event:
            case Bound():
                self._reconnect.bound(self._clock.seconds())
            case BindRefused(status):
                self._reconnect.refused(status)
                self._alarm = status in ALARMING
            case _:
                pass
        self._tell(event)


class _EsmeLink(Link):
    """Binds as soon as it is connected, before the SMSC's session_init_timer."""

    def __init__(
        self,
        esme: Esme,
        bind: Bind,
        settings: SessionSettings,
        clock: IReactorTime,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(Role.ESME, settings, clock, jitter, esme._received, esme._noticed)
        self._esme = esme
        self._ask = bind

    def connectionMade(self) -> None:
        super().connectionMade()
        self._esme._up(self)
        self.bind(self._ask)

    def connectionLost(self, *reason: object) -> None:
        self._esme._down()
        super().connectionLost()


class _Links(Factory):
    noisy = False

    def __init__(self, new_link: Callable[[], Link]) -> None:
        self._new_link = new_link

    def buildProtocol(self, addr: IAddress | None) -> Link:
        return self._new_link()
