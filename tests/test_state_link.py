"""The connection to one Redis: order, bounds, time-outs, errors."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import hiredis
import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from state.address import Address
from state.commands import Script
from state.errors import ReplyError, Unavailable
from state.link import Redis, open_redis
from state.wire import Owner, Wire
from tests.redis_server import RunningRedis, running_redis

CANARY = "0012345679"


@asynccontextmanager
async def linked(
    address: Address, patience: float = 5.0, in_flight: int = 1000
) -> AsyncIterator[Redis]:
    """A link that is closed afterwards."""
    redis = await open_redis(address, name="test", timeout=patience, in_flight=in_flight)
    try:
        yield redis
    finally:
        await redis.close()


@given(
    st.lists(
        st.binary(max_size=300) | st.text(st.characters(exclude_categories=["Cs"])) | st.integers(),
        min_size=1,
        max_size=5,
    ).map(tuple)
)
@example((b"HGET", b"p:token:17", b"428"))
def test_packing(words: tuple[bytes | str | int, ...]) -> None:
    """Every command is written as hiredis writes it, the quick way for lookups included."""
    written: list[bytes] = []

    async def play() -> None:
        transport = cast(asyncio.Transport, SimpleNamespace(write=written.append))
        loop = asyncio.get_running_loop()
        wire = Wire(transport, loop, cast(Owner, None), timeout=5, in_flight=9)
        wire.send(words)
        wire.send((b"PING",))
        await asyncio.sleep(0)

    asyncio.run(play())
    assert written == [hiredis.pack_command(words) + b"*1\r\n$4\r\nPING\r\n"]  # type: ignore[arg-type]


@asynccontextmanager
async def saying(folder: Path, reply: bytes) -> AsyncIterator[tuple[Address, list[int]]]:
    """A server that logs everybody in, then answers all but PING with one reply."""
    path = folder / "fake.sock"
    connections = [0]
    writers = set()
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[0] += 1
        writers.add(writer)
        serving.add(asyncio.current_task())
        while words := await reader.readline():
            command = [await _bulk(reader) for _ in range(int(words[1:]))]
            ready = {b"CLIENT": b"+OK\r\n", b"PING": b"+PONG\r\n"}
            alone = reply.startswith(b"-LOADING")
            writer.write(reply if alone else ready.get(command[0], reply))
        writer.close()

    listening = await asyncio.start_unix_server(serve, path)
    try:
        yield Address(path=path), connections
    finally:
        listening.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(task for task in serving if task))


async def _bulk(reader: asyncio.StreamReader) -> bytes:
    length = int((await reader.readline())[1:])
    return (await reader.readexactly(length + 2))[:-2]


@given(st.lists(st.booleans(), max_size=40))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_under_cancellation(server: RunningRedis, given_up: list[bool]) -> None:
    """Whoever gives up waiting, the others still get their own answer and not a neighbour's."""

    async def main() -> None:
        async with linked(server.address) as redis:
            futures = [redis.send("ECHO", n) for n in range(len(given_up))]
            for future, gone in zip(futures, given_up, strict=True):
                if gone:
                    future.cancel()
            for n, (future, gone) in enumerate(zip(futures, given_up, strict=True)):
                assert gone or await future == b"%d" % n
            assert await redis.send("ECHO", "last") == b"last"

    asyncio.run(main())


@given(key=st.binary(), value=st.binary(max_size=5000))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_come_back(server: RunningRedis, key: bytes, value: bytes) -> None:
    """Redis gives back exactly the octets that it was given, whatever they are."""

    async def main() -> None:
        async with linked(server.address) as redis:
            assert await redis.send("SET", key, value) == b"OK"
            assert await redis.send(b"GET", key) == value

    asyncio.run(main())


@given(st.data())
@settings(max_examples=50)
def test_replies_cut_anywhere(data: st.DataObject) -> None:
    """However the network cuts the replies, each lookup gets the one that is its own."""
    replies = data.draw(st.lists(st.binary(max_size=30), min_size=1, max_size=10))
    stream = b"".join(b"$%d\r\n%b\r\n" % (len(reply), reply) for reply in replies)

    async def main() -> None:
        wire = Wire(Spy(), asyncio.get_running_loop(), Spy(), timeout=5, in_flight=100)
        futures = [wire.send((b"GET", b"k")) for _ in replies]
        left = stream
        while left:
            cut = data.draw(st.integers(1, len(left)))
            wire.data_received(left[:cut])
            left = left[cut:]
        assert [await future for future in futures] == replies
        wire.drop("over")

    asyncio.run(main())


def test_one_write_a_turn() -> None:
    """Five hundred lookups that come together leave in one write."""

    async def main() -> None:
        spy = Spy()
        wire = Wire(spy, asyncio.get_running_loop(), spy, timeout=5, in_flight=1000)
        futures = [wire.send((b"HGET", b"key", b"%d" % n)) for n in range(500)]
        assert spy.written == []
        await asyncio.sleep(0)
        assert len(spy.written) == 1
        futures.append(wire.send((b"PING",)))
        await asyncio.sleep(0)
        assert spy.written[1] == b"*1\r\n$4\r\nPING\r\n"
        wire.drop("over")
        for future in futures:
            with pytest.raises(Unavailable, match="over"):
                await future
        assert spy.lost == ["over"]

    asyncio.run(main())


class Spy(asyncio.Transport):
    """A transport that keeps what is written, and the owner of its Wire."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.lost: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        pass

    def wire_lost(self, wire: Wire, reason: str) -> None:
        self.lost.append(reason)


def test_bound_on_commands_in_flight(server: RunningRedis) -> None:
    """More than the set number of commands at once are refused at once, and the rest answered."""

    async def main() -> None:
        async with linked(server.address, in_flight=3) as redis:
            futures = [redis.send("ECHO", n) for n in range(4)]
            with pytest.raises(Unavailable, match="busy"):
                futures[3].result()
            assert [await future for future in futures[:3]] == [b"0", b"1", b"2"]
            assert await redis.send("ECHO", "again") == b"again"

    asyncio.run(main())


def test_frozen_server_then_alive_again() -> None:
    """When Redis hangs nobody hangs with it, and when it is back it is used again."""

    async def main(server: RunningRedis) -> None:
        async with linked(server.address, patience=0.05) as redis:
            server.stop_answering()
            waiting = [redis.send("PING") for _ in range(3)]
            for future in waiting:
                with pytest.raises(Unavailable, match="no answer within"):
                    await future
            assert not redis.connected
            with pytest.raises(Unavailable):
                redis.send("PING").result()
            server.answer_again()
            async with asyncio.timeout(10):
                await redis.wait_connected()
            assert await redis.send("ECHO", "back") == b"back"

    with running_redis() as server:
        asyncio.run(main(server))


def test_a_pause_of_ours_is_not_the_servers_fault(server: RunningRedis) -> None:
    """When the gateway itself was held up, an answer that has come meanwhile is still taken."""

    async def main() -> None:
        async with linked(server.address, patience=0.02) as redis:
            future = redis.send("ECHO", "here")
            await asyncio.sleep(0)
            time.sleep(0.05)  # noqa: ASYNC251  it stands for a loop that is held up
            assert await future == b"here"
            assert redis.connected

    uvloop.run(main())


def test_connection_killed_by_the_server() -> None:
    """When the server closes the connection, a new one is made without anybody's help."""

    async def main(server: RunningRedis) -> None:
        async with linked(server.address) as redis:
            assert server.ask("CLIENT", "KILL", "TYPE", "normal") == b":1\r\n"
            with pytest.raises(Unavailable):
                await redis.send("BLPOP", "nothing", 0)
            async with asyncio.timeout(10):
                await redis.wait_connected()
            assert await redis.send("ECHO", "back") == b"back"

    with running_redis() as server:
        asyncio.run(main(server))


def test_error_replies_tell_nothing_about_people(server: RunningRedis) -> None:
    """What Redis refuses is named by its kind, never with the number it was about."""

    async def main() -> None:
        async with linked(server.address) as redis:
            await redis.send("SET", CANARY, "x")
            attempts: list[tuple[str | bytes, ...]] = [
                ("HGET", CANARY, CANARY),
                ("EVAL", f"return redis.error_reply('{CANARY}')", "0"),
                ("EVAL", f"return redis.call('{CANARY}')", "0"),
                (b"NOSUCH", CANARY),
            ]
            for command in attempts:
                with pytest.raises(ReplyError) as caught:
                    await redis.send(*command)
                assert CANARY not in f"{caught.value!r} {caught.value.__cause__!r}"
            assert await redis.send("GET", CANARY) == b"x"

    asyncio.run(main())


@pytest.mark.parametrize("code", ["CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "BUSY", "READONLY"])
def test_errors_that_mean_later(tmp_path: Path, code: str) -> None:
    """A Redis that is failing over or busy counts as away, not as a mistake of ours."""

    async def main() -> None:
        async with (
            saying(tmp_path, f"-{code} about {CANARY}\r\n".encode()) as (address, connections),
            linked(address) as redis,
        ):
            with pytest.raises(Unavailable, match=code) as caught:
                await redis.send("GET", CANARY)
            assert CANARY not in repr(caught.value)
            async with asyncio.timeout(10):
                await redis.wait_connected()
            # A replica stays one: the name is looked up again.
            assert connections[0] == (2 if code == "READONLY" else 1)

    asyncio.run(main())


def test_loading_is_told_apart(tmp_path: Path) -> None:
    """A Redis that loads its data is waited for, and if that takes too long it is said so."""

    async def main() -> None:
        async with saying(tmp_path, b"-LOADING Redis is loading\r\n") as (address, _):
            with pytest.raises(Unavailable, match=r"still loading its data, after 0\.1 s"):
                await open_redis(address, name="test", deadline=0.1)
        with pytest.raises(Unavailable, match=r"no connection to Redis at \S+missing\.sock"):
            await open_redis(Address(path=tmp_path / "missing.sock"), name="test", deadline=0.1)

    asyncio.run(main())


def test_not_redis_at_all(tmp_path: Path) -> None:
    """A server that speaks something else is left, and whoever waits is told."""

    async def main() -> None:
        async with saying(tmp_path, b"HTTP/1.1 400\r\n") as (address, _), linked(address) as redis:
            with pytest.raises(Unavailable, match="not Redis's protocol"):
                await redis.send("GET", "a")

    asyncio.run(main())


def test_script_forgotten_by_the_server(server: RunningRedis) -> None:
    """A server that was restarted, and knows no scripts, is told them again."""
    script = Script("add", "return tonumber(redis.call('INCRBY', KEYS[1], ARGV[1]))")
    broken = Script("broken", "return redis.call('HGET', KEYS[1], 'f')")

    async def main() -> None:
        async with linked(server.address) as redis:
            await redis.send("DEL", "sum")
            assert await redis.script(script, ["sum"], 2) == 2
            await redis.send("SCRIPT", "FLUSH")
            assert await redis.script(script, ["sum"], 3) == 5
            assert await redis.script(script, ["sum"], 4) == 9
            with pytest.raises(ReplyError, match="of the script broken"):
                await redis.script(broken, ["sum"])

    asyncio.run(main())


def test_password_database_and_masks() -> None:
    """The password and the database of a URL are used, and the password is never shown."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def main(server: RunningRedis) -> None:
        address = Address(f"redis://:letmein@127.0.0.1:{port}/3")
        async with linked(address) as redis:
            await redis.send("SET", "where", "three")
            assert await redis.send("CLIENT", "GETNAME") == b"test"
            info = await redis.send("INFO", "keyspace")
            assert b"db3:keys=1" in info
            assert "letmein" not in repr(redis) + repr(address) + str(address)
        wrong = Address(f"redis://:letmeout@127.0.0.1:{port}/3")
        with pytest.raises(Unavailable) as caught:
            await open_redis(wrong, name="test", deadline=0.2)
        assert "letmeout" not in repr(caught.value)

    with running_redis("--requirepass", "letmein", "--port", str(port)) as server:
        asyncio.run(main(server))


def test_nobody_listens_and_nothing_is_printed(server: RunningRedis) -> None:
    """Closing with answers outstanding leaves no complaints in the log."""

    async def main() -> list[object]:
        complaints: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        redis = await open_redis(server.address, name="test")
        futures = [redis.send("BLPOP", "nothing", 0), redis.send("PING")]
        await asyncio.sleep(0)
        await redis.close()
        await redis.close()
        assert all(future.done() for future in futures)
        redis.send("PING")
        del futures
        gc.collect()
        await asyncio.sleep(0)
        return complaints

    assert asyncio.run(main()) == []


def test_a_link_closes_at_any_moment(server: RunningRedis) -> None:
    """However far a connection has come, closing it takes no longer than it must."""

    async def run() -> None:
        for turns in range(60):
            redis = Redis(
                server.address, name="test", timeout=0.2, in_flight=100, jitter=lambda: 0.5
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await redis.close()
            assert not redis.connected

    for _ in range(3):
        asyncio.run(run())
