"""Our SMPP services on a real socket, without installing a reactor."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.endpoints import TCP4ClientEndpoint

from smpp.esme import Esme, Notice
from smpp.events import Event
from smpp.link import Inbound, Link
from smpp.pdu import Bind
from smpp.reconnect import ReconnectSettings
from smpp.settings import SessionSettings
from smpp.smsc import Smsc
from tests.smpp_pdus import BIND

PATIENCE = 20.0
N = TypeVar("N", bound=Notice)


class Heard:
    """What a service told its owner, in order."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Inbound] = asyncio.Queue()
        self.notices: asyncio.Queue[Notice] = asyncio.Queue()

    async def message(self) -> Inbound:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            return await self.messages.get()

    async def notice(self, kind: type[N]) -> N:
        """The next notice of this kind; those before it are passed over."""
        async with asyncio.timeout(PATIENCE):
            while True:
                notice = await self.notices.get()
                if isinstance(notice, kind):
                    return notice


@asynccontextmanager
async def loop_reactor() -> AsyncIterator[AsyncioSelectorReactor]:
    """A reactor on the running loop, for this test alone."""
    reactor = AsyncioSelectorReactor(asyncio.get_running_loop())
    try:
        yield reactor
    finally:
        reactor.removeAll()  # type: ignore[no-untyped-call]
        # What a reactor that runs to its end closes: the pipe that wakes it.
        for waker in list(reactor._internalReaders):
            reactor.removeReader(waker)  # type: ignore[no-untyped-call]
            waker.connectionLost(None)


@asynccontextmanager
async def esme(
    port: int,
    settings: SessionSettings | None = None,
    bind: Bind | None = None,
    reconnect: ReconnectSettings | None = None,
) -> AsyncIterator[tuple[Esme, Heard]]:
    """Our ESME, connecting to a port; it comes back a hundredth of a second after a loss."""
    heard = Heard()
    async with loop_reactor() as reactor:
        service = Esme(
            TCP4ClientEndpoint(reactor, "127.0.0.1", port),
            bind or replace(BIND, system_type=""),
            settings or SessionSettings(),
            clock=reactor,
            jitter=float,
            received=heard.messages.put_nowait,
            noticed=heard.notices.put_nowait,
            reconnect=reconnect or ReconnectSettings(first=0.01),
        )
        service.startService()
        try:
            yield service, heard
        finally:
            async with asyncio.timeout(PATIENCE):
                await service.stopService().asFuture(asyncio.get_running_loop())


@asynccontextmanager
async def smsc(
    authorise: Callable[[Bind], int] = lambda _: 0,
    settings: SessionSettings | None = None,
) -> AsyncIterator[tuple[Smsc, int, Heard]]:
    """Our SMSC on a free port."""
    heard = Heard()

    def noticed(_: Link, event: Event) -> None:
        heard.notices.put_nowait(event)

    async with loop_reactor() as reactor:
        service = Smsc(
            "smsc",
            settings or SessionSettings(),
            clock=reactor,
            jitter=float,
            authorise=authorise,
            received=heard.messages.put_nowait,
            noticed=noticed,
        )
        loop = asyncio.get_running_loop()
        port = reactor.listenTCP(0, service, interface="127.0.0.1")  # type: ignore[no-untyped-call]
        try:
            yield service, port.getHost().port, heard
        finally:
            await port.stopListening().asFuture(loop)
            for link in list(service.links):
                link.drop()
                await link.gone.asFuture(loop)
