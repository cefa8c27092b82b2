"""The SMSC's end: accepts connections and binds; what it does with messages is the owner's."""

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory

from smpp.events import BindRequested, Event
from smpp.link import Inbound, Link
from smpp.pdu import Bind
from smpp.settings import SessionSettings
from smpp.states import Role


class Smsc(Factory):
    """A factory for any stream endpoint.

    authorise: 0, or the status that refuses a bind. received: each submit_sm, to be answered by
    its `answer(status, message_id)`. noticed: every other event and its link. Over `most`
    connections further ones are closed at once.
    """

    noisy = False

    def __init__(
        self,
        system_id: str,
        settings: SessionSettings,
        *,
        clock: IReactorTime,
        jitter: Callable[[], float],
        authorise: Callable[[Bind], int],
        received: Callable[[Inbound], None],
        noticed: Callable[[Link, Event], None],
        most: int = 100,
    ) -> None:
        self.links: list[Link] = []
        """Connections of now, the oldest first; `link.send` delivers on those bound for it."""
        self._system_id = system_id
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._authorise = authorise
        self._received = received
        self._tell = noticed
        self._most = most

    def buildProtocol(self, addr: IAddress | None) -> Link | None:
        """Twisted: a connection has come."""
        if len(self.links) >= self._most:
            return None
        link = Link(
            Role.SMSC, self._settings, self._clock, self._jitter, self._received, self._noticed
        )
        self.links.append(link)
        link.gone.addCallback(lambda _: self.links.remove(link))
        return link

    def _noticed(self, link: Link, event: Event) -> None:
        self._tell(link, event)
        if isinstance(event, BindRequested):
            link.answer_bind(self._authorise(event.bind), self._system_id)
