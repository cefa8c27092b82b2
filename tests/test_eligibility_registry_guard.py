"""What stands before the registry: one question a person, bounds, breaker, budget, memory."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from eligibility.national_id import NationalId
from eligibility.person_store import Written
from eligibility.registry import FaultKind, RegistryFault
from eligibility.registry_breaker import BreakerState
from eligibility.verdict import Kind, Record, Status
from state.errors import Unavailable
from state.link import Redis
from tests.loading import national, with_redis
from tests.redis_server import RunningRedis
from tests.registry_stub import Clock, Count, RegistryStub, guarded

PEOPLE = [NationalId.parse(national(n)) for n in range(1, 40)]
SOMEBODY, NOBODY = PEOPLE[:2]
RECORD = Record(Status.ACTIVE, date(2027, 3, 20), Kind.MAIN, 12, datetime(2026, 11, 1, tzinfo=UTC))
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


async def settled() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_one_question_a_person(server: RunningRedis) -> None:
    """Many who ask about one person wait for one question; who hangs up does not end it."""

    async def play(link: Redis) -> None:
        clock = Clock()
        registry = RegistryStub(clock)
        registry.people[SOMEBODY] = RECORD
        registry.gate = asyncio.Event()
        guard = guarded(registry, clock, link)
        askers = [asyncio.create_task(guard.ask(SOMEBODY)) for _ in range(30)]
        await registry.begun(1)
        askers[0].cancel()
        await settled()
        registry.gate.set()
        told = await asyncio.gather(*askers[1:])
        assert {t.record.updated_at for t in told if t and t.record} == {RECORD.updated_at}
        assert all(told)
        assert registry.asked == [SOMEBODY]
        assert askers[0].cancelled()
        await guard.ask(SOMEBODY)
        assert registry.asked == [SOMEBODY] * 2
        await guard.close()
        assert registry.closed

    with_redis(server, play)


def test_bounded(server: RunningRedis) -> None:
    """No more questions are under way than are allowed; further people are not asked about."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        registry.gate = asyncio.Event()
        guard = guarded(registry, clock, link, count=count, at_once=3)
        askers = [asyncio.create_task(guard.ask(person)) for person in PEOPLE[:10]]
        await registry.begun(3)
        assert count == {"refused:busy": 7}
        registry.gate.set()
        told = await asyncio.gather(*askers)
        assert sum(t is not None for t in told) == 3
        assert await guard.ask(PEOPLE[9]) is not None
        assert registry.most_at_once == 3
        await guard.close()

    with_redis(server, play)


class Clings(RegistryStub):
    """A library that takes its time to end a question that is given up."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.let_go = asyncio.Event()

    async def person(self, person: NationalId) -> Record | None:
        self.asked.append(person)
        try:
            await asyncio.Event().wait()
        finally:
            await self.let_go.wait()
        return None


def test_too_late(server: RunningRedis) -> None:
    """Nobody waits longer than is set; what was given up keeps its place until it has ended."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = Clings(clock)
        guard = guarded(registry, clock, link, count=count, at_once=1, timeout=0.02)
        assert await guard.ask(SOMEBODY) is None
        async with asyncio.timeout(20):
            await count.failed.wait()
        await settled()
        assert count == {"late": 1}
        assert await guard.ask(NOBODY) is None
        assert count["refused:busy"] == 1
        registry.let_go.set()
        await settled()
        assert await guard.ask(NOBODY) is None
        assert registry.asked == [SOMEBODY, NOBODY]
        await guard.close()

    with_redis(server, play)


def test_remembered(server: RunningRedis) -> None:
    """Whom the registry does not know is not asked about again for a while, and then is."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        guard = guarded(registry, clock, link, count=count, remembered_for=60)
        first = await guard.ask(NOBODY)
        assert first is not None
        assert first.record is None
        clock.passed = 59.9
        registry.people[NOBODY] = RECORD
        assert await guard.ask(NOBODY) == first
        assert registry.asked == [NOBODY]
        clock.passed = 60
        told = await guard.ask(NOBODY)
        assert told is not None
        assert told.record is not None
        assert told.asked_at == clock.now()
        assert count == {"unknown": 1, "known": 1}

    with_redis(server, play)


@pytest.mark.parametrize(("kept", "asked"), [(Written.OLDER, 1), (Written.WRITTEN, 2), (None, 2)])
def test_what_the_cache_cannot_hold(server: RunningRedis, kept: Written | None, asked: int) -> None:
    """A registry that has an older record than the cache is not asked again and again."""

    async def keep(person: NationalId, record: Record) -> Written | None:
        assert person == SOMEBODY
        assert record.confirmed_at is not None
        return kept

    async def play(link: Redis) -> None:
        clock = Clock()
        registry = RegistryStub(clock)
        registry.people[SOMEBODY] = RECORD
        guard = guarded(registry, clock, link, keep=keep)
        for _ in range(2):
            told = await guard.ask(SOMEBODY)
            assert told is not None
            assert told.kept is kept
        assert len(registry.asked) == asked

    with_redis(server, play)


def test_breaker(server: RunningRedis) -> None:
    """A failing registry is left alone; one probe after each pause, which doubles to its limit."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        registry.fault = Unavailable("gone")
        guard = guarded(registry, clock, link, count=count)
        for person in PEOPLE[:5]:
            assert await guard.ask(person) is None
        assert len(registry.asked) == 3
        assert guard.breaker is OPEN
        # Half of the pause is always kept, half of the rest is taken off by the test's 0.5.
        for pause in (6.0, 12.0, 24.0, 24.0):
            before = len(registry.asked)
            clock.passed += pause - 0.01
            assert await guard.ask(SOMEBODY) is None
            assert len(registry.asked) == before
            clock.passed += 0.01
            registry.gate = asyncio.Event()
            probes = [asyncio.create_task(guard.ask(person)) for person in PEOPLE[:3]]
            await registry.begun(before + 1)
            await settled()
            assert guard.breaker is HALF_OPEN
            registry.gate.set()
            assert await asyncio.gather(*probes) == [None] * 3
            assert len(registry.asked) == before + 1
            assert guard.breaker is OPEN
            registry.gate = None
        clock.passed += 24
        registry.fault = None
        assert await guard.ask(SOMEBODY) is not None
        assert guard.breaker is CLOSED
        assert count["away"] == 7
        assert count["breaker:open"] == 5
        # From the beginning again: three faults, and the first pause.
        registry.fault = Unavailable("gone")
        for person in PEOPLE[3:6]:
            await guard.ask(person)
        clock.passed += 6
        registry.fault = None
        assert await guard.ask(PEOPLE[7]) is not None

    with_redis(server, play)


def test_one_bad_row_is_not_a_registry_away(server: RunningRedis) -> None:
    """People whose rows cannot be read do not keep the others from being asked about."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        registry.fault = RegistryFault(FaultKind.UNREADABLE, "no record")
        guard = guarded(registry, clock, link, count=count)
        for person in PEOPLE[:6]:
            told = await guard.ask(person)
            assert told is not None
            assert not told.readable
        assert guard.breaker is CLOSED
        registry.fault = KeyError(SOMEBODY.digits)
        for person in PEOPLE[:3]:
            assert await guard.ask(person) is None
        assert guard.breaker is OPEN
        assert count["unreadable"] == 6
        assert count["strange"] == 3

    with_redis(server, play)


def test_over_budget_nobody_is_asked(server: RunningRedis) -> None:
    """Beyond the budget the registry hears nothing, and the breaker's probe is not spent."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        guard = guarded(registry, clock, link, count=count, per_second=0.001)
        assert await guard.ask(SOMEBODY) is not None
        assert await guard.ask(NOBODY) is None
        assert registry.asked == [SOMEBODY]
        assert count == {"unknown": 1, "refused:budget": 1}

    with_redis(server, play)
