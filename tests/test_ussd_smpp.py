"""USSD over SMPP: from a deliver_sm to a submit_sm, over a real Redis."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.dialect import Dialect, Kind, SessionSource
from smpp.errors import Busy, NotBound
from smpp.events import Answered, Unanswered
from smpp.link import Outcome
from smpp.pdu import Address, ShortMessage, Status, Tag
from smpp.ussd_tlv import Screen, read_screen, write_unit
from state.link import Redis
from telecom.msisdn import Msisdn, NotAnMsisdn
from tests.redis_server import RunningRedis, running_redis
from tests.scripted_inquirer import COVERED, ScriptedInquirer
from tests.smpp_pdus import messages
from tests.ussd_line import ANSWER, FA, MENU, Line, on
from ussd.conversation import Turned
from ussd.smpp import UssdOverSmpp, subscriber

HANDSET = Address("989121234567", 1, 1)
CODE = Address("1420", 3, 9)
BEGIN, GO_ON, ABORT = 0x01, 0x12, 0x81


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[RunningRedis]:
    with running_redis() as server:
        yield server


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


def test_a_dialogue(server: RunningRedis) -> None:
    """Menu, question, verdict: each acknowledged first, the last one closing the dialogue."""

    async def play(network: Network) -> None:
        for unit, (op, text, shown, last) in enumerate(
            [
                (BEGIN, "*4*1420#", MENU, False),
                (GO_ON, "1", FA["ask_id"], False),
                (GO_ON, COVERED, ANSWER, True),
            ]
        ):
            assert await network.screen(op, text, unit) == Screen(shown, last, "2a")
        assert network.acknowledged == [0, 1, 2]
        assert {message.tlv(Tag.USSD_SERVICE_OP) for message in network.shown} == {b"\x02", b"\x11"}
        assert {(message.source, message.destination) for message in network.shown} == {
            (CODE, HANDSET)
        }

    play_on(server, play)


def test_a_gateway_that_wants_the_answer_first(server: RunningRedis) -> None:
    """Where it is set so, a unit is acknowledged only when its answer is ready."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        await inquirers[0].began.wait()
        assert network.acknowledged == []
        inquirers[0].may.set()
        await network.settle()
        assert network.acknowledged == [0]
        assert len(network.shown) == 1

    play_on(server, play, line=line, at_once=False)


def test_an_abort_during_a_look_up(server: RunningRedis) -> None:
    """Nothing is sent, and nothing kept, once the network has ended the dialogue."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        await inquirers[0].began.wait()
        network.sends(ABORT)
        inquirers[0].may.set()
        await network.settle()
        assert network.shown == []
        assert len(network.acknowledged) == 2
        assert (await network.screen(GO_ON, "1")).text == FA["expired"]
        assert network.line.turned == [Turned.ABORTED, Turned.EXPIRED]

    play_on(server, play, line=line)


def test_one_unit_twice(server: RunningRedis) -> None:
    """A unit that comes again while its answer is on its way makes no second answer."""

    async def play(network: Network) -> None:
        for _ in range(3):
            network.sends(BEGIN, "*4*1420#")
        await network.settle()
        assert len(network.shown) == 1
        assert len(network.acknowledged) == 3
        assert network.odd == ["joined", "joined"]
        # And when it has gone out, the same answer goes out again.
        assert (await network.screen(BEGIN, "*4*1420#")).text == MENU
        assert network.line.turned == [Turned.CONTINUED, Turned.REPEATED]

    play_on(server, play)


def test_who_dials_again_reads_the_new_dialogue_alone(server: RunningRedis) -> None:
    """A new dialogue from a handset silences what was still being looked up for the old one."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#", session=1)
        await inquirers[0].began.wait()
        network.sends(BEGIN, "*4*1420#", session=2)
        inquirers[0].may.set()
        await network.settle()
        assert [read_screen(message).text for message in network.shown] == [MENU]

    play_on(server, play, line=line)


def test_no_room(server: RunningRedis) -> None:
    """Beyond the bound a person is told at once to dial again; so is everybody at the end."""
    inquirers: list[SlowInquirer] = []

    def line(redis: Redis) -> Line:
        inquirers.append(SlowInquirer())
        return Line(redis, inquirers[0])

    async def play(network: Network) -> None:
        network.sends(BEGIN, f"*4*1420*1*{COVERED}#")
        other = write_unit(
            BEGIN,
            "*4*1420#",
            subscriber=Address("989121234568", 1, 1),
            service_code=CODE,
            session_info=b"\1\0",
        )
        network.receives(other)
        assert [read_screen(message) for message in network.shown] == [
            Screen(FA["busy"], True, "01")
        ]
        inquirers[0].may.set()
        await network.settle()
        network.edge.close()
        network.receives(other)
        assert read_screen(network.shown[-1]).text == FA["busy"]
        assert network.odd == ["too_many", "too_many"]

    play_on(server, play, line=line, most=1)


def test_a_refused_screen_ends_the_dialogue(server: RunningRedis) -> None:
    """A screen that the network refuses is not sent again, and its dialogue is over."""

    async def play(network: Network) -> None:
        network.outcome = Answered(1, Status.THROTTLED, "", 0.0)
        await network.screen(BEGIN, "*4*1420#")
        assert len(network.shown) == 1
        network.outcome = Answered(1, 0, "", 0.0)
        assert (await network.screen(GO_ON, "1")).text == FA["expired"]
        assert network.line.turned == [Turned.CONTINUED, Turned.REFUSED, Turned.EXPIRED]

    play_on(server, play)


@pytest.mark.parametrize(
    "outcome",
    [Unanswered(1, "lost", sent=True), NotBound("no link"), Busy("full")],
    ids=["lost", "not bound", "busy"],
)
def test_an_unknown_fate_leaves_the_dialogue(
    server: RunningRedis, outcome: Outcome | Exception
) -> None:
    """Where nobody knows whether a screen was shown, the person may go on with the dialogue."""

    async def play(network: Network) -> None:
        network.outcome = outcome
        network.sends(BEGIN, "*4*1420#")
        await network.settle()
        network.outcome = Answered(1, 0, "", 0.0)
        assert (await network.screen(GO_ON, "1", unit=2)).text == FA["ask_id"]

    play_on(server, play)


def test_a_fault_of_ours_is_told_as_one(server: RunningRedis) -> None:
    """Whatever breaks behind a turn, the person is told to dial again, and never a verdict."""

    class Broken(ScriptedInquirer):
        async def inquire(self, *args: Any, **more: Any) -> Any:
            raise RuntimeError(COVERED)

    async def play(network: Network) -> None:
        screen = await network.screen(BEGIN, f"*4*1420*1*{COVERED}#")
        assert screen == Screen(FA["busy"], True, "2a")

    play_on(server, play, line=lambda redis: Line(redis, Broken()))


def test_a_withheld_number(server: RunningRedis) -> None:
    """Without a number there is no session: that is told, and an abort of it is let pass."""

    async def play(network: Network) -> None:
        for op in (BEGIN, ABORT):
            network.receives(
                write_unit(
                    op,
                    "*4*1420#",
                    subscriber=Address("anonymous", 5, 0),
                    service_code=CODE,
                    session_info=b"\1\0",
                )
            )
        assert [read_screen(message).text for message in network.shown] == [FA["unavailable"]]
        assert len(network.acknowledged) == 2

    play_on(server, play)


@pytest.mark.parametrize(
    ("digits", "ton", "msisdn"),
    [
        ("989121234567", 1, "989121234567"),
        ("+989121234567", 1, "989121234567"),
        ("09121234567", 1, "989121234567"),
        ("9121234567", 2, "989121234567"),
        ("09121234567", 0, "989121234567"),
        ("442079460018", 1, "442079460018"),
        ("442079460018", 0, None),
        ("1420", 3, None),
        ("", 0, None),
    ],
)
def test_whose_handset_it_is(digits: str, ton: int, msisdn: str | None) -> None:
    """A number is read with its TON: international ones come without a plus."""
    if msisdn is None:
        with pytest.raises(NotAnMsisdn):
            subscriber(Address(digits, ton, 1))
    else:
        assert subscriber(Address(digits, ton, 1)) == Msisdn(msisdn)


dialects = st.builds(
    Dialect,
    session_source=st.sampled_from([s for s in SessionSource if s is not SessionSource.VENDOR]),
    unknown_op=st.sampled_from(Kind),
    packed_7bit=st.booleans(),
    max_octets=st.integers(80, 160),
)
sources = st.sampled_from(["989121234567", "09121234567", "+442079460018"])
units = st.builds(
    lambda message, source, op, ours: (
        write_unit(
            op,
            "*4*1420#" if op == BEGIN else "1",
            subscriber=Address(source, 1, 1),
            service_code=message.destination,
            session_info=message.short_message[:2],
        )
        if ours
        else message
    ),
    messages(),
    sources,
    st.sampled_from([BEGIN, GO_ON, ABORT, 0x00, 0x13]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(units, max_size=12), dialects)
def test_any_messages(server: RunningRedis, sent: list[ShortMessage], dialect: Dialect) -> None:
    """Whatever a network sends, each message is acknowledged once and answered once at most."""

    async def play(network: Network) -> None:
        for message in sent:
            network.receives(message)
        await network.settle()
        assert len(network.acknowledged) == len(sent)
        assert len(network.shown) <= len(sent)
        allowed = {message.source for message in sent}
        assert all(message.destination in allowed for message in network.shown)

    play_on(server, play, dialect=dialect)
