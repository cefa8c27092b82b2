"""The binds of a gateway against an SMSC that we did not write."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from config.smpp_settings import DialectSettings
from dargah.smpp_of_settings import dialect_of, session_of
from smpp.dialect import SPECIFICATION
from smpp.errors import Busy, NotBound
from smpp.events import Answered
from smpp.pdu import ShortMessage, Status
from state.link import Redis
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.smpp_gateway import BIND, MSISDN, SMS, gateway, play, unit, until
from tests.smpp_peers import PATIENCE, node_smsc, running
from tests.smpp_service import smsc


@pytest.fixture(name="node")
def _node(pytestconfig: pytest.Config) -> list[str]:
    return node_smsc(pytestconfig)


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


def test_a_text_to_a_bind_for_ussd(server: RunningRedis, node: list[str]) -> None:
    """A text message that comes where only USSD is carried stays with the SMSC."""

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer:
            ussd_alone = replace(BIND, port=peer.port, carries=("ussd",))
            async with gateway(redis, ussd_alone) as ours:
                await ours.bound("a-1")
                text = {"source_addr": MSISDN, "destination_addr": "10001420", "sm": COVERED}
                await peer.order("deliver", pdu=text)
                assert (await peer.saw("deliver_resp"))["status"] == Status.RX_TEMPORARY
                assert ours.line.inquirer.asked == []

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


def test_a_stopping_gateway_takes_no_new_texts(server: RunningRedis) -> None:
    """While what is under way is finished, a text that comes stays with its SMSC."""

    async def scenario(redis: Redis) -> None:
        async with smsc() as (service, port, _), gateway(redis, replace(BIND, port=port)) as ours:
            taken, go = [], asyncio.Event()

            async def slow(_: str, message: ShortMessage) -> int:
                taken.append(message.short_message)
                await go.wait()
                return 0

            ours.binds.received = slow
            await ours.bound("a-1")
            (link,) = service.links
            first = link.send(replace(SMS, short_message=b"first"))
            await until(lambda: taken == [b"first"])
            stopping = asyncio.create_task(ours.binds.stop(PATIENCE))
            await until(lambda: ours.binds.stopping)
            try:
                second = await link.send(replace(SMS, short_message=b"second"))
            finally:
                go.set()
            assert isinstance(second, Answered)
            assert second.status == Status.RX_TEMPORARY
            outcome = await first
            assert isinstance(outcome, Answered)
            assert outcome.accepted
            assert await stopping == 0
            assert taken == [b"first"]

    play(server, scenario)


def test_the_defaults_are_the_specification_s() -> None:
    """A bind without settings of its own speaks as the specification has it."""
    assert dialect_of(DialectSettings()) == SPECIFICATION
    assert (session_of(BIND).window, session_of(BIND).rate) == (50, None)
    assert session_of(replace(BIND, rate=40.0)).rate == 40.0
