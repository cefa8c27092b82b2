import asyncio
from contextlib import suppress
from datetime import timedelta
from itertools import count

import pytest

from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.generation import Generation
from eligibility.generations import GENERATIONS_KEY, Generations
from eligibility.load import LoadOptions
from eligibility.national_id import NationalId
from eligibility.verdict import Outcome
from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.link import Redis
from tests.loading import ANY_AGE, NOW, covered, csv_of, line, load_text, national, with_redis
from tests.redis_server import FailsAt, RunningRedis

SOMEBODY, NOBODY = NationalId.parse(national(1)), NationalId.parse(national(5_000))


async def outcome(cache: Cache, person: NationalId = SOMEBODY) -> Outcome:
    """What an inquiry about a person comes to."""
    return (await cache.verdict(person, NOW)).outcome


async def looked_up(redis: Commands) -> Cache:
    """A cache that has looked its pointer up once."""
    cache = Cache(redis, redis, ANY_AGE)
    await cache.refresh()
    return cache


def test_no_generation(server: RunningRedis) -> None:
    """Before the first load nobody is unknown: it cannot be checked. After it, it can."""

    async def play(link: Redis) -> None:
        cache = await looked_up(link)
        assert cache.generation is None
        with pytest.raises(Unavailable, match="no generation"):
            await cache.find(SOMEBODY)
        await load_text(link, csv_of(covered(3)))
        assert await outcome(cache) is Outcome.COVERED
        assert cache.generation == 1

    with_redis(server, play)


@pytest.mark.parametrize(("person", "trips"), [(SOMEBODY, 1), (NOBODY, 2)])
def test_round_trips(server: RunningRedis, person: NationalId, trips: int) -> None:
    """Whoever the registry knows costs one question of Redis, and whoever it does not know two."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        for n in (trips, trips + 1):
            cache = await looked_up(link)
            counting = FailsAt(link, n)
            cache._cache = counting
            with suppress(Unavailable):
                await cache.verdict(person, NOW)
            assert counting.tripped == (n == trips)

    with_redis(server, play)


@pytest.mark.parametrize("keep", [(), (GENERATIONS_KEY,)])
def test_emptied(server: RunningRedis, keep: tuple[str, ...]) -> None:
    """A cache that was emptied makes nobody unknown, whether or not the pointer is left."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        cache = await looked_up(link)
        assert await outcome(cache, NOBODY) is Outcome.NOT_FOUND
        for key in await link.send("KEYS", "*"):
            if key.decode() not in keep:
                await link.send("DEL", key)
        for person in (SOMEBODY, NOBODY):
            with pytest.raises(Unavailable):
                await cache.find(person)

    with_redis(server, play)


def test_swapped(server: RunningRedis) -> None:
    """Another installation's cache, with a generation of the same number, makes nobody unknown."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        ours = await link.send("HGET", GENERATIONS_KEY, "current")
        await link.send("FLUSHALL")
        await load_text(link, csv_of(covered(3, first=700)))
        await link.send("HSET", GENERATIONS_KEY, "current", ours)
        cache = await looked_up(link)
        for person in (SOMEBODY, NationalId.parse(national(701))):
            with pytest.raises(Unavailable, match="not in the cache"):
                await cache.find(person)

    with_redis(server, play)


def test_freed_while_in_use(server: RunningRedis) -> None:
    """A gateway that missed two switches finds the new generation by itself."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        cache = await looked_up(link)
        for branch in ("2", "3"):
            lines = [line(national(1), branch=branch), *covered(2, first=2)]
            await load_text(link, csv_of(lines))
        assert cache.generation == 1
        assert (await cache.verdict(SOMEBODY, NOW)).branch == 3
        assert cache.generation == 3
        assert await outcome(cache, NOBODY) is Outcome.NOT_FOUND

    with_redis(server, play)


def test_notices_a_switch(server: RunningRedis) -> None:
    """A switch and a rollback are noticed without anybody asking."""

    async def play(link: Redis) -> None:
        seen: asyncio.Queue[Generation] = asyncio.Queue()
        cache = Cache(link, link, ANY_AGE, polled_every=0.001, noticed=seen.put_nowait)
        await cache.start()
        async with asyncio.timeout(20):
            for number in (1, 2):
                await load_text(link, csv_of([line(national(1), branch=str(number))]))
                assert (await seen.get()).number == number
            await Generations(link, link).roll_back()
            assert (await seen.get()).number == 1
        assert (await cache.verdict(SOMEBODY, NOW)).branch == 1
        await cache.close()
        assert seen.empty()

    with_redis(server, play)


def test_as_of(server: RunningRedis) -> None:
    """An answer is as old as the export, or as the record where that is newer."""

    async def play(link: Redis) -> None:
        exported = NOW - timedelta(days=10)
        lines = [
            line(national(1), updated_at=(exported - timedelta(days=5)).isoformat()),
            line(national(2), updated_at=(exported + timedelta(days=5)).isoformat()),
        ]
        await load_text(link, csv_of(lines), LoadOptions(as_of=exported))
        cache = Cache(link, link, Freshness(timedelta(days=7), timedelta(days=12)))
        await cache.refresh()
        newer = NationalId.parse(national(2))
        told = [await cache.verdict(person, NOW) for person in (SOMEBODY, newer, NOBODY)]
        assert [(verdict.outcome, verdict.as_of, verdict.stale) for verdict in told] == [
            (Outcome.COVERED, exported, True),
            (Outcome.COVERED, exported + timedelta(days=5), False),
            (Outcome.NOT_FOUND, exported, True),
        ]
        later = NOW + timedelta(days=3)
        told = [await cache.verdict(person, later) for person in (SOMEBODY, newer, NOBODY)]
        assert [verdict.outcome for verdict in told] == [
            Outcome.CANNOT_CHECK,
            Outcome.COVERED,
            Outcome.CANNOT_CHECK,
        ]

    with_redis(server, play)


def test_unreadable_record(server: RunningRedis) -> None:
    """A record of a version that is not known here cannot be checked, and is not guessed at."""

    async def play(link: Redis) -> None:
        facts = (await load_text(link, csv_of(covered(3))))[0].generation
        await link.send("HSET", *facts.layout.address(SOMEBODY), b"\xff" * 10)
        assert await outcome(await looked_up(link)) is Outcome.CANNOT_CHECK

    with_redis(server, play)


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever Redis call of a lookup fails, nobody is told anything wrong."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        stale = await looked_up(link)
        before = stale.current
        for _ in range(2):
            await load_text(link, csv_of(covered(3)))
        for person, right in ((SOMEBODY, Outcome.COVERED), (NOBODY, Outcome.NOT_FOUND)):
            for n in count(1):
                faulty = FailsAt(link, n)
                cache = Cache(faulty, faulty, ANY_AGE)
                cache._current = before
                try:
                    assert await outcome(cache, person) is right
                except (Unavailable, ReplyError):
                    assert faulty.tripped
                else:
                    assert not faulty.tripped
                    break

    with_redis(server, play)
