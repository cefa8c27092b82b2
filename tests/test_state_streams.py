"""Streams: bounded, never trimmed, and taken over when a consumer dies."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from state.consumer import Consumer
from state.errors import Unavailable
from state.link import Redis, open_redis
from state.streams import Durability, Entry, Full, Stream
from tests.redis_server import RunningRedis, running_redis

PATIENCE = 20.0


def with_redis(server: RunningRedis, test: Callable[[Redis], Awaitable[None]]) -> None:
    """Run a test over an empty Redis."""

    async def run() -> None:
        redis = await open_redis(server.address, timeout=3.0, name="test")
        try:
            await redis.send("FLUSHALL")
            await test(redis)
        finally:
            await redis.close()

    asyncio.run(run())


def stream(redis: Redis, consumer: str = "one", name: str = "in", limit: int = 3) -> Stream:
    """A stream of a test, in the slot that all of them share."""
    return Stream(redis, f"{{t}}:{name}", group="g", consumer=consumer, limit=limit)


async def read(one: Stream, redis: Redis, count: int = 10) -> list[Entry]:
    """What there is now."""
    return await one.read(redis, count, 0.001)


def test_a_full_stream_refuses_and_keeps_what_it_has(server: RunningRedis) -> None:
    """Nothing that was acknowledged is trimmed away for something newer."""

    async def test(redis: Redis) -> None:
        one = stream(redis)
        await one.prepare()
        for value in (b"a", b"b", b"c"):
            assert await one.put(value)
        with pytest.raises(Full, match="full"):
            await one.put(b"d")
        assert issubclass(Full, Unavailable)
        assert [entry.values for entry in await read(one, redis)] == [(b"a",), (b"b",), (b"c",)]
        # Being read does not make room; being done does.
        with pytest.raises(Full):
            await one.put(b"d")
        (first, *_) = await one.claim(0, 10)
        assert await one.done(first.id)
        assert await one.put(b"d")

    with_redis(server, test)


def test_a_mark_keeps_the_same_thing_out(server: RunningRedis) -> None:
    """What comes a second time within the mark's time is not put again."""

    async def test(redis: Redis) -> None:
        one = stream(redis)
        assert await one.put(b"a", mark="{t}:seen", mark_seconds=60)
        assert not await one.put(b"a", mark="{t}:seen", mark_seconds=60)
        assert await one.length() == 1
        await redis.send("DEL", "{t}:seen")
        assert await one.put(b"a", mark="{t}:seen", mark_seconds=60)

    with_redis(server, test)


def test_an_entry_moves_once(server: RunningRedis) -> None:
    """Of two consumers that answer the same question, only one's answer goes on."""

    async def test(redis: Redis) -> None:
        one, other, out = stream(redis), stream(redis, "other"), stream(redis, name="out")
        await one.prepare()
        await one.put(b"question")
        (entry,) = await read(one, redis)
        (claimed,) = await other.claim(0, 10)
        assert (claimed.id, claimed.values, claimed.deliveries) == (entry.id, (b"question",), 2)
        assert await other.move(claimed.id, out, b"answer")
        assert not await one.move(entry.id, out, b"answer")
        assert (await one.length(), await out.length()) == (0, 1)
        assert not await one.done(entry.id)

    with_redis(server, test)


def test_a_full_target_leaves_the_entry_where_it_is(server: RunningRedis) -> None:
    """While the outbox is full, the question waits in the inbox."""

    async def test(redis: Redis) -> None:
        one, out = stream(redis), stream(redis, name="out", limit=1)
        await one.prepare()
        await one.put(b"question")
        await out.put(b"earlier")
        (entry,) = await read(one, redis)
        with pytest.raises(Full):
            await one.move(entry.id, out, b"answer")
        assert await one.length() == 1
        assert len(await one.claim(0, 10)) == 1

    with_redis(server, test)


def test_only_what_lies_untouched_is_claimed(server: RunningRedis) -> None:
    """A consumer at work is left alone; what it hands back is free at once."""

    async def test(redis: Redis) -> None:
        one, other = stream(redis, limit=500), stream(redis, "other")
        await one.prepare()
        for number in range(250):
            await one.put(b"%d" % number)
        mine = await read(one, redis, 250)
        assert len(mine) == 250
        assert await other.claim(600, 10) == []
        await one.hand_back([entry.id for entry in mine[200:]], 600)
        await one.hold([mine[210].id])
        freed = await other.claim(600, 100)
        assert [entry.id for entry in freed] == [
            entry.id for entry in mine[200:] if entry is not mine[210]
        ]
        assert await other.claim(0, 3, {entry.id for entry in freed}) != freed[:3]

    with_redis(server, test)


def test_a_group_is_made_again_when_redis_has_lost_it(server: RunningRedis) -> None:
    """A Redis that comes back empty is used again without anybody's help."""

    async def test(redis: Redis) -> None:
        one = stream(redis)
        await one.prepare()
        await redis.send("FLUSHALL")
        assert await read(one, redis) == []
        await one.put(b"a")
        assert [entry.values for entry in await read(one, redis)] == [(b"a",)]

    with_redis(server, test)


def test_only_consumers_that_own_nothing_are_forgotten(server: RunningRedis) -> None:
    """The list of consumers does not grow with every restart, and nothing is lost by that."""

    async def test(redis: Redis) -> None:
        idle, owner = stream(redis, "idle"), stream(redis, "owner")
        await idle.prepare()
        await idle.put(b"b")
        (first,) = await read(idle, redis)
        await idle.done(first.id)
        await owner.put(b"a")
        (entry,) = await read(owner, redis)
        await owner.forget_idle(3600)
        assert len(await redis.send("XINFO", "CONSUMERS", owner.key, "g")) == 2
        await owner.hand_back([entry.id], 10)
        async with asyncio.timeout(PATIENCE):
            # Redis counts idle time in milliseconds: ask until one has passed.
            while len(left := await redis.send("XINFO", "CONSUMERS", owner.key, "g")) == 2:
                await owner.forget_idle(0)
        assert left[0][1] == b"owner"
        assert len(await idle.claim(0, 10)) == 1

    with_redis(server, test)


def test_without_its_replicas_nothing_counts_as_put(server: RunningRedis) -> None:
    """Where a replica is asked for and there is none, the peer is told to come again."""

    async def test(redis: Redis) -> None:
        careful = Stream(
            redis,
            "{t}:in",
            group="g",
            consumer="one",
            limit=3,
            durability=Durability(1, within=0.01),
        )
        with pytest.raises(Unavailable, match="0 of 1 replicas"):
            await careful.put(b"a", mark="{t}:seen", mark_seconds=60)
        # It comes again: known, and still not safe.
        with pytest.raises(Unavailable):
            await careful.put(b"a", mark="{t}:seen", mark_seconds=60)
        assert await careful.length() == 1

    with_redis(server, test)


def test_a_replica_that_has_it_is_enough() -> None:
    """With a replica in step, a message is put when the replica has it too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with running_redis("--port", port) as master, running_redis("--replicaof", "127.0.0.1", port):

        async def test(redis: Redis) -> None:
            careful = Stream(
                redis,
                "{t}:in",
                group="g",
                consumer="one",
                limit=3,
                durability=Durability(1, within=2.0),
            )
            async with asyncio.timeout(PATIENCE):
                while not await redis.send("WAIT", 1, 100):
                    pass
            assert await careful.put(b"a")

        with_redis(master, test)


class Work:
    """Takes entries, and finishes each when told."""

    def __init__(self, target: Stream) -> None:
        self.begun: asyncio.Queue[Entry] = asyncio.Queue()
        self.go = asyncio.Event()
        self._target = target

    async def __call__(self, entry: Entry) -> None:
        self.begun.put_nowait(entry)
        await self.go.wait()
        await self._target.done(entry.id)

    async def next(self) -> Entry:
        async with asyncio.timeout(PATIENCE):
            return await self.begun.get()


def consumer(server: RunningRedis, one: Stream, work: Work, at_once: int = 10) -> Consumer:
    """A consumer with a link of its own, which claims after a fifth of a second."""

    async def link() -> Redis:
        return await open_redis(server.address, timeout=3.0, name="reader")

    async def nothing(entry: Entry) -> None:
        raise AssertionError("nothing is given up in these tests")

    return Consumer(one, work, link, give_up=nothing, at_once=at_once, claim_after=0.2)


def now() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


def test_a_consumer_works_on_so_many_at_once(server: RunningRedis) -> None:
    """A flood waits in the stream, not in our memory."""

    async def test(redis: Redis) -> None:
        one = stream(redis, limit=100)
        for number in range(9):
            await one.put(b"%d" % number)
        work = Work(one)
        consumer_ = consumer(server, one, work, at_once=3)
        consumer_.start()
        for _ in range(3):
            await work.next()
        assert (consumer_.at_work, work.begun.qsize()) == (3, 0)
        work.go.set()
        for _ in range(6):
            await work.next()
        assert await consumer_.finish(now() + PATIENCE) == 0
        assert await one.length() == 0

    with_redis(server, test)


def test_what_a_dead_consumer_left_is_done_by_another(server: RunningRedis) -> None:
    """A process that dies in the middle of its work loses none of it."""

    async def test(redis: Redis) -> None:
        dead, one = stream(redis, "dead"), stream(redis, "alive")
        await dead.prepare()
        await dead.put(b"a")
        (left,) = await read(dead, redis)
        work = Work(one)
        work.go.set()
        consumer_ = consumer(server, one, work)
        consumer_.start()
        taken = await work.next()
        assert (taken.id, taken.values, taken.deliveries) == (left.id, (b"a",), 2)
        assert await consumer_.finish(now() + PATIENCE) == 0
        assert await one.length() == 0

    with_redis(server, test)


def test_long_work_is_not_taken_away(server: RunningRedis) -> None:
    """Work that takes longer than the time of claiming stays with whoever does it."""

    async def test(redis: Redis) -> None:
        one, other = stream(redis, "slow"), stream(redis, "quick")
        await one.put(b"a")
        slow, quick = Work(one), Work(other)
        first, second = consumer(server, one, slow), consumer(server, other, quick)
        first.start()
        entry = await slow.next()
        second.start()
        # Both look every fifteenth of a second: one holds, the other would claim. Until it has
        # been held a few times its idle time falls back again and again.
        held, before = 0, 0
        async with asyncio.timeout(PATIENCE):
            while held < 5:
                (page,) = await redis.send("XPENDING", one.key, "g", entry.id, entry.id, 1)
                assert page[1] == b"slow"
                held += page[2] < before
                before = page[2]
        assert quick.begun.empty()
        slow.go.set()
        quick.go.set()
        assert await first.finish(now() + PATIENCE) == 0
        assert await second.finish(now() + PATIENCE) == 0

    with_redis(server, test)


def test_a_stop_hands_back_what_is_unfinished(server: RunningRedis) -> None:
    """What a stopping process did not finish, another takes at once."""

    async def test(redis: Redis) -> None:
        one = stream(redis)
        await one.put(b"a")
        work = Work(one)
        consumer_ = consumer(server, one, work)
        consumer_.start()
        entry = await work.next()
        assert await consumer_.finish(now()) == 1
        (page,) = await redis.send("XPENDING", one.key, "g", "-", "+", 10)
        assert page[0] == entry.id
        assert page[2] >= 200
        (again,) = await stream(redis, "other").claim(0.2, 10)
        assert again.id == entry.id

    with_redis(server, test)
