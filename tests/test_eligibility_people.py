"""The cache with the registry behind it: who is asked when, and what is told."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from eligibility.generations import Generations
from eligibility.load import LoadOptions
from eligibility.national_id import NationalId
from eligibility.person_store import Written, write_person
from eligibility.registry import FaultKind, RegistryFault
from eligibility.verdict import Outcome, Source, Status
from state.errors import ReplyError, Unavailable
from state.link import Redis
from tests.loading import NOW, load_text, with_redis
from tests.people_house import (
    COVERED,
    DAY,
    HOUR,
    LAPSED,
    MISSING,
    NEWS,
    NOBODY,
    OLD_NEWS,
    PENDING,
    PEOPLE,
    House,
    house,
    played,
)
from tests.redis_server import RunningRedis


def test_the_cache_is_enough(server: RunningRedis) -> None:
    """Who is found in it, and young enough, is no question for the registry."""

    async def play(own: House) -> None:
        own.clock.passed = 48 * HOUR
        assert (await own.ask(COVERED)).outcome is Outcome.COVERED
        assert (await own.ask(LAPSED)).outcome is Outcome.NOT_COVERED
        own.clock.passed = 1800
        verdict = await own.ask(PENDING)
        assert verdict.outcome is Outcome.PENDING_PAYMENT
        assert verdict.source is Source.CACHE
        assert own.registry.asked == []
        assert own.people.generation == 1

    played(server, play)


@pytest.mark.parametrize(
    ("person", "passed"),
    [
        (MISSING, 0),
        (PENDING, 1801),
        (COVERED, 48 * HOUR + 1),
        (LAPSED, 20 * DAY),
        (COVERED, 31 * DAY),
    ],
)
def test_asked_and_kept(server: RunningRedis, person: NationalId, passed: float) -> None:
    """Not found, pending, or too old: the registry says, and the cache knows it from then on."""

    async def play(own: House) -> None:
        own.clock.passed = passed
        own.registry.people[person] = NEWS
        verdict = await own.ask(person)
        assert (verdict.outcome, verdict.valid_until) == (Outcome.COVERED, NEWS.valid_until)
        assert (verdict.source, verdict.stale) == (Source.REGISTRY, False)
        assert verdict.as_of == own.clock.now()
        own.clock.passed += 24 * HOUR
        again = await own.ask(person)
        assert replace(again, source=Source.REGISTRY) == verdict
        assert again.source is Source.CACHE
        assert own.registry.asked == [person]

    played(server, play)


def test_nobody_knows(server: RunningRedis) -> None:
    """Who is in neither is unknown as of now, and the registry is not asked again at once."""

    async def play(own: House) -> None:
        own.clock.passed = 60 * HOUR
        verdict = await own.ask(NOBODY)
        assert verdict.outcome is Outcome.NOT_FOUND
        assert verdict.source is Source.REGISTRY
        assert verdict.as_of == own.clock.now()
        assert not verdict.stale
        own.clock.passed += 59
        assert await own.ask(NOBODY) == verdict
        assert own.registry.asked == [NOBODY]

    played(server, play)


def test_a_rollback_undoes_no_answer(server: RunningRedis) -> None:
    """What the registry said is told after going back to the generation before, too."""

    async def run(link: Redis) -> None:
        await load_text(link, PEOPLE)
        await load_text(link, PEOPLE)
        own = await house(link)
        own.registry.people = {PENDING: NEWS}
        own.clock.passed = HOUR
        assert (await own.ask(PENDING)).outcome is Outcome.COVERED
        await Generations(link, link).roll_back()
        await own.cache.refresh()
        own.registry.fault = Unavailable("gone")
        verdict = await own.ask(PENDING)
        assert (verdict.outcome, verdict.source) == (Outcome.COVERED, Source.CACHE)
        await own.guard.close()

    with_redis(server, run)


def test_known_since_and_then_no_cache(server: RunningRedis) -> None:
    """Who was unknown a moment ago, and is not, is never told so for want of a cache."""

    async def run(link: Redis) -> None:
        await load_text(link, PEOPLE)
        own = await house(link)
        assert (await own.ask(MISSING)).outcome is Outcome.NOT_FOUND
        own.registry.people = {MISSING: NEWS}
        layout = own.cache.current and own.cache.current.layout
        assert layout
        await write_person(link, layout, MISSING, NEWS)
        assert (await own.ask(MISSING)).outcome is Outcome.COVERED
        await link.send("FLUSHALL")
        assert (await own.ask(MISSING)).outcome is Outcome.COVERED
        await own.guard.close()

    with_redis(server, run)


def test_an_export_after_the_answer(server: RunningRedis) -> None:
    """An export that is later than what is remembered of the registry is what is told."""

    async def run(link: Redis) -> None:
        await load_text(link, PEOPLE, LoadOptions(as_of=NOW - timedelta(minutes=5)))
        own = await house(link)
        await own.cache.refresh()
        own.clock.passed = -30.0
        assert (await own.ask(NOBODY)).as_of == own.clock.now()
        await load_text(link, PEOPLE)
        await own.cache.refresh()
        own.clock.passed = 10.0
        verdict = await own.ask(NOBODY)
        assert (verdict.as_of, verdict.source) == (NOW, Source.CACHE)

    with_redis(server, run)


@pytest.mark.parametrize("change", ["FLUSHALL", "none loaded"])
def test_without_a_cache(server: RunningRedis, change: str) -> None:
    """Where the cache has nobody at all, the registry answers alone, unknown people too."""

    async def play(own: House) -> None:
        if change == "FLUSHALL":
            await own.link.send(change)
        own.registry.people[COVERED] = NEWS
        for _ in range(2):
            verdict = await own.ask(COVERED)
            assert verdict.outcome is Outcome.COVERED
            assert verdict.source is Source.REGISTRY
        assert (await own.ask(NOBODY)).outcome is Outcome.NOT_FOUND
        own.registry.fault = Unavailable("gone")
        with pytest.raises(Unavailable):
            await own.ask(COVERED)

    played(server, play, PEOPLE if change == "FLUSHALL" else "")


def test_what_cannot_be_read_is_nobody_unknown(server: RunningRedis) -> None:
    """Of whom the registry has something unreadable, it is never said that nobody knows them."""

    async def play(own: House) -> None:
        own.registry.fault = RegistryFault(FaultKind.UNREADABLE, "no record")
        assert (await own.ask(MISSING)).outcome is Outcome.CANNOT_CHECK
        assert (await own.ask(COVERED)).outcome is Outcome.COVERED
        own.clock.passed = 1801.0
        assert (await own.ask(PENDING)).outcome is Outcome.PENDING_PAYMENT
        own.registry.fault = RegistryFault(FaultKind.STRANGE, "a proxy's page")
        assert (await own.ask(MISSING)).outcome is Outcome.NOT_FOUND
        await own.link.send("FLUSHALL")
        own.registry.fault = RegistryFault(FaultKind.UNREADABLE, "no record")
        with pytest.raises(Unavailable):
            await own.ask(COVERED)

    played(server, play)


@pytest.mark.parametrize(
    ("person", "passed", "outcome", "stale"),
    [
        (PENDING, 1801, Outcome.PENDING_PAYMENT, False),
        (PENDING, 49 * HOUR, Outcome.PENDING_PAYMENT, True),
        (NOBODY, 0, Outcome.NOT_FOUND, False),
        (NOBODY, 49 * HOUR, Outcome.NOT_FOUND, True),
        (COVERED, 49 * HOUR, Outcome.COVERED, True),
        (LAPSED, 29 * DAY, Outcome.NOT_COVERED, True),
        (COVERED, 31 * DAY, Outcome.CANNOT_CHECK, False),
        (LAPSED, 31 * DAY, Outcome.CANNOT_CHECK, False),
        (NOBODY, 31 * DAY, Outcome.CANNOT_CHECK, False),
    ],
)
def test_the_registry_is_away(
    server: RunningRedis, person: NationalId, passed: float, outcome: Outcome, stale: bool
) -> None:
    """What the cache has is told with its date, and past the limit nothing is."""

    async def play(own: House) -> None:
        own.clock.passed = passed
        own.registry.fault = RegistryFault(FaultKind.AWAY, "gone")
        verdict = await own.ask(person)
        assert (verdict.outcome, verdict.stale) == (outcome, stale)
        assert verdict.as_of == (None if outcome is Outcome.CANNOT_CHECK else NOW)
        assert own.registry.asked == [person]

    played(server, play)


def test_older_than_wished(server: RunningRedis) -> None:
    """A record past `ask_after` that could not be asked about is told with its date."""

    async def run(link: Redis) -> None:
        await load_text(link, PEOPLE)
        own = await house(link, ask_after=HOUR)
        await own.cache.refresh()
        own.registry.fault = Unavailable("gone")
        own.clock.passed = HOUR
        assert not (await own.ask(COVERED)).stale
        own.clock.passed = HOUR + 1
        verdict = await own.ask(COVERED)
        assert (verdict.outcome, verdict.stale, verdict.as_of) == (Outcome.COVERED, True, NOW)

    with_redis(server, run)


@pytest.mark.parametrize("person", [COVERED, PENDING, LAPSED])
def test_an_emptied_registry(server: RunningRedis, person: NationalId) -> None:
    """A registry that suddenly knows nobody makes nobody unknown of whom there is a record."""

    async def run(link: Redis) -> None:
        await load_text(link, PEOPLE)
        own = await house(link, ask_after=HOUR)
        await own.cache.refresh()
        fresh = await own.ask(person)
        own.clock.passed = HOUR + 1
        verdict = await own.ask(person)
        assert verdict == replace(fresh, stale=True)
        assert own.counted["contradicted"] == 1
        own.clock.passed = 31 * DAY
        assert (await own.ask(person)).outcome is Outcome.CANNOT_CHECK
        assert (await own.ask(NOBODY)).outcome is Outcome.NOT_FOUND

    with_redis(server, run)


def test_newer_in_the_cache(server: RunningRedis) -> None:
    """A registry that lags behind never hides what a change has brought already."""

    async def play(own: House) -> None:
        own.clock.passed = 3 * DAY
        own.registry.people = {COVERED: OLD_NEWS, PENDING: OLD_NEWS, LAPSED: NEWS}
        covered = await own.ask(COVERED)
        assert covered.valid_until == date(2027, 3, 20)
        assert (covered.source, covered.stale, covered.as_of) == (Source.CACHE, True, NOW)
        assert (await own.ask(PENDING)).outcome is Outcome.PENDING_PAYMENT
        assert (await own.ask(LAPSED)).outcome is Outcome.COVERED
        # It comes while the registry is being asked.
        later = replace(NEWS, status=Status.INACTIVE, valid_until=None, updated_at=own.clock.now())
        own.registry.people[MISSING] = NEWS
        own.registry.gate = asyncio.Event()
        asking = asyncio.create_task(own.ask(MISSING))
        await own.registry.begun(4)
        assert own.cache.current is not None
        written = await write_person(own.link, own.cache.current.layout, MISSING, later)
        assert written is Written.WRITTEN
        own.registry.gate.set()
        assert (await asking).outcome is Outcome.NOT_COVERED

    played(server, play)


class ReadOnly:
    """A Redis that takes no writes: its disk is full."""

    def __init__(self, link: Redis) -> None:
        self._link = link
        self.send = link.send

    async def script(self, script: Any, keys: Any, *args: Any) -> Any:
        """Budgets are granted, writes refused."""
        if script.name == "write_person":
            raise ReplyError("MISCONF")
        return await self._link.script(script, keys, *args)


def test_a_cache_that_takes_nothing(server: RunningRedis) -> None:
    """What the registry says is told all the same; of two records the newer, as ever."""

    async def run(link: Redis) -> None:
        await load_text(link, PEOPLE)
        own = await house(link, ReadOnly(link))
        await own.cache.refresh()
        own.clock.passed = 3 * DAY
        own.registry.people = {COVERED: OLD_NEWS, PENDING: NEWS, MISSING: OLD_NEWS}
        assert (await own.ask(COVERED)).valid_until == date(2027, 3, 20)
        for person in (PENDING, MISSING):
            verdict = await own.ask(person)
            assert (verdict.outcome, verdict.source) == (Outcome.COVERED, Source.REGISTRY)

    with_redis(server, run)
