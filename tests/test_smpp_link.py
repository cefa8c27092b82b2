"""The Twisted side of SMPP: one write a batch, backpressure, timers, coming back."""

# mypy: disable-error-code="no-untyped-call"
# Twisted's testing transports have no types.

import asyncio
import os
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from smpp.codec import decode, encode
from smpp.esme import Waiting
from smpp.events import Bound, Closed, Event, Unanswered
from smpp.framing import Framer
from smpp.link import Inbound, Link
from smpp.pdu import BindResp, BindType, DeliverSm, EnquireLink, Pdu, Status, SubmitSmResp
from smpp.reconnect import Reconnect, ReconnectSettings
from smpp.settings import SessionSettings
from smpp.states import Role
from tests.smpp_pdus import BIND, TEXT
from tests.smpp_service import esme, smsc


class Wire(StringTransport):
    """A transport that counts writes and knows how it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.aborted = False
        self.no_delay = False

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def abortConnection(self) -> None:
        self.aborted = True

    def sent(self) -> list[Pdu]:
        """The PDUs written since the last time."""
        pdus = [decode(frame) for frame in Framer().frames(self.value())]
        self.clear()
        return pdus


class Bench:
    """A bound ESME's link on a hand-turned clock."""

    def __init__(self, given_settings: SessionSettings | None = None) -> None:
        self.clock, self.wire = Clock(), Wire()
        self.messages: list[Inbound] = []
        self.events: list[Event] = []
        self.received: Callable[[Inbound], object] = self.messages.append
        self.link = Link(
            Role.ESME,
            given_settings or SessionSettings(),
            self.clock,
            float,
            lambda inbound: (self.received(inbound), None)[1],
            lambda _, event: self.events.append(event),
        )
        self.link.makeConnection(self.wire)
        self.link.bind(BIND)
        self.clock.advance(0)
        self.link.dataReceived(encode(BindResp(1, BindType.TRANSCEIVER, 0, "smsc")))
        assert self.events == [Bound(BindType.TRANSCEIVER, "smsc", None)]
        self.wire.clear()
        self.wire.writes = 0


def test_one_write_for_each_batch() -> None:
    """A hundred messages that come together are answered together, Nagle's wait switched off."""
    bench = Bench()
    bench.received = lambda inbound: inbound.answer()
    bench.link.dataReceived(b"".join(encode(DeliverSm(n, TEXT)) for n in range(1, 101)))
    assert bench.wire.writes == 1
    assert len(bench.wire.sent()) == 100
    assert bench.wire.no_delay


def test_one_write_for_each_turn() -> None:
    """Answers and messages that tasks give in one turn of the loop go out together."""

    async def scenario() -> None:
        bench = Bench()
        bench.link.dataReceived(b"".join(encode(DeliverSm(n, TEXT)) for n in (1, 2)))
        assert bench.wire.writes == 0
        outcomes = [bench.link.send(TEXT) for _ in range(3)]
        for inbound in bench.messages:
            inbound.answer()
        assert bench.wire.writes == 0
        bench.clock.advance(0)
        assert bench.wire.writes == 1
        for pdu in bench.wire.sent()[:3]:
            bench.link.dataReceived(encode(SubmitSmResp(pdu.sequence, 0, "id")))
        assert [(await outcome).sequence for outcome in outcomes] == [2, 3, 4]

    asyncio.run(scenario())


def test_who_doesn_t_read_is_not_read() -> None:
    """While a peer leaves our answers unread, nothing more is taken from it."""
    bench = Bench()
    assert bench.wire.producer is bench.link
    bench.link.pauseProducing()
    assert bench.wire.producerState == "paused"
    bench.link.resumeProducing()
    assert bench.wire.producerState == "producing"


def test_a_silent_link_ends_by_itself() -> None:
    """Without a word for forty seconds the connection is closed, and cut if that takes too long."""

    async def scenario() -> None:
        bench = Bench()
        outcome = bench.link.send(TEXT)
        for _ in range(45):
            bench.clock.advance(1)
        assert [type(pdu) for pdu in bench.wire.sent()][1:] == [EnquireLink] * 2
        assert (await outcome) == Unanswered(2, "timeout", sent=True)
        assert bench.events[-1] == Closed("silent")
        assert bench.wire.disconnecting
        assert bench.wire.aborted
        bench.link.connectionLost(Failure(ConnectionDone()))
        assert bench.link.gone.called
        assert bench.clock.getDelayedCalls() == []

    asyncio.run(scenario())


def test_an_answer_after_the_end_is_no_fault() -> None:
    """A message whose link is gone can't be answered, and saying so is enough."""
    bench = Bench()
    bench.link.dataReceived(encode(DeliverSm(1, TEXT)))
    bench.link.connectionLost(Failure(ConnectionDone()))
    assert not bench.messages[0].answer()
    assert bench.clock.getDelayedCalls() == []


def test_a_cancelled_wait_does_no_harm() -> None:
    """Whoever no longer wants an outcome doesn't disturb the link."""

    async def scenario() -> None:
        bench = Bench()
        bench.link.send(TEXT).cancel()
        bench.link.dataReceived(encode(SubmitSmResp(2)))
        outcome = bench.link.send(TEXT)
        bench.link.dataReceived(encode(SubmitSmResp(3)))
        assert (await outcome).sequence == 3

    asyncio.run(scenario())


# Coming back


def test_delays_grow_and_begin_again_after_health() -> None:
    """1, 2, 4 … 60 s; after five minutes of a good bind 1 s again, after a short one not."""
    reconnect = Reconnect(ReconnectSettings(), float)
    assert [reconnect.delay(0.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    reconnect.bound(100.0)
    assert reconnect.delay(200.0) == 60
    reconnect.bound(300.0)
    assert reconnect.delay(600.0) == 1


def test_a_refused_bind_waits_longer() -> None:
    """Already bound: half a minute. Wrong name or password: five minutes. Then as usual."""
    reconnect = Reconnect(ReconnectSettings(), float)
    for status, least in ((Status.ALREADY_BOUND, 30), (0x0E, 300), (0x0F, 300)):
        reconnect.refused(status)
        assert reconnect.delay(0.0) == least
    assert reconnect.delay(0.0) == 8


@given(st.floats(0, 1), st.integers(0, 2000))
def test_jitter_only_lengthens(share: float, failures: int) -> None:
    """However long it has failed, the wait is between one and ninety seconds."""
    reconnect = Reconnect(ReconnectSettings(), lambda: share)
    for _ in range(failures):
        reconnect.delay(0.0)
    assert 1 <= reconnect.delay(0.0) <= 90


def test_nobody_there() -> None:
    """With nothing listening, the service says when it will try again, and stops when told to."""

    async def scenario() -> None:
        async with smsc() as (_, port, __):
            pass
        async with esme(port) as (gateway, heard):
            waits = [(await heard.notice(Waiting)).delay for _ in range(3)]
            assert waits == [0.01, 0.02, 0.04]
            assert not gateway.bound

    asyncio.run(scenario())


def descriptors() -> int:
    """Open files of this process."""
    return len(os.listdir("/proc/self/fd"))


def test_noise_from_the_smsc() -> None:
    """A hundred connections of noise: each time the ESME leaves, and comes back."""
    dice = random.Random(1)
    noises = [dice.randbytes(dice.randrange(1, 400)) for _ in range(100)]

    async def scenario() -> int:
        pending = list(noises)
        quiet = asyncio.Event()

        async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if pending:
                writer.write(pending.pop())
            else:
                quiet.set()
            writer.close()

        before = descriptors()
        server = await asyncio.start_server(noise, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        from_the_start = ReconnectSettings(first=0.001, longest=0.002)
        async with esme(port, reconnect=from_the_start):
            async with asyncio.timeout(20):
                await quiet.wait()
        server.close()
        await server.wait_closed()
        return descriptors() - before

    assert asyncio.run(scenario()) <= 0


@given(st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=50)
def test_noise_on_the_link(noises: list[bytes]) -> None:
    """Whatever a bound SMSC writes, nothing escapes and every timer ends with the link."""
    bench = Bench()
    for noise in noises:
        bench.link.dataReceived(noise)
    bench.link.connectionLost(Failure(ConnectionDone()))
    assert bench.clock.getDelayedCalls() == []
