"""A consumer goes on whatever breaks: its link, its stream, or the work itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

import pytest

from state.commands import Commands
from state.consumer import MOST_DELIVERIES, Consumer
from state.errors import Unavailable
from state.link import Redis, open_redis
from state.streams import Entry, Stream
from tests.redis_server import RunningRedis
from tests.test_state_streams import PATIENCE, now, with_redis

SECRET = "0012345679"
"""Stands for what a person wrote: the text of an exception may quote it."""


class Breaking(Stream):
    """A stream that has bugs, as often as it is told."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, "{t}:in", group="g", consumer="one", limit=100)
        self.breaks: dict[str, int] = {}

    def _break(self, name: str) -> None:
        if self.breaks.get(name, 0):
            self.breaks[name] -= 1
            raise RuntimeError(SECRET)

    async def read(self, link: Commands, count: int, wait_seconds: float) -> list[Entry]:
        """As Stream.read."""
        self._break("read")
        return await super().read(link, count, wait_seconds)

    async def hold(self, ids: Collection[bytes]) -> None:
        """As Stream.hold."""
        self._break("hold")
        await super().hold(ids)

    async def claim(
        self, idle_seconds: float, count: int, beside: Collection[bytes] = ()
    ) -> list[Entry]:
        """As Stream.claim."""
        self._break("claim")
        return await super().claim(idle_seconds, count, beside)


@asynccontextmanager
async def consuming(
    server: RunningRedis,
    stream: Stream,
    work: Callable[[Entry], Awaitable[None]],
    give_up: Callable[[Entry], Awaitable[None]],
    opening: Callable[[], None] = lambda: None,
) -> AsyncIterator[Consumer]:
    """A consumer that runs, claims after a tenth of a second, and is ended."""

    async def link() -> Redis:
        opening()
        return await open_redis(server.address, timeout=3.0, name="reader")

    consumer = Consumer(stream, work, link, give_up=give_up, at_once=10, claim_after=0.1)
    consumer.start()
    try:
        yield consumer
    finally:
        await consumer.finish(now() + PATIENCE)


class Worker:
    """Does the work, or fails at it; what came is in order."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.fails: Callable[[Entry], bool] = lambda _: False
        self.came: asyncio.Queue[Entry] = asyncio.Queue()
        self.given_up: asyncio.Queue[Entry] = asyncio.Queue()
        self.away = 0

    async def work(self, entry: Entry) -> None:
        """Done, unless it fails."""
        self.came.put_nowait(entry)
        if self.fails(entry):
            raise RuntimeError(SECRET)
        await self.stream.done(entry.id)

    async def give_up(self, entry: Entry) -> None:
        """Taken off, unless Redis is away."""
        if self.away:
            self.away -= 1
            raise Unavailable("away, in this test")
        await self.stream.done(entry.id)
        self.given_up.put_nowait(entry)


async def soon(queue: asyncio.Queue[Entry]) -> Entry:
    """The next one."""
    async with asyncio.timeout(PATIENCE):
        return await queue.get()


@pytest.mark.parametrize("name", ["read", "hold", "claim"])
def test_a_bug_does_not_end_a_consumer(
    server: RunningRedis, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a bug in reading or taking over, the next message is answered all the same."""

    async def test(redis: Redis) -> None:
        stream = Breaking(redis)
        worker = Worker(stream)
        await stream.prepare()
        # One that another consumer has left behind, and one that is new.
        await stream.put(b"left")
        await Stream(redis, "{t}:in", group="g", consumer="dead", limit=9).read(redis, 1, 0.001)
        await stream.put(b"new")
        stream.breaks[name] = 2
        async with consuming(server, stream, worker.work, worker.give_up):
            found = {(await soon(worker.came)).values[0] for _ in range(2)}
        assert found == {b"left", b"new"}
        assert stream.breaks[name] == 0
        assert await stream.length() == 0

    with_redis(server, test)
    said = capsys.readouterr()
    assert "RuntimeError" in said.out + said.err
    assert SECRET not in said.out + said.err


def test_a_link_that_cannot_be_made_is_tried_again(server: RunningRedis) -> None:
    """Whatever goes wrong in connecting, it is tried again."""

    async def test(redis: Redis) -> None:
        stream = Breaking(redis)
        worker = Worker(stream)
        left = [OSError(SECRET), ValueError(SECRET)]

        def opening() -> None:
            if left:
                raise left.pop()

        await stream.put(b"a")
        async with consuming(server, stream, worker.work, worker.give_up, opening):
            assert (await soon(worker.came)).values == (b"a",)
        assert not left

    with_redis(server, test)


def test_work_that_always_fails_is_given_up(server: RunningRedis) -> None:
    """What breaks us each time comes so often and no oftener; what is beside it is done."""

    async def test(redis: Redis) -> None:
        stream = Breaking(redis)
        worker = Worker(stream)
        worker.fails = lambda entry: entry.values == (b"bad",)
        worker.away = 1
        await stream.put(b"bad")
        await stream.put(b"good")
        async with consuming(server, stream, worker.work, worker.give_up):
            given_up = await soon(worker.given_up)
        assert given_up.values == (b"bad",)
        # Once more than it had to, because Redis was away at first.
        assert given_up.deliveries == MOST_DELIVERIES + 2
        assert await stream.length() == 0
        came = [worker.came.get_nowait() for _ in range(worker.came.qsize())]
        assert [entry.deliveries for entry in came if entry.values == (b"bad",)] == [
            *range(1, MOST_DELIVERIES + 3)
        ]
        assert [entry.deliveries for entry in came if entry.values == (b"good",)] == [1]

    with_redis(server, test)


def test_work_that_fails_for_a_while_is_done_in_the_end(server: RunningRedis) -> None:
    """A bug that passes costs nobody an answer."""

    async def test(redis: Redis) -> None:
        stream = Breaking(redis)
        worker = Worker(stream)
        worker.fails = lambda entry: entry.deliveries <= MOST_DELIVERIES
        await stream.put(b"a")
        async with consuming(server, stream, worker.work, worker.give_up):
            while (await soon(worker.came)).deliveries <= MOST_DELIVERIES:
                pass
        assert worker.given_up.empty()
        assert await stream.length() == 0

    with_redis(server, test)
