import asyncio
from collections.abc import Sequence
from itertools import count

import pytest

from eligibility.generation import BadGeneration, Generation
from eligibility.generations import GENERATIONS_KEY, INVENTORY_KEY, Generations, NoRollback
from eligibility.lease import LEASE_KEY, LeaseLost, load_lease
from eligibility.load_errors import LoadError, LoadFailed
from eligibility.verdict import Outcome
from state.commands import Arg, Commands, Reply, Script
from state.errors import Unavailable
from state.link import Redis
from tests.loading import covered, csv_of, line, load_text, national, verdict_on, with_redis
from tests.redis_server import FailsAt, RunningRedis


def branch(number: int) -> str:
    """A file in which everybody belongs to one branch, so that it shows who answers."""
    return csv_of([line(national(n), branch=str(number)) for n in range(1, 200)])


async def answering(link: Commands) -> int | None:
    """The branch that the generation in service tells."""
    return (await verdict_on(link, national(1))).branch


async def numbers(link: Commands) -> list[int]:
    """The generations that there are."""
    return [generation.number for generation in await Generations(link, link).known()]


async def keys_of(link: Commands, generation: Generation) -> list[bytes]:
    """Every key of a generation in the cache role."""
    found = [await link.send("KEYS", f"{family}:{generation.token}:*") for family in "pf"]
    return sorted(found[0] + found[1])


def test_two_are_kept(server: RunningRedis) -> None:
    """The generation that answers and the one before are kept; all older ones are freed."""

    async def play(link: Redis) -> None:
        loaded = [(await load_text(link, branch(number)))[0] for number in (1, 2, 3)]
        assert await answering(link) == 3
        assert await numbers(link) == [2, 3]
        kept = [bool(await keys_of(link, one.generation)) for one in loaded]
        assert kept == [False, True, True]
        assert sorted(await link.send("HKEYS", INVENTORY_KEY)) == [b"2", b"3"]

    with_redis(server, play)


def test_rollback(server: RunningRedis) -> None:
    """A rollback lets the previous generation answer, and a second one undoes it."""

    async def play(link: Redis) -> None:
        generations = Generations(link, link)
        with pytest.raises(NoRollback, match="no earlier generation"):
            await generations.roll_back()
        await load_text(link, branch(1))
        with pytest.raises(NoRollback, match="no earlier generation"):
            await generations.roll_back()
        await load_text(link, branch(2))
        assert (await generations.roll_back()).number == 1
        assert await answering(link) == 1
        assert (await generations.roll_back()).number == 2
        assert await answering(link) == 2
        await generations.roll_back()
        await load_text(link, branch(3))
        assert await numbers(link) == [1, 3]
        assert (await generations.roll_back()).number == 1

    with_redis(server, play)


def test_rollback_to_nobody(server: RunningRedis) -> None:
    """There is no rollback to a generation whose people are gone."""

    async def play(link: Redis) -> None:
        first = (await load_text(link, branch(1)))[0].generation
        await load_text(link, branch(2))
        await link.send("DEL", first.layout.nationals.key(0))
        with pytest.raises(NoRollback, match="generation 1 are no longer in the cache"):
            await Generations(link, link).roll_back()
        assert await answering(link) == 2

    with_redis(server, play)


def test_numbers_are_never_used_again(server: RunningRedis) -> None:
    """Not even after the state role was lost is a number given out that lies in the cache."""

    async def play(link: Redis) -> None:
        first = (await load_text(link, branch(1)))[0].generation
        await load_text(link, branch(2))
        await link.send("DEL", GENERATIONS_KEY)
        third = (await load_text(link, branch(3)))[0].generation
        assert third.number == 3
        assert await answering(link) == 3
        assert await keys_of(link, first) == []

    with_redis(server, play)


def test_lease_lost(server: RunningRedis) -> None:
    """A loader that lost its lease can move nothing any more."""

    async def play(link: Redis) -> None:
        await load_text(link, branch(1))
        facts = (await Generations(link, link).known())[0]
        generations = Generations(link, link)
        async with load_lease(link, "mine"):
            await link.send("SET", LEASE_KEY, "another's")
            for attempt in (
                generations.allocate("mine"),
                generations.mark_ready("mine", facts),
                generations.switch("mine", 1),
                generations.free_leftovers("mine"),
            ):
                with pytest.raises(LeaseLost):
                    await attempt
        assert await link.send("GET", LEASE_KEY) == b"another's"

    with_redis(server, play)


def test_not_ready(server: RunningRedis) -> None:
    """A generation that is still being loaded cannot be switched to."""

    async def play(link: Redis) -> None:
        await load_text(link, branch(1))
        generations = Generations(link, link)
        facts = (await generations.known())[0].to_json().replace("ready", "loading")
        await link.send("HSET", GENERATIONS_KEY, "1", facts)
        async with load_lease(link, "mine"):
            with pytest.raises(LeaseLost):
                await generations.switch("mine", 1)

    with_redis(server, play)


@pytest.mark.parametrize("stored", [b"", b"{}", b"[1]", b'{"number": "x"}', b"\xff"])
def test_damaged_facts(stored: bytes) -> None:
    """Facts that cannot be read are said to be so."""
    with pytest.raises(BadGeneration):
        Generation.from_json(stored)


class LosesReplyAt:
    """Commands whose n-th call is done by Redis, and its reply lost on the way."""

    def __init__(self, commands: Commands, n: int) -> None:
        self._commands = commands
        self._left = n
        self.tripped = False

    def _loses(self) -> bool:
        self._left -= 1
        self.tripped = self.tripped or self._left == 0
        return self._left == 0

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        future = self._commands.send(*args)
        return asyncio.ensure_future(_lost(future)) if self._loses() else future

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        loses = self._loses()
        reply = await self._commands.script(script, keys, *args)
        if loses:
            raise Unavailable("reply lost by the test")
        return reply


async def _lost(future: asyncio.Future[Reply]) -> Reply:
    await future
    raise Unavailable("reply lost by the test")


@pytest.mark.parametrize("fault", [FailsAt, LosesReplyAt])
def test_redis_fails_anywhere(
    server: RunningRedis, fault: type[FailsAt] | type[LosesReplyAt]
) -> None:
    """Whichever Redis call of a load fails, people are answered wholly from one generation.

    It is the old one, unless the load succeeded or the reply to the very switch was lost; and the
    next load leaves nothing behind of the failed one.
    """

    async def play(link: Redis) -> int:
        await load_text(link, branch(0))
        for n in count(1):
            old, new = 2 * n - 1, 2 * n
            await load_text(link, branch(old))
            faulty = fault(link, n)
            possible = {old} if fault is FailsAt else {old, new}
            try:
                await load_text(faulty, branch(new))
                possible = {new}
            except LoadFailed:
                assert faulty.tripped
            told = {(await verdict_on(link, national(who))).branch for who in range(1, 200, 9)}
            assert len(told) == 1
            assert told <= possible
            assert (await verdict_on(link, national(5_000))).outcome is Outcome.NOT_FOUND
            if not faulty.tripped:
                return n
            await link.send("DEL", LEASE_KEY)  # as if its time had run out
            await load_text(link, branch(new))
            assert await answering(link) == new
            whole = [await keys_of(link, one) for one in await Generations(link, link).known()]
            assert len(whole) == 2
            others = {INVENTORY_KEY, GENERATIONS_KEY.encode()}
            assert set(await link.send("KEYS", "*")) == others.union(*whole)
        raise AssertionError("unreachable")

    assert with_redis(server, play) > 20


def test_error_says_nothing_of_people(server: RunningRedis) -> None:
    """No error of a load holds an ID, whatever fails."""

    async def play(link: Redis) -> None:
        said: list[str] = []
        for n in range(1, 40):
            try:
                await load_text(FailsAt(link, n), csv_of(covered(20, first=123_456_000)))
            except LoadError as error:
                said.append(str(error) + repr(error) + repr(error.__cause__))
        assert len(said) > 10
        assert "123456" not in "".join(said)

    with_redis(server, play)
