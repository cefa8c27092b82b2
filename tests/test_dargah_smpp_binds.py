"""The binds of a gateway against an SMSC that we did not write, over a real Redis."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from config.reading import Secret
from config.smpp_settings import DialectSettings, SmppBind
from dargah.smpp_binds import SmppBinds
from dargah.smpp_metrics import SmppMetrics
from dargah.smpp_of_settings import dialect_of, session_of
from smpp.dialect import SPECIFICATION
from smpp.errors import Busy, NotBound
from smpp.events import Answered
from smpp.pdu import Address, ShortMessage, Status
from smpp.reconnect import ReconnectSettings
from state.link import Redis
from tests.redis_server import RunningRedis, running_redis
from tests.scripted_inquirer import COVERED
from tests.smpp_peers import PATIENCE, Peer, node_smsc, running
from tests.smpp_service import loop_reactor, smsc
from tests.ussd_line import ANSWER, FA, MENU, Line, on
from ussd.conversation import Turned

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


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[RunningRedis]:
    with running_redis() as server:
        yield server


@pytest.fixture(name="node")
def _node(pytestconfig: pytest.Config) -> list[str]:
    return node_smsc(pytestconfig)


@dataclass
class Gateway:
    """Binds that run, what they were given, and what they counted."""

    binds: SmppBinds
    line: Line
    registry: CollectorRegistry
    received: list[tuple[str, ShortMessage]] = field(default_factory=list)
    receipts: list[tuple[str, ShortMessage]] = field(default_factory=list)

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


def test_a_persian_dialogue(server: RunningRedis, node: list[str]) -> None:
    """A code is dialled, a menu answered in Persian digits, an ID typed, the verdict read."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer:
            async with gateway(redis, replace(BIND, port=peer.port)) as ours:
                await ours.bound("a-1")
                assert ours.count('dargah_smpp_bound{bind="a-1"}') == 1
                assert await shown(peer, unit(0x01, "*4*1420#", "2a00")) == (MENU, 0x02, "2a02")
                asks = await shown(peer, unit(0x12, "۱", "2a04"))
                assert asks == (FA["ask_id"], 0x02, "2a06")
                told = await shown(peer, unit(0x12, "۰۰۱۲۳۴۵۶۷۹", "2a08"))
                assert told == (ANSWER, 0x11, "2a0b")
                (asked,) = ours.line.inquirer.asked
                assert asked[0] == "۰۰۱۲۳۴۵۶۷۹"
                await until(
                    lambda: (
                        ours.count(
                            'dargah_smpp_pdus_total{bind="a-1",'
                            'command="submit_sm_resp",direction="rx"}'
                        )
                        == 3
                    )
                )
                for command, direction in (
                    ("deliver_sm", "rx"),
                    ("deliver_sm_resp", "tx"),
                    ("submit_sm", "tx"),
                ):
                    sample = f'bind="a-1",command="{command}",direction="{direction}"'
                    assert ours.count(f"dargah_smpp_pdus_total{{{sample}}}") == 3
            assert ours.count('dargah_smpp_bound{bind="a-1"}') == 0

    play(server, scenario)


def test_the_acknowledgement_comes_first(server: RunningRedis, node: list[str]) -> None:
    """Each unit is acknowledged with status 0, and before its answer."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            await peer.order("deliver", pdu=unit(0x01, "*4*1420#", "2a00"))
            assert (await peer.saw("deliver_resp"))["status"] == 0
            assert (await peer.saw("submit"))["sm"] == MENU

    play(server, scenario)


def test_an_abort_and_a_repeat(server: RunningRedis, node: list[str]) -> None:
    """A unit sent twice is answered alike; an aborted dialogue is answered no more."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            await shown(peer, unit(0x01, "*4*1420#", "2a00"))
            first = await shown(peer, unit(0x12, "1", "2a04"))
            assert await shown(peer, unit(0x12, "1", "2a04")) == first
            await peer.order("deliver", pdu=unit(0x81, "", "2a08"))
            assert (await peer.saw("deliver_resp"))["status"] == 0
            await until(lambda: Turned.ABORTED in ours.line.turned)
            # The next thing that is shown is the next dialogue's first screen.
            assert await shown(peer, unit(0x01, "*4*1420#", "2b00")) == (MENU, 0x02, "2b02")
            late = await shown(peer, unit(0x12, COVERED, "2a0a"))
            assert late == (FA["expired"], 0x11, "2a0d")
            assert ours.line.inquirer.asked == []

    play(server, scenario)


def test_a_refused_screen(server: RunningRedis, node: list[str]) -> None:
    """A screen that the SMSC refuses ends its dialogue, is counted, and is not sent again."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            await peer.order("throttle", count=1)
            await shown(peer, unit(0x01, "*4*1420#", "2a00"))
            await until(lambda: Turned.REFUSED in ours.line.turned)
            assert ours.count('dargah_smpp_unaccepted_total{bind="a-1",reason="throttled"}') == 1
            assert ours.count('dargah_smpp_throttled_total{bind="a-1"}') == 1
            await until(lambda: not ours.binds.tasks)
            assert (await shown(peer, unit(0x12, "1", "2a04")))[0] == FA["expired"]

    play(server, scenario)


def test_a_cut_link_and_two_sites(server: RunningRedis, node: list[str]) -> None:
    """A dialogue goes on after its link was cut: at the operator's other site, and back again."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as here, running(node) as there:
            sites = (replace(BIND, port=here.port), replace(BIND, name="a-2", port=there.port))
            async with gateway(redis, *sites) as ours:
                await ours.bound("a-1", "a-2")
                assert (await shown(here, unit(0x01, "*4*1420#", "2a00")))[0] == MENU
                await here.order("drop")
                asks = await shown(there, unit(0x12, "1", "2a04"))
                assert asks[0] == FA["ask_id"]
                await here.saw("bind")
                await ours.bound("a-1")
                told = await shown(here, unit(0x12, COVERED, "2a08"))
                assert told == (ANSWER, 0x11, "2a0b")

    play(server, scenario)


def test_two_hundred_dialogues_at_once(server: RunningRedis, node: list[str]) -> None:
    """Two hundred people at once each read their own dialogue to its end."""
    people = [f"98912{number:07d}" for number in range(200)]

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            for op, text, info, expected in (
                (0x01, "*4*1420#", "00", MENU),
                (0x12, "1", "04", FA["ask_id"]),
                (0x12, COVERED, "08", ANSWER),
            ):
                stdin = peer._process.stdin
                assert stdin is not None
                for number, person in enumerate(people):
                    pdu = unit(op, text, f"{number:02x}{info}", person)
                    stdin.write(json.dumps({"do": "deliver", "pdu": pdu}).encode() + b"\n")
                seen = [await peer.saw("submit") for _ in people]
                assert {each["sm"] for each in seen} == {expected}
                assert {each["destination"] for each in seen} == set(people)
                for each in seen:
                    number = people.index(each["destination"])
                    assert each["its"][:2] == f"{number:02x}"
            assert len(ours.line.inquirer.asked) == 200

    play(server, scenario)


def test_text_messages_and_receipts(server: RunningRedis, node: list[str]) -> None:
    """Texts go one way, receipts another; what breaks is asked for again by its status."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            text: dict[str, Any] = {"source_addr": MSISDN, "destination_addr": "10001420"}

            async def answered(**more: object) -> int:
                await peer.order("deliver", pdu={**text, **more})
                return int((await peer.saw("deliver_resp"))["status"])

            assert await answered(sm="1420") == Status.OK
            assert await answered(sm="id:1 stat:DELIVRD", esm_class=0x04) == Status.OK
            assert await answered(sm="break") == Status.RX_TEMPORARY
            assert [operator for operator, _ in ours.received] == ["a"]
            assert [message.is_receipt for _, message in ours.receipts] == [True]
            assert ours.line.turned == []

    play(server, scenario)


def test_what_a_bind_does_not_carry(server: RunningRedis, node: list[str]) -> None:
    """A message of a kind that the bind doesn't carry is refused for good, and counted."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer:
            sms_alone = replace(BIND, port=peer.port, carries=("sms",))
            async with gateway(redis, sms_alone) as ours:
                await ours.bound("a-1")
                await peer.order("deliver", pdu=unit(0x01, "*4*1420#", "2a00"))
                assert (await peer.saw("deliver_resp"))["status"] == Status.RX_REJECT
                assert ours.count('dargah_smpp_anomalies_total{bind="a-1",what="not_carried"}') == 1
                assert ours.received == []
                with pytest.raises(NotBound):
                    ours.binds.submit("a", SMS, carries="ussd")

    play(server, scenario)


def test_a_bind_for_ussd_alone_needs_no_marks(server: RunningRedis, node: list[str]) -> None:
    """Where a bind carries nothing else, a unit without service_type is still USSD."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer:
            dialect = DialectSettings(
                service_type="", session_source="none", unknown_op="begin", end_op=0x17
            )
            bind = replace(BIND, port=peer.port, carries=("ussd",), dialect=dialect)
            async with gateway(redis, bind) as ours:
                await ours.bound("a-1")
                code = f"*4*1420*1*{COVERED}#"
                pdu = {"source_addr": MSISDN, "destination_addr": "1420", "sm": code}
                await peer.order("deliver", pdu=pdu)
                seen = await peer.saw("submit")
                assert (seen["sm"], seen["op"], seen["service_type"]) == (ANSWER, 0x17, "")

    play(server, scenario)


def test_a_receiver_answers_by_its_transmitter(server: RunningRedis, node: list[str]) -> None:
    """Where an operator gives two one-way binds, units come by one and answers go by the other."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer:
            receiver = replace(BIND, port=peer.port, bind_type="receiver")
            async with running(node) as other:
                sender = replace(BIND, name="a-2", port=other.port, bind_type="transmitter")
                async with gateway(redis, receiver, sender) as ours:
                    await ours.bound("a-1", "a-2")
                    await peer.order("deliver", pdu=unit(0x01, "*4*1420#", "2a00"))
                    assert (await other.saw("submit"))["sm"] == MENU

    play(server, scenario)


def test_messages_go_by_a_bind_that_holds(server: RunningRedis) -> None:
    """An operator's binds are used in turn; one that doesn't hold, or is another's, never."""

    async def scenario(redis: Redis) -> None:
        async with smsc() as (_, here, heard_here), smsc() as (_, there, heard_there):
            settings = (
                replace(BIND, port=here, window=1, queue=0),
                replace(BIND, name="a-2", port=there, window=1, queue=0),
                replace(BIND, name="b-1", operator="b", port=here, carries=("ussd",)),
            )
            async with gateway(redis, *settings) as ours:
                await ours.bound("a-1", "a-2", "b-1")
                outcomes = [ours.binds.submit("a", SMS) for _ in range(2)]
                with pytest.raises(Busy):
                    ours.binds.submit("a", SMS)
                for name in ("a-1", "a-2"):
                    assert ours.count(f'dargah_smpp_window_full_total{{bind="{name}"}}') == 1
                for heard in (heard_here, heard_there):
                    (await heard.message()).answer(0, "id")
                for outcome in await asyncio.gather(*outcomes):
                    assert isinstance(outcome, Answered)
                for operator in ("b", "c"):
                    with pytest.raises(NotBound):
                        ours.binds.submit(operator, SMS)

    play(server, scenario)


def test_what_is_not_bound_is_not_ready(server: RunningRedis, node: list[str]) -> None:
    """A refused bind is named as not ready, and nothing is sent by it."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer:
            await peer.order("refuse", status=0x0E)
            async with gateway(redis, replace(BIND, port=peer.port)) as ours:
                await peer.saw("close")
                await until(lambda: ours.binds.ready() == {"smpp a-1": "not connected"})
                with pytest.raises(NotBound):
                    ours.binds.submit("a", SMS)

    play(server, scenario)


def test_the_end_is_orderly(server: RunningRedis, node: list[str]) -> None:
    """Stopping answers what is under way, unbinds, and leaves nothing behind."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            await peer.order("deliver", pdu=unit(0x01, "*4*1420#", "2a00"))
            await peer.saw("submit")
            assert await ours.binds.stop(5.0) == 0
            await peer.saw("unbind")
            await peer.saw("close")
            assert len(ours.binds.tasks) == 0
            assert ours.binds.ready() == {"smpp a-1": "not connected"}

    play(server, scenario)


def test_the_end_comes_though_a_peer_is_silent(server: RunningRedis, node: list[str]) -> None:
    """An SMSC that answers nothing more cannot hold up the end; what is lost is counted."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:
            await ours.bound("a-1")
            await peer.order("mute", count=1)
            outcome = ours.binds.submit("a", SMS)
            await peer.saw("submit")
            assert await ours.binds.stop(0.2) == 1
            assert not isinstance(await outcome, Answered)

    play(server, scenario)


def test_the_defaults_are_the_specification_s() -> None:
    """A bind without settings of its own speaks as the specification has it."""
    assert dialect_of(DialectSettings()) == SPECIFICATION
    assert (session_of(BIND).window, session_of(BIND).rate) == (50, None)
    assert session_of(replace(BIND, rate=40.0)).rate == 40.0
