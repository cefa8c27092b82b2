"""The network's side of USSD over one SMPP bind, and a gateway behind it."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from smpp.dialect import Dialect
from smpp.events import Answered
from smpp.link import Outcome
from smpp.pdu import Address, ShortMessage
from smpp.ussd_tlv import Screen, read_screen, write_unit
from state.link import Redis
from telecom.msisdn import Msisdn
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import ScriptedInquirer
from tests.ussd_line import Line, on
from ussd.sessions import Told
from ussd.smpp import UssdOverSmpp

HANDSET = Address("989121234567", 1, 1)
CODE = Address("1420", 3, 9)
BEGIN, GO_ON, ABORT = 0x01, 0x12, 0x81


class SlowInquirer(ScriptedInquirer):
    """Answers once told to."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may = asyncio.Event(), asyncio.Event()

    async def inquire(self, *args: Any, **more: Any) -> Any:
        self.began.set()
        await self.may.wait()
        return await super().inquire(*args, **more)


@dataclass
class Network:
    """The network's side of one bind; what it is shown, and how it takes it."""

    line: Line
    dialect: Dialect = field(default_factory=Dialect)
    most: int = 10
    at_once: bool = True
    outcome: Outcome | Exception = field(default_factory=lambda: Answered(1, 0, "id", 0.0))
    shown: list[ShortMessage] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    untold: list[tuple[Msisdn, Told]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.edge = UssdOverSmpp(
            self.line.gateway,
            "operator",
            self.dialect,
            submit=self.submit,
            start=self.start,
            most=self.most,
            at_once=self.at_once,
            untold=lambda msisdn, told: self.untold.append((msisdn, told)),
            odd=self.odd.append,
        )

    def submit(self, message: ShortMessage) -> "asyncio.Future[Outcome]":
        """What Esme.submit does."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.shown.append(message)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        future.set_result(self.outcome)
        return future

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """What bridge.Tasks.start does."""
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    def sends(self, op: int, text: str = "", session: int = 0x2A, unit: int = 0) -> None:
        """One unit from the network, left to be worked on."""
        message = write_unit(
            op,
            text,
            subscriber=HANDSET,
            service_code=CODE,
            session_info=bytes([session, unit << 1]),
            dialect=self.dialect,
        )
        self.receives(message)

    def receives(self, message: ShortMessage) -> None:
        """Any deliver_sm, left to be worked on."""
        self.edge.received(message, lambda: self.acknowledged.append(len(self.shown)))

    async def settle(self) -> None:
        """Until nothing is under way."""
        while self.tasks:
            await asyncio.gather(*self.tasks)
            self.tasks = {task for task in self.tasks if not task.done()}
            await asyncio.sleep(0)

    async def screen(self, op: int, text: str = "", unit: int = 0) -> Screen:
        """What the subscriber reads after this unit."""
        self.sends(op, text, unit=unit)
        await self.settle()
        return read_screen(self.shown[-1], self.dialect)


def play_on(
    server: RunningRedis, play: Callable[[Network], Coroutine[Any, Any, None]], **more: Any
) -> None:
    """Play on one bind over an emptied Redis; `line` may say how to make the gateway."""
    line: Callable[[Redis], Line] = more.pop("line", Line)

    async def run(redis: Redis) -> None:
        network = Network(line(redis), **more)
        await play(network)
        await network.settle()
        assert network.edge.under_way == 0

    on(server, run)
