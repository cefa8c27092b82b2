"""A carrier on loopback, and gateways to bind to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from carrier.carrier import Carrier, start_carrier
from carrier.settings import CarrierSettings
from smpp.dialect import SPECIFICATION, Dialect, Kind
from smpp.esme import Esme
from smpp.events import Bound
from smpp.pdu import Bind, BindType, ShortMessage
from smpp.ussd_tlv import UssdEvent, is_ussd, read_unit, write_reply
from telecom.segments import split
from tests.smpp_service import PATIENCE, Heard, esme, loop_reactor

BIND = Bind(0, BindType.TRANSCEIVER, "dargah", "secret")
NUMBER = "09121234567"


@asynccontextmanager
async def carrier(
    *, control: bool = False, dialect: Dialect = SPECIFICATION
) -> AsyncIterator[Carrier]:
    """A carrier on a free port; it delivers again after a hundredth of a second."""
    with TemporaryDirectory(prefix="dargah-") as folder:
        async with loop_reactor() as reactor:
            running = await start_carrier(
                reactor,
                CarrierSettings(
                    port=0,
                    users={"dargah": "secret", "second": "secret"},
                    control_path=Path(folder) / "control" if control else None,
                    dialect=dialect,
                    redeliver_after=0.01,
                    session=replace(CarrierSettings().session, throttle_pause=0.01),
                ),
                octets=lambda count: b"\xff" * count,
            )
            try:
                yield running
            finally:
                async with asyncio.timeout(PATIENCE):
                    await running.stop()


def reply_to(message: ShortMessage, text: str) -> list[ShortMessage]:
    """An SMS back to whoever wrote, in as many parts as it takes."""
    return [
        ShortMessage(
            message.destination,
            message.source,
            part.short_message,
            part.data_coding,
            esm_class=part.esm_class,
        )
        for part in split(text, reference=7)
    ]


class Seen(list[ShortMessage]):
    """What a gateway received, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = asyncio.Event()

    def add(self, message: ShortMessage) -> None:
        """One more."""
        self.append(message)
        self._grown.set()

    async def number(self, count: int) -> None:
        """Wait until so many have come."""
        async with asyncio.timeout(PATIENCE):
            while len(self) < count:
                self._grown.clear()
                await self._grown.wait()


@asynccontextmanager
async def gateway(
    running: Carrier,
    *,
    text: Callable[[ShortMessage], str] | None = None,
    ussd: Callable[[UssdEvent], tuple[str, bool] | None] | None = None,
    dialect: Dialect = SPECIFICATION,
    bind: Bind = BIND,
) -> AsyncIterator[tuple[Esme, Seen]]:
    """Our ESME, answering texts and dialogues by two functions; and all that it received."""
    seen = Seen()

    async def serve(service: Esme, heard: Heard) -> None:
        while True:
            inbound = await heard.messages.get()
            inbound.answer()
            seen.add(inbound.message)
            if is_ussd(inbound.message, dialect):
                event = read_unit(inbound.message, dialect)
                told = ussd(event) if ussd and event.kind is not Kind.ABORT else None
                if told:
                    service.submit(write_reply(event, told[0], more=told[1], dialect=dialect))
            elif text and not inbound.message.is_receipt:
                for part in reply_to(inbound.message, text(inbound.message)):
                    service.submit(part)

    async with esme(running.port, bind=bind) as (service, heard):
        await heard.notice(Bound)
        task = asyncio.create_task(serve(service, heard))
        try:
            yield service, seen
        finally:
            task.cancel()
