"""USSD in the carrier: dialogues by dialect, as a phone sees them."""

import asyncio

import pytest

from carrier.dialogue import Screen
from carrier.errors import CarrierError, NoDialogue, NoLink, NoReply, Refused
from smpp.dialect import CodeField, Dialect, Kind, SessionSource
from smpp.events import Answered
from smpp.pdu import Status, Tag
from smpp.ussd_tlv import UssdEvent, read_unit, write_reply
from tests.carrier_box import BIND, NUMBER, carrier, gateway
from tests.smpp_service import esme

ASK = "لطفاً کد ملی ۱۰ رقمی را وارد کنید."
END = "اعتبار درمان برقرار است."

DIALECTS = [
    Dialect(),
    Dialect(session_source=SessionSource.ITS_15BIT),
    Dialect(session_source=SessionSource.ITS_OPAQUE, end_op=0x02),
    Dialect(session_source=SessionSource.UMR, end_op=0x17, data_coding_ucs2=72),
    Dialect(session_source=SessionSource.VENDOR, vendor_tag=0x1405, service_type=""),
    Dialect(session_source=SessionSource.NONE, abort_ops=frozenset()),
    Dialect(code_field=CodeField.DESTINATION, packed_7bit=True),
]


def two_screens(event: UssdEvent) -> tuple[str, bool]:
    """Asks once, then tells what was typed."""
    return (ASK, True) if event.kind is Kind.BEGIN else (f"{END} {event.text}", False)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.session_source + d.code_field)
def test_a_dialogue(dialect: Dialect) -> None:
    """Whatever dialect a network speaks, a phone dials, is asked, answers, and reads the end."""

    async def scenario() -> None:
        async with (
            carrier(dialect=dialect) as running,
            gateway(running, ussd=two_screens, dialect=dialect) as (_, seen),
        ):
            phone = running.handset(NUMBER)
            assert await phone.dial("*4*1420*1#") == Screen(ASK, more=True)
            assert await phone.reply("0012345679") == Screen(f"{END} 0012345679", more=False)
            first, second = (read_unit(message, dialect) for message in seen)
            assert (first.kind, first.text) == (Kind.BEGIN, "*4*1420*1#")
            assert (second.kind, second.session) == (Kind.CONTINUE, first.session)
            assert first.msisdn == "989121234567"
            with pytest.raises(NoDialogue):
                await phone.reply("1")

    asyncio.run(scenario())


def test_a_refused_screen() -> None:
    """A screen that the network is told to refuse is refused once, and its dialogue is over."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running, ussd=two_screens):
            running.faults.refuse_screens = 1
            phone = running.handset(NUMBER)
            with pytest.raises(NoReply, match="refused the gateway's screen"):
                await phone.dial("*4*1420*1#")
            with pytest.raises(NoDialogue):
                await phone.reply("1")
            assert await phone.dial("*4*1420*1#") == Screen(ASK, more=True)

    asyncio.run(scenario())


def test_a_lost_dialogue() -> None:
    """A phone that loses coverage reads its screen and cannot answer; the gateway is told once."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running, ussd=two_screens) as (_, seen):
            running.faults.lose_dialogues = 1
            phone = running.handset(NUMBER)
            assert await phone.dial("*4*1420*1#") == Screen(ASK, more=True)
            await seen.number(2)
            begun, ended = (read_unit(message) for message in seen)
            assert (ended.kind, ended.session) == (Kind.ABORT, begun.session)
            with pytest.raises(NoDialogue):
                await phone.reply("1")
            assert await phone.dial("*4*1420*1#") == Screen(ASK, more=True)
            assert await phone.reply("2") == Screen(f"{END} 2", more=False)

    asyncio.run(scenario())


def test_units_count_on() -> None:
    """Each unit takes the next number, the gateway's and the network's in turn."""

    async def scenario() -> None:
        def asks(event: UssdEvent) -> tuple[str, bool]:
            return ASK, True

        async with carrier() as running, gateway(running, ussd=asks) as (_, seen):
            phone = running.handset(NUMBER)
            await phone.dial("*4*1420#")
            for _ in range(65):
                await phone.reply("1")
            units = [read_unit(message).unit for message in seen]
            assert units == [2 * n % 128 for n in range(66)]

    asyncio.run(scenario())


def test_the_red_key() -> None:
    """When a person gives up, the gateway is told, and what it still sends is refused."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running, ussd=two_screens) as (service, seen):
            phone = running.handset(NUMBER)
            await phone.dial("*4*1420#")
            phone.abort()
            late = write_reply(read_unit(seen[0]), END, more=False)
            outcome = await service.submit(late)
            assert isinstance(outcome, Answered)
            assert outcome.status == Status.SUBMIT_FAILED
            assert seen[-1].tlv(Tag.USSD_SERVICE_OP) == b"\x81"

    asyncio.run(scenario())


def test_a_gateway_that_is_late() -> None:
    """The network waits its time, tells the person, and ends the dialogue."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (_, seen):
            phone = running.handset(NUMBER)
            with pytest.raises(NoReply):
                await phone.dial("*4*1420#", within=0.05)
            await seen.number(2)
            assert [read_unit(message).kind for message in seen] == [Kind.BEGIN, Kind.ABORT]

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [Status.RX_PERMANENT, Status.RX_TEMPORARY])
def test_a_refused_unit(status: int) -> None:
    """A dialogue that the gateway refuses is over at once: USSD is not delivered again."""

    async def scenario() -> None:
        async with carrier() as running, esme(running.port, bind=BIND) as (_, heard):
            dialled = asyncio.create_task(running.handset(NUMBER).dial("*4*1420#"))
            # Dialled before the bind stands: there is nobody.
            with pytest.raises(NoLink):
                await dialled
            await running.network.bound()
            dialled = asyncio.create_task(running.handset(NUMBER).dial("*4*1420#"))
            (await heard.message()).answer(status)
            with pytest.raises(Refused):
                await dialled
            assert heard.messages.empty()

    asyncio.run(scenario())


def test_a_screen_that_no_phone_shows() -> None:
    """More than 160 octets are refused, and the person is not left waiting."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (service, seen):
            phone = running.handset(NUMBER)
            dialled = asyncio.create_task(phone.dial("*4*1420#"))
            await seen.number(1)
            long = write_reply(
                read_unit(seen[0]), "ی" * 81, more=False, dialect=Dialect(max_octets=162)
            )
            outcome = await service.submit(long)
            assert isinstance(outcome, Answered)
            assert outcome.status == Status.INVALID_MESSAGE_LENGTH
            with pytest.raises(NoReply):
                await dialled

    asyncio.run(scenario())


def test_a_second_dialogue_replaces_the_first() -> None:
    """A phone holds one dialogue: dialling again begins anew, in a session of its own."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running, ussd=two_screens) as (_, seen):
            phone = running.handset(NUMBER)
            await phone.dial("*4*1420#")
            assert (await phone.dial("*1666#")).more
            assert not (await phone.reply("1")).more
            first, second, third = (read_unit(message).session for message in seen)
            assert first != second == third

    asyncio.run(scenario())


def test_both_sites_carry_dialogues_in_turn() -> None:
    """With two binds, the units of one dialogue come by both."""

    async def scenario() -> None:
        async with (
            carrier() as running,
            gateway(running, ussd=two_screens) as (_, first),
            gateway(running, ussd=two_screens) as (_, second),
        ):
            phone = running.handset(NUMBER)
            assert (await phone.dial("*4*1420#")).more
            assert not (await phone.reply("1")).more
            assert (len(first), len(second)) == (1, 1)

    asyncio.run(scenario())


def test_two_hundred_dialogues_at_once() -> None:
    """Every phone gets its own answers."""

    async def scenario() -> None:
        async def whole(n: int) -> str:
            phone = running.handset(f"0912{n:07}")
            await phone.dial("*4*1420#")
            return (await phone.reply(str(n))).text

        async with carrier() as running, gateway(running, ussd=two_screens):
            told = await asyncio.gather(*map(whole, range(200)))
            assert told == [f"{END} {n}" for n in range(200)]

    asyncio.run(scenario())


def test_what_cannot_be_sent() -> None:
    """Too much for a USSD string is said to whoever typed it, and nothing goes out."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (_, seen):
            with pytest.raises(CarrierError, match="longer"):
                await running.handset(NUMBER).dial("*" + "1" * 200 + "#")
            assert not seen

    asyncio.run(scenario())
