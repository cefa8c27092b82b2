"""
An SMSC that sends nonsense, PDU by PDU, to the real ESME on a real socket.

Each connection carries one fault and is then closed. Whatever it was: nothing raises, the ESME
answers a whole bind the next time, and no descriptor stays open.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from smpp.codec import decode, encode
from smpp.events import Answered, Bound
from smpp.framing import Framer
from smpp.pdu import (
    HEADER,
    Bind,
    BindResp,
    BindType,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Status,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Unbind,
    UnbindResp,
    Unknown,
)
from smpp.reconnect import ReconnectSettings
from tests.smpp_pdus import BIND, TEXT
from tests.smpp_service import PATIENCE, Heard, esme

AT_ONCE = ReconnectSettings(0.001, 0.001, already_bound=0.001, wrong_secret=0.001)
USSD = replace(
    TEXT,
    service_type="USSD",
    tlvs=((Tag.USSD_SERVICE_OP, b"\1"), (Tag.ITS_SESSION_INFO, b"\x2a\0")),
)
WELCOME = BindResp(1, BindType.TRANSCEIVER, 0, "smsc")

KINDS: tuple[Pdu, ...] = (
    DeliverSm(7, TEXT),
    DeliverSm(7, USSD),
    DeliverSmResp(2, 0, ""),
    SubmitSm(7, TEXT),
    SubmitSmResp(2, 0, "id"),
    SubmitSmResp(2, Status.THROTTLED),
    EnquireLink(7),
    EnquireLinkResp(7),
    Unbind(7),
    UnbindResp(7),
    GenericNack(2, Status.INVALID_COMMAND_ID),
    replace(BIND, sequence=7),
    WELCOME,
    Unknown(7, 0x103, 0, b"\0data_sm"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What one connection carries, after the bind or in place of its answer."""

    octets: bytes
    bound: bool


def cut(kinds: Sequence[Pdu], *, bound: bool) -> list[Fault]:
    """Each of these, cut after every octet."""
    frames = [encode(pdu) for pdu in kinds]
    return [Fault(frame[:end], bound) for frame in frames for end in range(len(frame))]


def shortened(kinds: Sequence[Pdu], *, bound: bool) -> list[Fault]:
    """Each of these, its body cut after every octet, with a command_length that says so."""
    frames = [encode(pdu) for pdu in kinds]
    return [
        Fault(end.to_bytes(4) + frame[4:end], bound)
        for frame in frames
        for end in range(HEADER, len(frame))
    ]


def flipped(kinds: Sequence[Pdu], *, bound: bool) -> list[Fault]:
    """Each of these, whole, with one octet turned over: its lowest bit, its highest, all bits."""
    return [
        Fault(frame[:at] + bytes([frame[at] ^ mask]) + frame[at + 1 :], bound)
        for frame in map(encode, kinds)
        for at in range(len(frame))
        for mask in (0x01, 0x80, 0xFF)
    ]


class Smsc:
    """Gives each connection the next fault; when there are none left, it serves well."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = iter(faults)
        self.binds = 0
        self.answers: asyncio.Queue[Pdu] = asyncio.Queue()
        self.served = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            async with asyncio.timeout(PATIENCE):
                frame = await self._frame(reader)
                assert isinstance(decode(frame), Bind)
                self.binds += 1
                fault = next(self._faults, None)
                if fault is None:
                    await self._well(reader, writer)
                    return
                writer.write((encode(WELCOME) if fault.bound else b"") + fault.octets)
                writer.write_eof()
                # To the end of what it answers: closing earlier would reset the connection,
                # and the fault might never be read.
                await reader.read()
                self.served += 1
        finally:
            writer.close()

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        length = await reader.readexactly(4)
        return length + await reader.readexactly(int.from_bytes(length) - 4)

    async def _well(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(WELCOME) + encode(DeliverSm(7, TEXT)))
        framer = Framer()
        while data := await reader.read(4096):
            for frame in framer.frames(data):
                pdu = decode(frame)
                if isinstance(pdu, SubmitSm):
                    writer.write(encode(SubmitSmResp(pdu.sequence, 0, "id")))
                elif isinstance(pdu, Unbind):
                    writer.write(encode(UnbindResp(pdu.sequence)))
                else:
                    self.answers.put_nowait(pdu)


@contextmanager
def raised() -> Iterator[list[str]]:
    """What Twisted or asyncio caught and only logged."""
    found: list[str] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            found.append(str(event["log_failure"]))

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(str(context)))
    globalLogPublisher.addObserver(observe)
    try:
        yield found
    finally:
        globalLogPublisher.removeObserver(observe)


async def answering(heard: Heard) -> None:
    """Acknowledge whatever comes through."""
    while True:
        (await heard.messages.get()).answer()


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def suffer(faults: Sequence[Fault]) -> int:
    """Have the ESME go through all faults, then through an ordinary exchange.

    Gives the descriptors then.
    """
    smsc = Smsc(faults)
    server = await asyncio.start_server(smsc.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with raised() as found:
            async with esme(port, reconnect=AT_ONCE) as (service, heard):
                task = asyncio.create_task(answering(heard))
                async with asyncio.timeout(3 * PATIENCE):
                    while (await smsc.answers.get()) != DeliverSmResp(7, 0, ""):
                        pass
                await heard.notice(Bound)
                outcome = await service.submit(TEXT)
                assert isinstance(outcome, Answered)
                assert outcome.accepted
                left = descriptors()
                task.cancel()
        assert found == []
        assert smsc.served == len(faults)
        assert smsc.binds == len(faults) + 1
    return left


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(cut(KINDS, bound=True), id="cut"),
        pytest.param(shortened(KINDS, bound=True), id="shortened"),
        pytest.param(shortened([WELCOME], bound=False), id="shortened before the bind"),
        pytest.param(cut([WELCOME, *KINDS[-3:-1]], bound=False), id="cut before the bind"),
        pytest.param(
            flipped([KINDS[1], KINDS[4], EnquireLink(7), Unbind(7)], bound=True), id="flipped"
        ),
        pytest.param(flipped([WELCOME], bound=False), id="flipped before the bind"),
    ],
)
def test_an_smsc_that_errs(faults: list[Fault]) -> None:
    """After every fault the bind comes back, messages pass, and nothing is left open."""

    async def scenario() -> None:
        baseline = await suffer([])
        assert await suffer(faults) == baseline

    asyncio.run(scenario())
