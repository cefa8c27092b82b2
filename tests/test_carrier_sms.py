"""The carrier's SMSC: texts, receipts, refusals and bad input; smpplib's client as a stranger."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import consts
from smpplib.client import Client
from smpplib.exceptions import PDUError

from carrier.carrier import Carrier
from smpp.codec import encode
from smpp.data_coding import decode_text
from smpp.events import Answered
from smpp.pdu import Address, Bind, BindType, ShortMessage, Status
from telecom.segments import sar, take_header
from tests.carrier_box import NUMBER, carrier, gateway, reply_to
from tests.smpp_service import PATIENCE

ASKED = "کد ملی ۰۰۱۲۳۴۵۶۷۹"
ANSWER = "اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: 48305172606"
LONG = "\n".join([ANSWER] * 4)
MSISDN = "989121234567"


def told(_: ShortMessage) -> str:
    """A gateway that always says the same."""
    return ANSWER


class Stranger:
    """smpplib's client, as its documents use it."""

    def __init__(self, port: int, system_id: str = "dargah", password: str = "secret") -> None:
        self.received: list[Any] = []
        self.ids: list[bytes] = []
        self._client = Client("127.0.0.1", port, timeout=PATIENCE, allow_unknown_opt_params=True)
        self._client.set_message_received_handler(lambda pdu: self.received.append(pdu))
        self._client.set_message_sent_handler(lambda pdu: self.ids.append(pdu.message_id))
        self._client.connect()
        try:
            self._client.bind_transceiver(system_id=system_id, password=password)
        except PDUError:
            self._client.state = consts.SMPP_CLIENT_STATE_OPEN
            self._client.disconnect()
            raise

    def read(self) -> None:
        """One PDU."""
        self._client.read_once()

    def send(self, text: str) -> None:
        """A Persian text to the phone, with a receipt asked for."""
        self._client.send_message(
            source_addr="10001420",
            dest_addr_ton=1,
            destination_addr=MSISDN,
            data_coding=8,
            registered_delivery=1,
            short_message=text.encode("utf-16-be"),
        )

    def leave(self) -> None:
        """Unbind and disconnect."""
        self._client.unbind()
        self._client.disconnect()


def test_a_stranger_s_client() -> None:
    """smpplib's client binds, gets a person's text, answers it, and gets its receipt."""

    async def scenario() -> None:
        async with carrier() as running:
            stranger = await asyncio.to_thread(Stranger, running.port)
            assert running.network.binds == ["dargah"]
            asked = asyncio.create_task(running.handset(NUMBER).text(ASKED))
            await asyncio.to_thread(stranger.read)
            (inbound,) = stranger.received
            assert inbound.short_message.decode("utf-16-be") == ASKED
            assert (inbound.source_addr, inbound.destination_addr) == (b"989121234567", b"10001420")
            await asyncio.to_thread(stranger.send, ANSWER)
            assert await asked == ANSWER
            await asyncio.to_thread(stranger.read)
            await asyncio.to_thread(stranger.read)
            assert stranger.ids == [b"1"]
            told_of = stranger.received[1]
            assert told_of.esm_class == 0x04
            assert told_of.receipted_message_id == b"1"
            assert told_of.message_state == 2
            assert told_of.short_message.startswith(b"id:1 sub:001 dlvrd:001 submit date:")
            assert b" stat:DELIVRD " in told_of.short_message
            await asyncio.to_thread(stranger.leave)
            assert running.network.binds == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [("nobody", "secret", "Invalid System ID"), ("dargah", "wrong", "Invalid Password")],
)
def test_who_may_not_bind(name: str, password: str, why: str) -> None:
    """A name or a password that is wrong is refused, and it is said which."""

    async def scenario() -> None:
        async with carrier() as running:
            with pytest.raises(PDUError, match=why):
                await asyncio.to_thread(Stranger, running.port, name, password)
            assert running.network.counts["refused_binds"] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("by_sar", [False, True], ids=["header", "sar"])
def test_long_texts_both_ways(by_sar: bool) -> None:
    """A long text arrives in parts that join, whichever way they are marked; so does the reply."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running, text=told) as (_, seen):
            reply = await running.handset(NUMBER).text(LONG, by_sar=by_sar)
            assert reply == ANSWER
            parts = {}
            for message in seen:
                part, octets = take_header(message.short_message, message.esm_class)
                part = part or sar(message.tlvs)
                assert part is not None
                parts[part.number] = decode_text(octets, message.data_coding) or ""
            assert "".join(parts[number] for number in sorted(parts)) == LONG
            assert len(seen) > 1
            assert bool(seen[0].esm_class) is not by_sar

    asyncio.run(scenario())


def test_a_reply_in_parts_in_any_order() -> None:
    """A phone shows a long reply whole, whichever part came first and however often."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (service, seen):
            phone = running.handset(NUMBER)
            await phone.send(ASKED)
            await seen.number(1)
            first, *others = reply_to(seen[0], LONG)
            for part in (*reversed(others), others[0], first):
                await service.submit(part)
            assert (await phone.message()).text == LONG

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (ShortMessage(Address("1420"), Address("nobody"), b"x"), Status.INVALID_DESTINATION),
        (ShortMessage(Address("1420"), Address(MSISDN, 1), b"x" * 161), 0x01),
        (ShortMessage(Address("1420"), Address(MSISDN, 1), b"\0x" * 71, 8), 0x01),
        (ShortMessage(Address("1420"), Address(MSISDN, 1), b"x", service_type="USSD"), 0x45),
        (ShortMessage(Address("1420"), Address(MSISDN, 1), b"\0x" * 70, 8), 0),
        (ShortMessage(Address("1420"), Address("09121234567"), b"x" * 160), 0),
    ],
    ids=["address", "161 letters", "71 units", "no dialogue", "70 units", "160 letters"],
)
def test_what_an_smsc_refuses(message: ShortMessage, status: int) -> None:
    """No phone can have that number, no message is so long, no dialogue is open: refused."""

    async def scenario() -> None:
        async with carrier() as running, gateway(running) as (service, _):
            outcome = await service.submit(message)
            assert isinstance(outcome, Answered)
            assert outcome.status == status
            assert running.network.counts["unclaimed"] == (not status)

    asyncio.run(scenario())


# Bad input


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def closed_by(running: Carrier, octets: bytes) -> None:
    """Throw octets at the SMSC, say that no more come, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    with suppress(ConnectionError):
        writer.write(octets)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


BOUND_FIRST = encode(Bind(1, BindType.TRANSCEIVER, "dargah", "secret"))
MUTATE: list[Callable[[bytes], bytes]] = [lambda raw: raw, lambda raw: BOUND_FIRST + raw]


def test_random_octets() -> None:
    """Whatever is thrown at the SMSC, before or after a bind, it serves the next gateway, and no
    descriptor stays open."""

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(MUTATE), st.binary(max_size=200)), max_size=5))
    def throw(thrown: list[tuple[Callable[[bytes], bytes], bytes]]) -> None:
        async def scenario() -> None:
            async with carrier() as running:
                before = descriptors()
                for mutate, octets in thrown:
                    await closed_by(running, mutate(octets))
                await running.network.gone()
                assert descriptors() == before
                async with gateway(running, text=told):
                    assert await running.handset(NUMBER).text("1") == ANSWER

        baseline = descriptors()
        asyncio.run(scenario())
        assert descriptors() == baseline

    throw()
