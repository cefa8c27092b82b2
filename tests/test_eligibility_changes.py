"""Changes of single people, as they come: applied once, whatever fails, and undone by no load."""

import asyncio
from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from structlog.testing import capture_logs

from eligibility.change_apply import marked
from eligibility.change_feed import ChangeSettings
from eligibility.change_stream import CHANGES_KEY, GROUP, ChangeStream
from eligibility.generations import Generations
from eligibility.verdict import Outcome
from state.commands import Commands
from state.link import Redis, open_redis
from tests.change_lines import (
    AN_HOUR,
    NEWCOMER,
    OTHER,
    SETTINGS,
    SOMEBODY,
    Counts,
    Meanwhile,
    append,
    ends,
    feed_of,
    feeding,
    loads,
    minutes_ago,
    nothing_waits,
    now,
    pays,
    people,
    told,
    until,
)
from tests.loading import csv_of, national, with_redis
from tests.redis_server import FailsAt, RunningRedis


def test_a_change_shows(server: RunningRedis) -> None:
    """A change is told as soon as it is applied; an older one that comes later changes nothing."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        counts = Counts()
        await ends(redis, SOMEBODY, 5)
        await pays(redis, NEWCOMER, 5)
        async with feeding(feed_of(server, redis, counts=counts)):
            await until(lambda: nothing_waits(redis))
            assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
            assert (await told(redis, NEWCOMER)).outcome is Outcome.COVERED
            assert (await told(redis, OTHER)).outcome is Outcome.COVERED
            await pays(redis, SOMEBODY, 6)
            await ends(redis, SOMEBODY, 4)
            await until(lambda: nothing_waits(redis))
        assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
        assert counts.changes == {"written": 3, "older": 1}

    with_redis(server, play)


def test_a_change_is_as_fresh_as_itself(server: RunningRedis) -> None:
    """Who was changed is told with the change's time, everybody else with the export's."""

    async def play(redis: Redis) -> None:
        generation = await loads(redis, csv_of(people(3)))
        await ends(redis, SOMEBODY, 1)
        async with feeding(feed_of(server, redis)):
            await until(lambda: nothing_waits(redis))
        changed, other = await told(redis, SOMEBODY), await told(redis, OTHER)
        assert other.as_of == generation.as_of
        assert changed.as_of is not None
        assert timedelta(0) < now() - changed.as_of < AN_HOUR / 2

    with_redis(server, play)


def test_what_cannot_be_read_holds_up_nobody(server: RunningRedis) -> None:
    """A bad change is put aside with its reason; the logs tell its place, and never the person."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        counts = Counts()
        wrong = SOMEBODY[:9] + str((int(SOMEBODY[9]) + 1) % 10)
        bad = [await ends(redis, wrong, 1)]
        bad.append(await append(redis, SOMEBODY, "gone", "", "main", "12", minutes_ago(1)))
        bad.append(await append(redis, SOMEBODY, "active", "", "main", "12", minutes_ago(-2000)))
        bad.append(await redis.send("XADD", CHANGES_KEY, "*", "national_id", SOMEBODY))
        await ends(redis, OTHER, 1)
        with capture_logs() as logs:
            async with feeding(feed_of(server, redis, counts=counts)):
                await until(lambda: nothing_waits(redis))
        stream = ChangeStream(redis)
        aside = await stream.bad(10)
        assert [one.id.encode() for one in reversed(aside)] == bad
        assert {one.reason.split()[0] for one in aside} == {"national_id", "status", "updated_at"}
        assert aside[-1].fields["national_id"] == wrong
        assert counts.changes == {"bad": 4, "written": 1}
        assert counts.fields == {"national_id": 1, "status": 2, "updated_at": 1}
        shown = str(logs) + str(aside)
        assert wrong not in shown
        assert SOMEBODY not in shown
        assert bad[0].decode() in shown
        assert (await told(redis, OTHER)).outcome is Outcome.NOT_COVERED
        assert (await told(redis, SOMEBODY)).outcome is Outcome.COVERED

    with_redis(server, play)


def test_an_entry_of_thousands_of_fields_holds_up_nobody(server: RunningRedis) -> None:
    """However many fields somebody appends, and be they empty, the entry is put aside."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        await redis.send("XADD", CHANGES_KEY, "*", *[""] * 9000)
        await ends(redis, OTHER, 1)
        async with feeding(feed_of(server, redis)):
            await until(lambda: nothing_waits(redis))
        (aside,) = await ChangeStream(redis).bad(10)
        assert (aside.reason, aside.fields) == ("entry has more than 64 fields", {})

    with_redis(server, play)


def test_a_change_that_another_has_done_is_not_counted_again(server: RunningRedis) -> None:
    """A gateway that was slow over a change, which another took over, counts nothing for it."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        stream, counts, batch = ChangeStream(redis), Counts(), "0123456789abcdef"

        async def another_does_it() -> None:
            for id_, *_ in await redis.send("XPENDING", CHANGES_KEY, GROUP, "-", "+", 10):
                await redis.send("XACK", CHANGES_KEY, GROUP, id_)

        await stream.append([[SOMEBODY, "active", "", "main", "12", minutes_ago(1)]], batch)
        cache = Meanwhile(redis, another_does_it)
        feed = feed_of(server, redis, cache=cache, counts=counts)
        async with feeding(feed):
            await until(lambda: _marked(redis))
        assert counts.changes == {}
        assert await stream.counts(batch) == {}
        entry = (await stream.since(b"-", None, 1))[0]
        assert not await stream.put_aside(entry, "too late")
        assert await stream.bad_length() == 0

    with_redis(server, play)


async def _marked(redis: Redis) -> bool:
    return await marked(redis) is not None


def test_only_what_was_applied_is_removed(server: RunningRedis) -> None:
    """Neither age nor number removes a change that waits."""

    async def play(redis: Redis) -> None:
        stream = ChangeStream(redis, consumer="dead")
        for n in range(1, 7):
            await ends(redis, national(n), 1)
        later = now() + timedelta(hours=100)
        for keep, limit in ((AN_HOUR, 100), (1000 * AN_HOUR, 2)):
            assert (await stream.tend(later, keep, limit)).length == 6
        await stream.stream.prepare()
        link = await open_redis(server.address, timeout=3.0, name="reader")
        try:
            entries = await stream.stream.read(link, 4, 0.1)
        finally:
            await link.close()
        for keep, limit in ((AN_HOUR, 100), (1000 * AN_HOUR, 2)):
            assert (await stream.tend(later, keep, limit)).length == 6
        await redis.send("XACK", CHANGES_KEY, GROUP, *[entry.id for entry in entries[:3]])
        tended = await stream.tend(later, 1000 * AN_HOUR, 4)
        assert (tended.length, tended.oldest) == (4, entries[3].id)
        assert (await stream.tend(later, AN_HOUR, 100)).length == 3
        # What somebody else removed while it waited is not waited for.
        await redis.send("XDEL", CHANGES_KEY, entries[3].id)
        assert (await stream.tend(later, AN_HOUR, 100)).lost == 1
        assert (await stream.look()).oldest is not None

    with_redis(server, play)


@pytest.mark.parametrize("role", ["cache", "state"])
def test_redis_fails_anywhere(server: RunningRedis, role: str) -> None:
    """Whichever call to Redis fails, every change is applied in the end, and counted once."""

    async def play(redis: Redis, n: int) -> bool:
        await loads(redis, csv_of(people(3)))
        await loads(redis, csv_of(people(4)))
        failing = FailsAt(redis, n)
        batch = "0123456789abcdef"
        stream = ChangeStream(redis)
        rows = [
            [SOMEBODY, "inactive", "", "main", "12", minutes_ago(1)],
            [SOMEBODY, "active", "", "main", "12", minutes_ago(2)],
            [OTHER, "pending", "", "main", "12", minutes_ago(1)],
            ["1", "pending", "", "main", "12", minutes_ago(1)],
        ]
        await stream.append(rows, batch)
        cache: Commands = failing if role == "cache" else redis
        state: Commands = failing if role == "state" else redis
        feed = feed_of(server, redis, cache=cache, state=state)
        async with feeding(feed):
            await until(lambda: nothing_waits(redis))
        counts = await stream.counts(batch)
        assert sum(counts.values()) == 4
        assert counts["bad"] == 1
        assert counts["written"] + counts.get("older", 0) == 3
        assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
        assert (await told(redis, OTHER)).outcome is Outcome.PENDING_PAYMENT
        await Generations(redis, redis).roll_back()
        assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
        return failing.tripped

    for n in count(1):
        if not with_redis(server, partial(play, n=n)) or n > 25:
            break
    assert n > 5


def test_without_people_changes_wait(server: RunningRedis) -> None:
    """Before the first load, and after the cache was emptied, a change waits and is not lost."""

    async def play(redis: Redis) -> None:
        await ends(redis, SOMEBODY, 1)
        counts = Counts()
        settings = ChangeSettings(SETTINGS.kept_for, SETTINGS.limit, timedelta(0), SETTINGS.margin)
        feed = feed_of(server, redis, counts=counts, settings=settings)
        async with feeding(feed):
            await until(lambda: _late(feed.late))
            assert not await nothing_waits(redis)
            await loads(redis, csv_of(people(3)))
            await until(lambda: nothing_waits(redis))
            await feed.tend()
            assert feed.late == ""
            generation = await Generations(redis, redis).current()
            assert generation is not None
            keys = list(generation.layout.bucket_keys())
            await redis.send("DEL", *keys)
            await ends(redis, OTHER, 1)
            await until(lambda: _tried(redis))
            assert not await nothing_waits(redis)
            await loads(redis, csv_of(people(3)))
            await until(lambda: nothing_waits(redis))
        assert (await told(redis, OTHER)).outcome is Outcome.NOT_COVERED
        assert counts.changes["written"] == 2

    with_redis(server, play)


async def _late(said: str) -> bool:
    return said != ""


async def _tried(redis: Redis) -> bool:
    pending = await redis.send("XPENDING", CHANGES_KEY, GROUP)
    return bool(pending[0])


def test_what_a_dead_gateway_took_another_applies(server: RunningRedis) -> None:
    """Changes that a gateway took, and died over, are applied by another."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        await ends(redis, SOMEBODY, 1)
        dead = ChangeStream(redis, consumer="dead").stream
        await dead.prepare()
        link = await open_redis(server.address, timeout=3.0, name="reader")
        try:
            assert len(await dead.read(link, 10, 0.1)) == 1
        finally:
            await link.close()
        counts = Counts()
        async with feeding(feed_of(server, redis, counts=counts)):
            await until(lambda: nothing_waits(redis))
        assert counts.changes == {"written": 1}
        assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED

    with_redis(server, play)


def test_two_gateways_take_each_change_once(server: RunningRedis) -> None:
    """However many gateways there are, each change is counted once."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(300)))
        counts = Counts()
        one = feed_of(server, redis, consumer="one", counts=counts, claim_after=5)
        two = feed_of(server, redis, consumer="two", counts=counts, claim_after=5)
        async with feeding(one), feeding(two):
            await asyncio.gather(*(ends(redis, national(n), 1) for n in range(1, 301)))
            await until(lambda: nothing_waits(redis))
        assert counts.changes == {"written": 300}

    with_redis(server, play)
