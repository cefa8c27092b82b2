"""A gateway's binds that run, and what they were given and counted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest

from config.reading import Secret
from config.smpp_settings import SmppBind
from dargah.smpp_binds import SmppBinds
from dargah.smpp_metrics import SmppMetrics
from smpp.pdu import Address, ShortMessage
from smpp.reconnect import ReconnectSettings
from state.link import Redis
from telecom.msisdn import Msisdn
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.smpp_peers import PATIENCE, Peer
from tests.smpp_service import loop_reactor
from tests.ussd_line import Line, on
from ussd.sessions import Told

MSISDN = "989121234567"
BIND = SmppBind(
    name="a-1",
    operator="a",
    host="127.0.0.1",
    port=0,
    system_id="dargah",
    password=Secret("secret"),
)
SMS = ShortMessage(Address("10001420", 3, 0), Address(MSISDN, 1, 1), b"x")


@dataclass
class Gateway:
    """Binds that run, what they were given, and what they counted."""

    binds: SmppBinds
    line: Line
    registry: CollectorRegistry
    received: list[tuple[str, ShortMessage]] = field(default_factory=list)
    receipts: list[tuple[str, ShortMessage]] = field(default_factory=list)
    untold: list[tuple[str, Msisdn, Told]] = field(default_factory=list)

    async def bound(self, *names: str) -> None:
        """Until these binds hold."""
        await until(lambda: all(self.binds.ready()[f"smpp {name}"] == "ok" for name in names))

    def count(self, sample: str) -> float:
        """A metric, by its full name and labels."""
        for line in generate_latest(self.registry).decode().splitlines():
            if line.startswith(f"{sample} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0


async def until(true: Callable[[], bool]) -> None:
    """Until something is so; a bounded wait for another process."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - another process says nothing when it is done
            await asyncio.sleep(0.002)


@asynccontextmanager
async def gateway(redis: Redis, *settings: SmppBind) -> AsyncIterator[Gateway]:
    """A gateway's binds; they come back a hundredth of a second after a loss."""
    registry = CollectorRegistry()
    line = Line(redis)
    async with loop_reactor() as reactor:

        async def received(operator: str, message: ShortMessage) -> int:
            if message.short_message == b"break":
                raise RuntimeError(COVERED)
            made.received.append((operator, message))
            return 0

        async def receipt(operator: str, message: ShortMessage) -> int:
            made.receipts.append((operator, message))
            return 0

        binds = SmppBinds(
            settings,
            reactor,
            conversations=line.gateway,
            received=received,
            receipt=receipt,
            metrics=SmppMetrics(registry),
            untold=lambda *untold: made.untold.append(untold),
            reconnect=ReconnectSettings(first=0.01),
        )
        made = Gateway(binds, line, registry)
        binds.start()
        try:
            yield made
        finally:
            async with asyncio.timeout(PATIENCE):
                await binds.stop(PATIENCE / 2)


def unit(op: int, text: str, info: str, number: str = MSISDN, **more: object) -> dict[str, object]:
    """One unit of a dialogue, as node-smpp is told of it."""
    return {
        "source_addr": number,
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "destination_addr": "1420",
        "dest_addr_ton": 3,
        "service_type": "USSD",
        "ussd_service_op": op,
        "its_session_info": info,
        "sm": text,
        **more,
    }


async def shown(peer: Peer, pdu: dict[str, object]) -> tuple[str, int, str]:
    """What the subscriber reads after a unit: text, operation, session."""
    await peer.order("deliver", pdu=pdu)
    seen = await peer.saw("submit")
    return seen["sm"], seen["op"], seen["its"]


def play(server: RunningRedis, scenario: Callable[[Redis], Awaitable[None]]) -> None:
    """Play on an emptied Redis."""
    on(server, scenario)
