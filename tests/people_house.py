"""A cache with its people, a registry behind it, and a clock, for the tests of both together."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.national_id import NationalId
from eligibility.people import AskAfter, CacheThenRegistry, keeping
from eligibility.registry_guard import GuardedRegistry
from eligibility.verdict import Kind, Record, Status, Verdict
from state.commands import Commands
from state.link import Redis
from tests.loading import csv_of, line, load_text, national, with_redis
from tests.redis_server import RunningRedis
from tests.registry_stub import Clock, Count, RegistryStub, guarded

COVERED, PENDING, LAPSED, MISSING, NOBODY = (NationalId.parse(national(n)) for n in range(1, 6))
FRESHNESS = Freshness(timedelta(hours=48), timedelta(days=30))
HOUR, DAY = 3600.0, 86_400.0
PEOPLE = csv_of(
    [
        line(COVERED.digits),
        line(PENDING.digits, "pending", ""),
        line(LAPSED.digits, valid_until="2026-10-22"),
    ]
)
NEWS = Record(
    Status.ACTIVE, date(2028, 3, 19), Kind.VOLUNTARY, 7, datetime(2026, 11, 20, tzinfo=UTC)
)
OLD_NEWS = replace(NEWS, updated_at=datetime(2026, 10, 1, tzinfo=UTC))


@dataclass(slots=True)
class House:
    """A cache with its people, a registry behind it, and a clock."""

    link: Redis
    clock: Clock
    registry: RegistryStub
    guard: GuardedRegistry
    cache: Cache
    people: CacheThenRegistry
    counted: Count

    async def ask(self, person: NationalId) -> Verdict:
        """What somebody is told now."""
        return await self.people.verdict(person, self.clock.now())


async def house(
    link: Redis, commands: Commands | None = None, *, ask_after: float = 48 * HOUR
) -> House:
    """Before Redis `link`, with `commands` in its place where that is to fail."""
    redis = commands or link
    clock, counted = Clock(), Count()
    registry = RegistryStub(clock)
    cache = Cache(redis, redis, FRESHNESS)
    guard = guarded(registry, clock, redis, count=counted, keep=keeping(redis, cache))
    ages = AskAfter(timedelta(seconds=ask_after), timedelta(minutes=30))
    people = CacheThenRegistry(cache, guard, FRESHNESS, ages)
    return House(link, clock, registry, guard, cache, people, counted)


def played(
    redis: RunningRedis, play: Callable[[House], Coroutine[Any, Any, None]], text: str = PEOPLE
) -> None:
    """Play in a house with these people loaded."""

    async def run(link: Redis) -> None:
        if text:
            await load_text(link, text)
        own = await house(link)
        await own.cache.refresh()
        await play(own)
        await own.guard.close()

    with_redis(redis, run)
