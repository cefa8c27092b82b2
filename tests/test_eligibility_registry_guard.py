"""What stands before the registry: one question a person, bounds, breaker, budget, memory."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eligibility.national_id import NationalId
from eligibility.person_store import Written
from eligibility.registry import FaultKind, RegistryFault
from eligibility.registry_breaker import Breaker, BreakerSettings, BreakerState
from eligibility.registry_budget import KEY, RegistryBudget
from eligibility.verdict import Kind, Record, Status
from state.commands import Commands
from state.errors import Unavailable
from state.link import Redis
from tests.loading import national, with_redis
from tests.redis_server import FailsAt, RunningRedis, running_redis
from tests.registry_stub import Clock, Count, RegistryStub, guarded

PEOPLE = [NationalId.parse(national(n)) for n in range(1, 40)]
SOMEBODY, NOBODY = PEOPLE[:2]
RECORD = Record(Status.ACTIVE, date(2027, 3, 20), Kind.MAIN, 12, datetime(2026, 11, 1, tzinfo=UTC))
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    """One Redis for all tests here; each empties it."""
    with running_redis() as running:
        yield running


async def settled() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_one_question_a_person(redis: RunningRedis) -> None:
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

    with_redis(redis, play)


def test_bounded(redis: RunningRedis) -> None:
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

    with_redis(redis, play)


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


def test_too_late(redis: RunningRedis) -> None:
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

    with_redis(redis, play)


def test_remembered(redis: RunningRedis) -> None:
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

    with_redis(redis, play)


@pytest.mark.parametrize(("kept", "asked"), [(Written.OLDER, 1), (Written.WRITTEN, 2), (None, 2)])
def test_what_the_cache_cannot_hold(redis: RunningRedis, kept: Written | None, asked: int) -> None:
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

    with_redis(redis, play)


def test_breaker(redis: RunningRedis) -> None:
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

    with_redis(redis, play)


def test_one_bad_row_is_not_a_registry_away(redis: RunningRedis) -> None:
    """People whose rows cannot be read do not keep the others from being asked about."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        registry.fault = RegistryFault(FaultKind.UNREADABLE, "no record")
        guard = guarded(registry, clock, link, count=count)
        for person in PEOPLE[:6]:
            assert await guard.ask(person) is None
        assert guard.breaker is CLOSED
        registry.fault = KeyError(SOMEBODY.digits)
        for person in PEOPLE[:3]:
            assert await guard.ask(person) is None
        assert guard.breaker is OPEN
        assert count["unreadable"] == 6
        assert count["strange"] == 3

    with_redis(redis, play)


@pytest.mark.parametrize("answered", [True, False])
def test_late_answers_settle_nothing(answered: bool) -> None:
    """What was asked before the pause neither closes nor opens anything when it ends at last."""
    breaker = Breaker(BreakerSettings(1, 8.0, 32.0), random=lambda: 0.0, changed=lambda _: None)
    early, failing = breaker.admit(0), breaker.admit(0)
    assert early is not None
    assert failing is not None
    breaker.settle(failing, answered=False, now=0)
    assert breaker.state is OPEN
    probe = breaker.admit(8)
    assert probe is not None
    breaker.settle(early, answered=answered, now=8)
    assert breaker.state is HALF_OPEN
    breaker.settle(probe, answered=True, now=8)
    assert breaker.state is CLOSED


@given(st.lists(st.tuples(st.sampled_from(["ask", "ok", "bad", "wait"]), st.integers(0, 40))))
def test_breaker_in_any_order(steps: list[tuple[str, int]]) -> None:
    """However answers come in, a failing registry has one probe at a time, and none in a pause."""
    states: list[BreakerState] = []
    breaker = Breaker(BreakerSettings(3, 8.0, 32.0), random=lambda: 0.0, changed=states.append)
    now, opened, probe = 0.0, -1.0, -1
    tickets: list[int] = []
    for what, number in steps:
        before = breaker.state
        if what == "wait":
            now += number
        elif what == "ask":
            ticket = breaker.admit(now)
            if before is OPEN and now < opened + 8:
                assert ticket is None
            if before is HALF_OPEN:
                assert ticket is None
            if ticket is not None:
                tickets.append(ticket)
                probe = ticket
        elif tickets:
            ticket = tickets.pop(number % len(tickets))
            breaker.settle(ticket, answered=what == "ok", now=now)
            if before is HALF_OPEN:
                # What was asked before the pause says nothing of now.
                expected = (CLOSED if what == "ok" else OPEN) if ticket == probe else HALF_OPEN
                assert breaker.state is expected
            if before is not OPEN and breaker.state is OPEN:
                opened = now
            if before is OPEN:
                assert breaker.state is OPEN
    # Whatever happened, it can be asked again some day.
    for ticket in tickets:
        breaker.settle(ticket, answered=True, now=now)
    assert breaker.would_admit(now + 32)


def test_budget_of_all_gateways(redis: RunningRedis) -> None:
    """The questions of all gateways together keep to one budget, which fills up again."""

    async def play(link: Redis) -> None:
        clock = Clock()
        # So slow that no machine is slow enough for one to come back meanwhile.
        one, other = (RegistryBudget(link, 0.001, seconds=clock.seconds) for _ in range(2))
        assert await one.take()
        assert not await other.take()
        assert not await one.take()
        await link.send("HINCRBY", KEY, "at", -2_000_000)
        # It was told when to ask again, and does not ask Redis before.
        assert not await other.take()
        clock.passed += 1001
        assert await other.take()
        assert not await one.take()
        ttl = await link.send("PTTL", KEY)
        assert 0 < ttl <= 1_060_000

    with_redis(redis, play)


def test_budget_at_once(redis: RunningRedis) -> None:
    """A second's questions may be asked at once, and after a long rest no more than that."""

    async def play(link: Redis) -> None:
        clock = Clock()
        budget = RegistryBudget(link, 5, seconds=clock.seconds)
        await budget.take()
        await link.send("HINCRBY", KEY, "at", -3_600_000)
        granted = 0
        while await budget.take():
            granted += 1
        # One may come back for each fifth of a second that this took.
        assert 5 <= granted < 50
        before = await link.send("HGETALL", KEY)
        assert not await budget.take()
        assert await link.send("HGETALL", KEY) == before

    with_redis(redis, play)


def test_budget_alone(redis: RunningRedis) -> None:
    """Without the state role a gateway takes a tenth of the budget, and tries it again."""

    async def play(link: Redis) -> None:
        clock = Clock()
        down = FailsAt(link, 1)
        commands: Commands = down
        budget = RegistryBudget(commands, 30, seconds=clock.seconds)
        granted = [await budget.take() for _ in range(6)]
        assert granted == [True] * 3 + [False] * 3
        assert await link.send("EXISTS", KEY) == 0
        clock.passed = 0.5
        assert [await budget.take() for _ in range(2)] == [True, False]
        assert await link.send("EXISTS", KEY) == 0
        clock.passed = 1.0
        assert await budget.take()
        assert await link.send("EXISTS", KEY) == 1

    with_redis(redis, play)


def test_over_budget_nobody_is_asked(redis: RunningRedis) -> None:
    """Beyond the budget the registry hears nothing, and the breaker's probe is not spent."""

    async def play(link: Redis) -> None:
        clock, count = Clock(), Count()
        registry = RegistryStub(clock)
        guard = guarded(registry, clock, link, count=count, per_second=0.001)
        assert await guard.ask(SOMEBODY) is not None
        assert await guard.ask(NOBODY) is None
        assert registry.asked == [SOMEBODY]
        assert count == {"unknown": 1, "refused:budget": 1}

    with_redis(redis, play)
