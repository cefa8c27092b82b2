import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from ivr.errors import CommandRefused, Hangup, LocalProtocolError, MissingPrompt
from ivr.fastagi import Environment
from ivr.line import Line, LineTimes
from ivr.server import CallLimits, FastAgiServer, Script
from tests.agi_peer import AgiPeer

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
BEGIN = b"agi_request: agi://127.0.0.1/call\nagi_callerid: 09121234567\n\n"


async def forever(line: Line, environment: Environment) -> None:
    """A call that waits for something that never comes."""
    await line.answer()
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def listening(
    script: Script, limits: CallLimits | None = None
) -> AsyncIterator[tuple[FastAgiServer, int]]:
    """A server on a real port, and the port."""
    server = FastAgiServer(script, peers=LOOPBACK, limits=limits)
    reactor = AsyncioSelectorReactor(asyncio.get_running_loop())
    port = reactor.listenTCP(0, server, 256, "127.0.0.1")  # type: ignore[no-untyped-call]
    try:
        yield server, port.getHost().port
    finally:
        port.stopListening()
        await server.drain(0)
        assert server.calls == 0
        for reader in reactor.removeAll():  # type: ignore[no-untyped-call]
            reader.connectionLost(None)


async def sent(port: int, data: bytes) -> bytes:
    """Connect, send, half-close, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    except OSError:  # it was quicker to close
        return b""
    finally:
        writer.close()


def test_each_call_is_answered_and_let_go() -> None:
    """A call is commanded, ends, and its connection is closed; many at once too."""

    async def script(line: Line, environment: Environment) -> None:
        await line.answer()
        await line.set_variable("X", environment["callerid"])

    async def one(port: int, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BEGIN.replace(b"09121234567", b"%d" % number))
        assert await reader.readline() == b"ANSWER\n"
        writer.write(b"200 result=0\n")
        assert await reader.readline() == b'SET VARIABLE "X" "%d"\n' % number
        writer.write(b"200 result=1\n")
        assert await reader.read() == b""
        writer.close()

    async def main() -> None:
        async with listening(script) as (server, port):
            await asyncio.gather(*(one(port, number) for number in range(100)))
            await server.drain(10)
            assert server.ended == {"done": 100}

    asyncio.run(main())


@pytest.mark.parametrize("host", ["10.0.0.1", "::2", "", "here"])
def test_strangers(host: str) -> None:
    """Who is not on the list of peers is not let in."""
    server = FastAgiServer(forever, peers=LOOPBACK)
    assert server.buildProtocol(IPv4Address("TCP", host, 1)) is None
    assert server.ended == {"stranger": 1}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_peers(host: str) -> None:
    """Who is on the list is let in, under each name of the address."""
    server = FastAgiServer(forever, peers=LOOPBACK)
    assert server.buildProtocol(IPv6Address("TCP", host, 1)) is not None


def test_full() -> None:
    """A call beyond the bound is closed at once, and there is room again when one ends."""

    async def main() -> None:
        async with listening(forever, CallLimits(calls=1)) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(BEGIN)
            assert await reader.readline() == b"ANSWER\n"
            assert await sent(port, BEGIN) == b""
            assert server.ended == {"full": 1}
            writer.write(b"HANGUP\n")
            assert await reader.read() == b""
            writer.close()
            await server.drain(10)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(BEGIN)
            assert await reader.readline() == b"ANSWER\n"
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("end", ["hangup", "close", "reset"])
def test_hangup_while_we_think(end: str) -> None:
    """A caller who hangs up while we look something up frees the call at once."""
    thinking, freed = asyncio.Event(), []

    async def script(line: Line, environment: Environment) -> None:
        thinking.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            freed.append(line.hung_up)

    async def main() -> None:
        async with listening(script) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(BEGIN)
            await thinking.wait()
            if end == "hangup":
                writer.write(b"HANGUP\n")
                assert await reader.read() == b""
                writer.close()
            elif end == "close":
                writer.close()
            else:
                writer.transport.abort()
            await server.drain(10)
            assert freed == [True]
            assert server.ended == {"hangup": 1}

    asyncio.run(main())


def test_silent_and_endless_calls() -> None:
    """A peer that says nothing, and a call without an end, are both ended."""

    async def main() -> None:
        limits = CallLimits(environment_seconds=0.01, call_seconds=0.01)
        async with listening(forever, limits) as (server, port):
            for opening in (b"", BEGIN):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(opening)
                await reader.read()
                writer.close()
            await server.drain(10)
            assert server.ended == {"too_long": 2}

    asyncio.run(main())


def test_drain() -> None:
    """When the gateway stops, calls get their time, and those left are ended."""

    async def main() -> None:
        async with listening(forever) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(BEGIN)
            await reader.readline()
            await server.drain(0.01)
            assert server.ended == {"drained": 1}
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())


def test_a_fault_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault in a call ends that call alone, and no log line holds what a caller typed."""

    async def script(line: Line, environment: Environment) -> None:
        raise LookupError("0012345679")

    async def main() -> None:
        async with listening(script) as (server, port):
            await sent(port, BEGIN)
            await sent(port, BEGIN.replace(b"09121234567", b"1\nagi_callerid: 0012345679"))
            await server.drain(10)
            assert server.ended["failed"] == 1
            assert server.ended["protocol"] == 1

    asyncio.run(main())
    out = "".join(capsys.readouterr())
    assert "call_failed" in out
    assert "LookupError" in out
    assert "0012345679" not in out
    assert "0912" not in out


def test_random_bytes_and_cuts() -> None:
    """Random bytes, and calls cut off at every byte, leave no call and no descriptor behind."""
    noise = random.Random(1420)
    pieces = [noise.randbytes(noise.randrange(1, 400)) for _ in range(200)]
    pieces += [b"x" * 1_000_000, b"agi_x: " + b"y" * 1_000_000]
    whole = BEGIN + b"200 result=0\nHANGUP\n"
    pieces += [whole[:end] for end in range(len(whole))]

    async def main() -> None:
        async with listening(forever) as (server, port):
            await sent(port, b"\n")
            before = len(os.listdir("/proc/self/fd"))
            for start in range(0, len(pieces), 50):
                batch = pieces[start : start + 50]
                answers = await asyncio.gather(*(sent(port, piece) for piece in batch))
                assert set(answers) <= {b"", b"ANSWER\n"}
            await server.drain(10)
            async with asyncio.timeout(10):
                # The other end's close is seen a turn of the loop later.
                while len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110
                    await asyncio.sleep(0)

    asyncio.run(main())


def on_line(replies: list[bytes], *, hangup: float = 0.0) -> tuple[Line, list[bytes]]:
    """A line whose peer gives these replies in order, and what was sent on it."""
    out: list[bytes] = []

    def write(data: bytes) -> None:
        out.append(data)
        asyncio.get_running_loop().call_soon(line.receive_bytes, replies.pop(0))

    line = Line(write, LineTimes(hangup=hangup))
    line.receive_bytes(BEGIN)
    return line, out


@pytest.mark.parametrize(
    ("replies", "raised"),
    [
        ([b"200 result=-1 endpos=0\n", b"200 result=6\n"], MissingPrompt),
        ([b"200 result=-1 endpos=0\n", b"511 Command Not Permitted\n"], Hangup),
        ([b"200 result=-1 endpos=0\n", b"200 result=0\n"], Hangup),
        ([b"200 result=-1 endpos=0\nHANGUP\n"], Hangup),
        ([b"HANGUP\n511 Command Not Permitted\n"], Hangup),
        ([b"511 Command Not Permitted\n"], Hangup),
        ([b"510 Invalid or unknown command\n"], CommandRefused),
        ([b"520 Invalid command syntax.\n"], CommandRefused),
    ],
)
def test_minus_one(replies: list[bytes], raised: type[Exception]) -> None:
    """A missing prompt is told from a hang-up, and neither from the other's -1."""

    async def main() -> None:
        line, _ = on_line(replies)
        with pytest.raises(raised):
            await line.play(["p"])

    asyncio.run(main())


def test_the_late_hangup_line() -> None:
    """A HANGUP that comes a little after the -1 is waited for; nothing more is sent."""

    async def main() -> None:
        line, out = on_line([b"200 result=-1\n"], hangup=10.0)
        asking = asyncio.create_task(line.ask(["p"], max_digits=1, seconds=1))
        for _ in range(5):  # the command goes out, and its reply comes in
            await asyncio.sleep(0)
        line.receive_bytes(b"HANGUP\n")
        with pytest.raises(Hangup):
            await asking
        assert out == [b'GET DATA "p" 1000 1\n']
        with pytest.raises(Hangup):
            await line.answer()

    asyncio.run(main())


def test_digits_over_several_prompts() -> None:
    """With several prompts the digits come by way of a variable, and it is wiped after."""

    async def main() -> None:
        replies = [b"200 result=0\n", b"200 result=1 (TIMEOUT)\n", b"200 result=1 (12)\n"]
        line, out = on_line([*replies, b"200 result=1\n"])
        digits = await line.ask(["a", "b"], max_digits=10, seconds=1.5)
        assert (digits.text, digits.timed_out) == ("12", True)
        assert "12" not in repr(digits)
        assert out[0] == b'EXEC "Read" "DARGAH_DIGITS,a&b,10,,1,1.5"\n'
        assert out[-1] == b'SET VARIABLE "DARGAH_DIGITS" ""\n'

    asyncio.run(main())


def test_applications_that_are_not_there() -> None:
    """An Asterisk without Read or Playback is a fault of its set-up, not a hang-up."""

    async def main() -> None:
        line, _ = on_line([b"200 result=-2\n"])
        with pytest.raises(CommandRefused):
            await line.play(["a", "b"])
        line, _ = on_line([b"200 result=-2\n"])
        with pytest.raises(CommandRefused):
            await line.ask(["a", "b"], max_digits=1, seconds=1)

    asyncio.run(main())


def test_two_commands_at_once() -> None:
    """Two parts of a call that speak at once are a fault of ours, and loud."""

    async def main() -> None:
        line = Line(AgiPeer([]).write)
        line.receive_bytes(BEGIN)
        first = asyncio.create_task(line.answer())
        await asyncio.sleep(0)
        with pytest.raises(LocalProtocolError):
            await line.answer()
        first.cancel()

    asyncio.run(main())
