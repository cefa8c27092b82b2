"""USSD by a gateway's binds, against an SMSC that we did not write, over a real Redis."""

import json
from dataclasses import replace

import pytest

from config.smpp_settings import DialectSettings
from state.link import Redis
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.smpp_gateway import BIND, MSISDN, gateway, play, shown, unit, until
from tests.smpp_peers import node_smsc, running, twisted_smsc
from tests.ussd_line import ANSWER, FA, MENU
from ussd.turning import Turned

UCS2 = "DataCodingDefault.UCS2"
"""data_coding 8 as smpp.twisted3 calls it."""


@pytest.fixture(name="node")
def _node(pytestconfig: pytest.Config) -> list[str]:
    return node_smsc(pytestconfig)


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


def test_a_persian_dialogue_through_smpp_twisted3(
    server: RunningRedis, pytestconfig: pytest.Config
) -> None:
    """With a second library's SMSC the same dialogue is played, across a cut of its link."""
    argv = twisted_smsc(pytestconfig)

    async def scenario(redis: Redis) -> None:
        async with running(argv) as peer, gateway(redis, replace(BIND, port=peer.port)) as ours:

            async def reads(op: int, text: str, info: str) -> tuple[str, int, str]:
                octets = text.encode("utf-16-be").hex()
                unit_of = {"source": MSISDN, "destination": "1420", "hex": octets}
                await peer.order("deliver", **unit_of, op=op, its=info)
                seen = await peer.saw("submit")
                assert (seen["source"], seen["destination"]) == ("1420", MSISDN)
                assert (seen["service_type"], seen["coding"]) == ("USSD", UCS2)
                shown = bytes.fromhex(seen["hex"]).decode("utf-16-be")
                return shown, seen["op"], seen["its"]

            await ours.bound("a-1")
            assert await reads(0x01, "*4*1420#", "2a00") == (MENU, 0x02, "2a02")
            assert await reads(0x12, "۱", "2a04") == (FA["ask_id"], 0x02, "2a06")
            await peer.order("drop")
            await peer.saw("bind")
            await ours.bound("a-1")
            assert await reads(0x12, "۰۰۱۲۳۴۵۶۷۹", "2a08") == (ANSWER, 0x11, "2a0b")
            assert [asked[0] for asked in ours.line.inquirer.asked] == ["۰۰۱۲۳۴۵۶۷۹"]

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


@pytest.mark.parametrize("by_sms", [True, False])
def test_a_refused_answer(server: RunningRedis, node: list[str], by_sms: bool) -> None:
    """A refused answer is handed on where the bind's settings want it told by SMS."""
    bind = replace(BIND, answers_by_sms=by_sms)

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(bind, port=peer.port)) as ours:
            await ours.bound("a-1")
            await peer.order("throttle", count=1)
            await shown(peer, unit(0x01, f"*4*1420*1*{COVERED}#", "2a00"))
            await until(lambda: Turned.REFUSED in ours.line.turned)
            handed = [(operator, told.answer.tracking_code) for operator, _, told in ours.untold]
            assert handed == [("a", "48305172606")] * by_sms

    play(server, scenario)


def test_a_screen_that_is_not_answered(server: RunningRedis, node: list[str]) -> None:
    """An answer of which nobody knows whether it was shown, the link being cut, is handed on."""
    bind = replace(BIND, answers_by_sms=True)

    async def scenario(redis: Redis) -> None:
        async with running(node) as peer, gateway(redis, replace(bind, port=peer.port)) as ours:
            await ours.bound("a-1")
            await peer.order("mute", count=1)
            await shown(peer, unit(0x01, f"*4*1420*1*{COVERED}#", "2a00"))
            await peer.order("drop")
            await until(lambda: len(ours.untold) == 1)

    play(server, scenario)


def test_an_answer_that_ends_with_its_link(server: RunningRedis, node: list[str]) -> None:
    """A gateway that stops before its screen was answered still hands the answer on."""
    bind = replace(BIND, answers_by_sms=True)

    async def scenario(redis: Redis) -> None:
        put: list[bytes] = []

        async def put_later() -> None:
            put.append(await redis.send("PING"))

        async with running(node) as peer, gateway(redis, replace(bind, port=peer.port)) as ours:
            await ours.bound("a-1")
            ours.binds.untold = lambda *_: ours.binds.tasks.start(put_later())
            await peer.order("mute", count=1)
            await shown(peer, unit(0x01, f"*4*1420*1*{COVERED}#", "2a00"))
            await ours.binds.stop(0.1)
            assert put == [b"PONG"]

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


def test_a_bind_for_ussd_alone_needs_no_marks(server: RunningRedis, node: list[str]) -> None:
    """Where a gateway leaves service_type empty and nothing else comes, a unit is still USSD."""

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
