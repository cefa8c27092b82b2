"""What can be made to go wrong on the operator's side, and what a gateway sees of it."""

# mypy: disable-error-code="no-untyped-call"
# Twisted's testing transports have no types.

import asyncio
from datetime import UTC, datetime

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from carrier.errors import NoReply, Refused, WrongOrder
from carrier.faults import Faults
from carrier.short_messages import receipt
from carrier.wire import Wires
from smpp.codec import decode, encode
from smpp.esme import Waiting
from smpp.events import Answered, BindRefused, Bound, Closed, Throttled, Unanswered
from smpp.pdu import Address, Bind, BindResp, BindType, ShortMessage, Status, Tag
from smpp.settings import SessionSettings
from smpp.smsc import Smsc
from tests.carrier_box import BIND, NUMBER, carrier, gateway, reply_to
from tests.smpp_service import esme

ASKED = "کد ملی ۰۰۱۲۳۴۵۶۷۹"
ANSWER = "اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: 48305172606"
LONG = "\n".join([ANSWER] * 4)
MSISDN = "989121234567"


def told(_: ShortMessage) -> str:
    """A gateway that always says the same."""
    return ANSWER


class CountingTransport(StringTransport):
    """Keeps every write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        if data:
            self.writes.append(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """A socket's own."""


def test_refused_binds_and_their_end() -> None:
    """While binds are refused nobody gets in; afterwards the gateway comes back by itself."""

    async def scenario() -> None:
        async with carrier() as running:
            running.faults.refuse_binds = Status.BIND_FAILED
            async with esme(running.port, bind=BIND) as (_, heard):
                assert (await heard.notice(BindRefused)).status == Status.BIND_FAILED
                running.faults.refuse_binds = 0
                await heard.notice(Bound)

    asyncio.run(scenario())


def test_throttling() -> None:
    """The next messages are refused as too many, then all goes on."""

    async def scenario() -> None:
        pace = SessionSettings(throttle_pause=0.01)
        async with carrier() as running, esme(running.port, pace, BIND) as (service, heard):
            await heard.notice(Bound)
            running.faults.throttle = 1
            message = ShortMessage(Address("10001420"), Address(MSISDN, 1), b"x")
            first = await service.submit(message)
            assert isinstance(first, Answered)
            assert first.status == Status.THROTTLED
            assert (await heard.notice(Throttled)).status == Status.THROTTLED
            second = await service.submit(message)
            assert isinstance(second, Answered)
            assert second.accepted

    asyncio.run(scenario())


def test_late_answers() -> None:
    """An answer is withheld for as long as was said, and what it answers has long been read."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (service, seen):
            running.faults.delay = 3600.0
            phone = running.handset(NUMBER)
            await phone.send(ASKED)
            await seen.number(1)
            late = service.submit(reply_to(seen[0], ANSWER)[0])
            assert (await phone.message()).text == ANSWER
            # An answer written at once would have come before this one's acknowledgement.
            await phone.send("2")
            assert not late.done()
            running.network.drop()
            assert isinstance(await late, Unanswered)

    asyncio.run(scenario())


def test_a_cut_link() -> None:
    """A link that is cut is bound again, and the text that was under way is delivered again."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (_, heard):
            await heard.notice(Bound)
            sent = asyncio.create_task(running.handset(NUMBER).send(ASKED))
            first = await heard.message()
            running.network.drop()
            await heard.notice(Waiting)
            again = await heard.message()
            assert again.message == first.message
            assert not sent.done()
            again.answer()
            await sent
            assert running.network.counts["redelivered"] == 1

    asyncio.run(scenario())


def test_a_link_cut_at_the_nth_pdu() -> None:
    """The PDU that was to be the last is not read: what it carried has happened to nobody."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (service, heard):
            await heard.notice(Bound)
            running.faults.drop_after = 3
            message = ShortMessage(Address("10001420"), Address(MSISDN, 1), b"x")
            sent = [service.submit(message) for _ in range(3)]
            outcomes = [type(await each) for each in sent]
            assert outcomes[2] is Unanswered
            assert (await heard.notice(Closed)).reason == "lost"
            assert running.network.counts["submitted"] == 2
            await heard.notice(Bound)

    asyncio.run(scenario())


def test_octet_by_octet() -> None:
    """A network that trickles is understood all the same."""

    async def scenario() -> None:
        async with carrier() as running:
            running.faults.one_byte = True
            async with gateway(running, text=told):
                assert await running.handset(NUMBER).text(ASKED) == ANSWER

    asyncio.run(scenario())


def test_one_octet_a_write() -> None:
    """While it trickles, each octet is a write of its own, in order; a close writes the rest."""
    clock, faults, transport = Clock(), Faults(one_byte=True), CountingTransport()
    smsc = Smsc(
        "carrier",
        SessionSettings(),
        clock=clock,
        jitter=float,
        authorise=lambda _: 0,
        received=lambda inbound: None,
        noticed=lambda link, event: None,
    )
    wire = Wires(smsc, faults, clock).buildProtocol(None)
    wire.makeConnection(transport)
    wire.dataReceived(encode(BIND))
    faults.one_byte = False
    for _ in range(20):
        clock.advance(0)
    assert [len(each) for each in transport.writes] == [1] * len(transport.writes)
    assert len(transport.writes) > 16
    wire.write(b"end")
    wire.loseConnection()
    assert decode(b"".join(transport.writes)[:-3]) == BindResp(
        0, BindType.TRANSCEIVER, 0, "carrier", ((Tag.SC_INTERFACE_VERSION, b"\x34"),)
    )


def test_garbage() -> None:
    """What is no SMPP ends the link; the gateway binds again."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (_, heard):
            await heard.notice(Bound)
            running.network.garbage(b"\xff" * 64)
            assert (await heard.notice(Closed)).reason == "corrupt"
            await heard.notice(Bound)

    asyncio.run(scenario())


def test_duplicates() -> None:
    """A message comes twice, alike to the last octet."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (_, seen):
            running.faults.duplicate = 1
            phone = running.handset(NUMBER)
            await phone.send(ASKED)
            await phone.send("2")
            await seen.number(3)
            assert seen[0] == seen[1] != seen[2]

    asyncio.run(scenario())


def test_a_hasty_network() -> None:
    """All parts of a text come before the first was answered; a patient one waits for each."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (_, heard):
            await heard.notice(Bound)
            phone = running.handset(NUMBER)
            running.faults.hasty = True
            sent = asyncio.create_task(phone.send(LONG))
            parts = [await heard.message() for _ in range(4)]
            for part in parts:
                part.answer()
            await sent
            running.faults.hasty = False
            sent = asyncio.create_task(phone.send(LONG))
            for _ in parts:
                part = await heard.message()
                assert heard.messages.empty()
                part.answer()
            await sent

    asyncio.run(scenario())


def test_an_early_receipt_in_another_base() -> None:
    """A receipt can come before its answer, without parameters, and tell the id in hexadecimal."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (service, seen):
            running.faults.hex_receipts = running.faults.plain_receipts = True
            running.faults.early_receipts = True
            running.faults.delay = 0.02
            message = ShortMessage(
                Address("10001420"), Address(MSISDN, 1), b"x", registered_delivery=1
            )
            first = [service.submit(message) for _ in range(10)]
            await seen.number(10)
            assert not any(each.done() for each in first)
            outcome = await first[9]
            assert isinstance(outcome, Answered)
            assert outcome.message_id == "10"
            assert seen[9].is_receipt
            assert seen[9].short_message.startswith(b"id:a ")
            assert seen[9].tlvs == ()

    asyncio.run(scenario())


def test_no_receipt_that_nobody_asked_for() -> None:
    """A receipt comes only where success was to be told."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    for wanted, comes in ((0, False), (1, True), (2, False), (0x11, True)):
        message = ShortMessage(Address("1"), Address("2"), registered_delivery=wanted)
        made = receipt(message, 7, now, hexadecimal=False, plain=False)
        assert (made is not None) is comes
        if made is not None:
            assert made.tlv(Tag.RECEIPTED_MESSAGE_ID) == b"7\0"
            assert b"submit date:2611210000 " in made.short_message


@pytest.mark.parametrize("status", [Status.RX_TEMPORARY, Status.QUEUE_FULL, Status.THROTTLED])
def test_refused_for_now(status: int) -> None:
    """A text that the gateway can't take now is delivered again until it can."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (_, heard):
            await heard.notice(Bound)
            sent = asyncio.create_task(running.handset(NUMBER).send(ASKED))
            (await heard.message()).answer(status)
            (await heard.message()).answer()
            await sent

    asyncio.run(scenario())


def test_refused_for_good_and_not_answered() -> None:
    """A text refused for good is told so to its sender; one without a reply, after the wait."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (_, heard):
            await heard.notice(Bound)
            phone = running.handset(NUMBER)
            sent = asyncio.create_task(phone.send(ASKED))
            (await heard.message()).answer(Status.RX_PERMANENT)
            with pytest.raises(Refused) as refused:
                await sent
            assert refused.value.status == Status.RX_PERMANENT
            assert "912" not in repr(phone) + str(refused.value)
            asked = asyncio.create_task(phone.text(ASKED, within=0.02))
            (await heard.message()).answer()
            with pytest.raises(NoReply):
                await asked

    asyncio.run(scenario())


def test_texts_wait_for_a_bind_that_takes_them() -> None:
    """A transmitter gets no texts; they wait for a receiver, and go to several in turn."""

    async def scenario() -> None:
        async with carrier() as running:
            transmitter = Bind(0, BindType.TRANSMITTER, "dargah", "secret")
            second = Bind(0, BindType.RECEIVER, "second", "secret")
            async with gateway(running, bind=transmitter) as (_, none):
                sent = asyncio.create_task(running.handset(NUMBER).send(ASKED))
                async with gateway(running) as (_, one), gateway(running, bind=second) as (_, two):
                    await sent
                    for _ in range(9):
                        await running.handset(NUMBER).send(ASKED)
                    await one.number(5)
                    await two.number(4)
                    assert (len(none), len(one) + len(two)) == (0, 10)
                    assert abs(len(one) - len(two)) <= 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nothing", 1),
        ("throttle", -1),
        ("throttle", 1.5),
        ("throttle", True),
        ("throttle", "3"),
        ("throttle", 2**40),
        ("one_byte", 1),
        ("delay", float("nan")),
        ("delay", float("inf")),
        ("delay", None),
    ],
)
def test_a_fault_that_makes_no_sense(name: str, value: object) -> None:
    """What is no fault, or no value of it, is refused, and nothing is switched."""
    faults = Faults()
    with pytest.raises(WrongOrder):
        faults.switch(name, value)
    assert faults == Faults()


def test_faults_are_switched_by_name() -> None:
    """A count, a time and a switch each take their kind; a whole number is a time too."""
    faults = Faults()
    for name, value in (("throttle", 3), ("delay", 2), ("delay", 0.5), ("one_byte", True)):
        faults.switch(name, value)
        assert getattr(faults, name) == value
