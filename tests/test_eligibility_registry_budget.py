"""How often the registry is asked: one budget for all gateways, and a part of it for one alone."""

from eligibility.registry_budget import KEY, RegistryBudget
from state.commands import Commands
from state.link import Redis
from tests.loading import with_redis
from tests.redis_server import FailsAt, RunningRedis
from tests.registry_stub import Clock


def test_budget_of_all_gateways(server: RunningRedis) -> None:
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

    with_redis(server, play)


def test_budget_at_once(server: RunningRedis) -> None:
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

    with_redis(server, play)


def test_budget_alone(server: RunningRedis) -> None:
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

    with_redis(server, play)
