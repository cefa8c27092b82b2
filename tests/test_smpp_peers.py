"""Our SMPP against peers that we did not write: node-smpp, smpp.twisted3 and smpplib."""

import asyncio
from dataclasses import replace

import pytest
from smpplib import consts
from smpplib.client import Client

from smpp.data_coding import decode_text
from smpp.dialect import Kind
from smpp.esme import Waiting
from smpp.events import Anomaly, Answered, BindRefused, Bound, Closed, Throttled, Unanswered
from smpp.pdu import Address, BindType, ShortMessage, Status
from smpp.settings import SessionSettings
from smpp.ussd_tlv import is_ussd, read_unit, write_reply
from telecom.segments import split, take_header
from tests.smpp_pdus import BIND
from tests.smpp_peers import PATIENCE, node_smsc, running, twisted_smsc
from tests.smpp_service import esme, smsc

ASKED = "کد ملی ۰۰۱۲۳۴۵۶۷۹"
ANSWER = "اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: 48305172606"
MSISDN = "989121234567"


def reply_to(message: ShortMessage, text: str) -> list[ShortMessage]:
    """An SMS back to whoever wrote."""
    return [
        ShortMessage(
            message.destination,
            message.source,
            segment.short_message,
            segment.data_coding,
            esm_class=segment.esm_class,
        )
        for segment in split(text, reference=7)
    ]


def mo(text: str, **more: object) -> dict[str, object]:
    """A person's message, as node-smpp is told of it."""
    addresses = {
        "source_addr": MSISDN,
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "destination_addr": "10001420",
        "dest_addr_ton": 3,
    }
    return {**addresses, "sm": text, **more}


@pytest.fixture
def node(pytestconfig: pytest.Config) -> list[str]:
    """How to start node-smpp's SMSC."""
    return node_smsc(pytestconfig)


def test_a_persian_sms_through_node_smpp(node: list[str]) -> None:
    """A Persian text comes in whole, and the Persian answer goes out whole, in one message."""

    async def scenario() -> None:
        async with running(node) as peer, esme(peer.port) as (gateway, heard):
            assert (await heard.notice(Bound)).peer == "node"
            await peer.order("deliver", pdu=mo(ASKED))
            inbound = await heard.message()
            message = inbound.message
            assert decode_text(message.short_message, message.data_coding) == ASKED
            assert inbound.answer()
            assert (await peer.saw("deliver_resp"))["status"] == 0
            (answer,) = reply_to(message, ANSWER)
            outcome = await gateway.submit(answer)
            assert isinstance(outcome, Answered)
            assert (outcome.accepted, outcome.message_id) == (True, "node-1")
            seen = await peer.saw("submit")
            assert (seen["source"], seen["destination"]) == ("10001420", MSISDN)
            assert (seen["ton"], seen["npi"], seen["data_coding"]) == ([3, 1], [0, 1], 8)
            assert seen["sm"] == ANSWER

    asyncio.run(scenario())


def test_a_long_text_through_node_smpp(node: list[str]) -> None:
    """A text of several messages arrives as parts that another library joins by their header."""
    long = "\n".join([ANSWER] * 3)

    async def scenario() -> None:
        async with running(node) as peer, esme(peer.port) as (gateway, heard):
            await heard.notice(Bound)
            message = ShortMessage(Address(MSISDN, 1, 1), Address("10001420"))
            parts = reply_to(message, long)
            await asyncio.gather(*map(gateway.submit, parts))
            seen = [await peer.saw("submit") for _ in parts]
            assert [each["esm_class"] for each in seen] == [0x40] * 3
            assert [each["udh"] for each in seen] == [
                "0003070301",
                "0003070302",
                "0003070303",
            ]
            assert "".join(each["sm"] for each in seen) == long
            assert [take_header(each.short_message, 0x40)[0] for each in parts] != [None] * 3

    asyncio.run(scenario())


def test_a_ussd_dialogue_through_node_smpp(node: list[str]) -> None:
    """A dialled code, a question, a reply and a last screen, in one session of the network's."""

    async def scenario() -> None:
        async with running(node) as peer, esme(peer.port) as (gateway, heard):
            await heard.notice(Bound)
            ussd = {"service_type": "USSD"}
            await peer.order(
                "deliver",
                pdu=mo("*4*1420#", ussd_service_op=0x01, its_session_info="2a00", **ussd),
            )
            inbound = await heard.message()
            inbound.answer()
            assert is_ussd(inbound.message)
            unit = read_unit(inbound.message)
            assert (unit.kind, unit.session, unit.text) == (Kind.BEGIN, "2a", "*4*1420#")
            assert unit.msisdn == MSISDN
            await gateway.submit(write_reply(unit, "کد ملی ۱۰ رقمی را وارد کنید", more=True))
            seen = await peer.saw("submit")
            assert (seen["op"], seen["its"], seen["service_type"]) == (0x02, "2a02", "USSD")
            assert seen["sm"] == "کد ملی ۱۰ رقمی را وارد کنید"
            await peer.order(
                "deliver",
                pdu=mo("0012345679", ussd_service_op=0x12, its_session_info="2a04", **ussd),
            )
            inbound = await heard.message()
            inbound.answer()
            unit = read_unit(inbound.message)
            assert (unit.kind, unit.session, unit.text) == (Kind.CONTINUE, "2a", "0012345679")
            await gateway.submit(write_reply(unit, ANSWER, more=False))
            seen = await peer.saw("submit")
            assert (seen["op"], seen["its"], seen["sm"]) == (0x11, "2a07", ANSWER)

    asyncio.run(scenario())


def test_a_cut_link_is_bound_again(node: list[str]) -> None:
    """After a cut the message on its way is unknown, the bind comes back, and work goes on."""

    async def scenario() -> None:
        async with running(node) as peer, esme(peer.port) as (gateway, heard):
            await heard.notice(Bound)
            message = ShortMessage(Address("10001420"), Address(MSISDN, 1, 1), b"x")
            await peer.order("mute", count=1)
            lost = gateway.submit(message)
            await peer.saw("submit")
            await peer.order("drop")
            outcome = await lost
            assert isinstance(outcome, Unanswered)
            assert (outcome.reason, outcome.sent) == ("lost", True)
            assert (await heard.notice(Waiting)).delay == 0.01
            await heard.notice(Bound)
            again = await gateway.submit(message)
            assert isinstance(again, Answered)
            assert again.accepted

    asyncio.run(scenario())


def test_throttling_is_obeyed(node: list[str]) -> None:
    """A throttling answer is told to the sender, and slows what follows instead of losing it."""

    async def scenario() -> None:
        settings = SessionSettings(window=1, throttle_pause=0.05)
        async with running(node) as peer, esme(peer.port, settings) as (gateway, heard):
            await heard.notice(Bound)
            await peer.order("throttle", count=1)
            message = ShortMessage(Address("10001420"), Address(MSISDN, 1, 1), b"x")
            first, second = (gateway.submit(message) for _ in range(2))
            throttled = await first
            assert isinstance(throttled, Answered)
            assert throttled.throttled
            assert (await heard.notice(Throttled)).status == Status.THROTTLED
            accepted = await second
            assert isinstance(accepted, Answered)
            assert accepted.accepted

    asyncio.run(scenario())


def test_a_refused_secret_is_not_tried_again_soon(node: list[str]) -> None:
    """A wrong password raises an alarm and keeps us away for five minutes."""

    async def scenario() -> None:
        async with running(node) as peer:
            await peer.order("refuse", status=0x0E)
            async with esme(peer.port) as (gateway, heard):
                assert (await heard.notice(BindRefused)).status == Status.INVALID_PASSWORD
                waiting = await heard.notice(Waiting)
                assert waiting.delay >= 300
                assert waiting.alarm
                assert not gateway.bound

    asyncio.run(scenario())


def test_octet_by_octet_and_then_garbage(node: list[str]) -> None:
    """Single octets are understood; after nonsense we leave, and come back."""

    async def scenario() -> None:
        async with running(node) as peer:
            await peer.order("trickle", on=True)
            async with esme(peer.port) as (_, heard):
                await heard.notice(Bound)
                await peer.order("deliver", pdu=mo(ASKED))
                inbound = await heard.message()
                assert decode_text(inbound.message.short_message, 8) == ASKED
                inbound.answer()
                await peer.saw("deliver_resp")
                await peer.order("garbage", hex="0000000800000005")
                assert (await heard.notice(Anomaly)).what == "bad_length"
                assert (await heard.notice(Closed)).reason == "corrupt"
                await heard.notice(Bound)

    asyncio.run(scenario())


def test_a_peer_that_unbinds_is_answered_and_bound_again(node: list[str]) -> None:
    """When the SMSC takes its leave, we answer, and come back."""

    async def scenario() -> None:
        async with running(node) as peer, esme(peer.port) as (_, heard):
            await heard.notice(Bound)
            await peer.order("unbind")
            assert (await heard.notice(Closed)).reason == "peer_unbound"
            await peer.saw("unbound")
            await heard.notice(Bound)

    asyncio.run(scenario())


def test_we_leave_by_unbinding(node: list[str]) -> None:
    """Stopping waits for the answer on its way, then unbinds, then closes."""

    async def scenario() -> None:
        async with running(node) as peer:
            async with esme(peer.port) as (gateway, heard):
                await heard.notice(Bound)
                message = ShortMessage(Address("10001420"), Address(MSISDN, 1, 1), b"x")
                outcome = gateway.submit(message)
            assert isinstance(outcome.result(), Answered)
            assert (await heard.notice(Closed)).reason == "unbound"
            await peer.saw("submit")
            await peer.saw("unbind")
            await peer.saw("close")

    asyncio.run(scenario())


def test_a_persian_sms_through_smpp_twisted3(pytestconfig: pytest.Config) -> None:
    """A second library, Jasmin's, reads and writes the same, and sees us return."""
    argv = twisted_smsc(pytestconfig)

    async def scenario() -> None:
        async with running(argv) as peer, esme(peer.port) as (gateway, heard):
            for lap in range(2):
                await heard.notice(Bound)
                text = ASKED.encode("utf-16-be").hex()
                await peer.order("deliver", source=MSISDN, destination="10001420", hex=text)
                inbound = await heard.message()
                assert decode_text(inbound.message.short_message, 8) == ASKED
                inbound.answer()
                assert "ESME_ROK" in (await peer.saw("deliver_resp"))["status"]
                (answer,) = reply_to(inbound.message, ANSWER)
                outcome = await gateway.submit(answer)
                assert isinstance(outcome, Answered)
                assert outcome.message_id == "twisted-1"
                seen = await peer.saw("submit")
                assert bytes.fromhex(seen["hex"]).decode("utf-16-be") == ANSWER
                assert (seen["source"], seen["destination"]) == ("10001420", MSISDN)
                if lap == 0:
                    await peer.order("drop")
                    assert (await heard.notice(Closed)).reason == "lost"

    asyncio.run(scenario())


def test_smpplib_s_client_on_our_smsc() -> None:
    """smpplib's client binds, sends, receives and leaves; a wrong name is refused."""

    async def scenario() -> None:
        def authorise(bind: object) -> int:
            return 0 if getattr(bind, "system_id", "") == "dargah" else Status.INVALID_SYSTEM_ID

        async with smsc(authorise) as (service, port, heard):
            seen: list[bytes] = []
            ids: list[bytes] = []

            def connect(name: str) -> Client:
                client = Client("127.0.0.1", port, timeout=PATIENCE, allow_unknown_opt_params=True)
                client.connect()
                client.bind_transceiver(system_id=name, password="secret")
                return client

            def refused() -> str:
                client = Client("127.0.0.1", port, timeout=PATIENCE, allow_unknown_opt_params=True)
                client.connect()
                try:
                    client.bind_transceiver(system_id="other", password="secret")
                except Exception as error:
                    return str(error)
                finally:
                    client.state = consts.SMPP_CLIENT_STATE_OPEN
                    client.disconnect()
                return ""

            assert "Invalid System ID" in await asyncio.to_thread(refused)
            client = await asyncio.to_thread(connect, "dargah")
            client.set_message_received_handler(lambda pdu: seen.append(pdu.short_message))
            client.set_message_sent_handler(lambda pdu: ids.append(pdu.message_id))
            await asyncio.to_thread(
                client.send_message,
                source_addr="10001420",
                destination_addr=MSISDN,
                data_coding=8,
                short_message=ANSWER.encode("utf-16-be"),
            )
            inbound = await heard.message()
            assert inbound.message.short_message.decode("utf-16-be") == ANSWER
            inbound.answer(message_id="ours-1")
            await asyncio.to_thread(client.read_once)
            assert ids == [b"ours-1"]
            (link,) = [link for link in service.links if link.session.bind_type]
            message = ShortMessage(
                Address(MSISDN, 1, 1), Address("10001420"), ASKED.encode("utf-16-be"), 8
            )
            outcome = link.send(message)
            await asyncio.to_thread(client.read_once)
            assert seen == [ASKED.encode("utf-16-be")]
            answered = await outcome
            assert isinstance(answered, Answered)
            assert answered.accepted
            await asyncio.to_thread(client.unbind)
            await asyncio.to_thread(client.disconnect)

    asyncio.run(scenario())


def test_our_two_ends() -> None:
    """A thousand messages each way, more than the window holds, all answered once."""

    async def scenario() -> None:
        settings = SessionSettings(window=50, queue=2000, unanswered=100)
        async with smsc(settings=settings) as (service, port, there):
            async with esme(port, settings, replace(BIND, bind_type=BindType.TRANSCEIVER)) as (
                gateway,
                here,
            ):
                await here.notice(Bound)
                message = ShortMessage(Address("10001420"), Address(MSISDN, 1, 1), b"x")

                async def answer(heard: object, count: int) -> None:
                    for _ in range(count):
                        inbound = await (here if heard is here else there).message()
                        inbound.answer()

                ups = [gateway.submit(message) for _ in range(1000)]
                downs = [service.links[0].send(message) for _ in range(1000)]
                await asyncio.gather(answer(here, 1000), answer(there, 1000))
                outcomes = await asyncio.gather(*ups, *downs)
                assert sum(isinstance(one, Answered) and one.accepted for one in outcomes) == 2000
            assert (await there.notice(Closed)).reason == "peer_unbound"

    asyncio.run(scenario())
