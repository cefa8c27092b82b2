"""
Generations behind a pointer: a load builds a new one beside the one that answers, then switches.

In the state role (durable), one hash, so that each script has one slot:

    {generations}    last           the highest number given out
                     NUMBER         the facts of a generation (generation.py)
                     current        the facts of the one that answers
                     previous       the facts of the one before, kept for a rollback

In the cache role (rebuildable):

    p:TOKEN:BUCKET, f:TOKEN:BUCKET    the people (buckets.py)
    p:inventory                       NUMBER -> token and widths of all that may lie in the cache

The inventory is written first and deleted last, so that nothing a dead load
leaves behind is forgotten, not even when the state role was lost.
"""

from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from eligibility.buckets import WHOLE, Layout
from eligibility.generation import Generation, Phase
from eligibility.lease import LEASE_KEY, LeaseLost
from eligibility.pipeline import replies, send_all
from state.commands import Commands, Script

GENERATIONS_KEY = "{generations}"
INVENTORY_KEY = b"p:inventory"

BUCKETS_LOOKED_AT: Final = 256
"""Before a rollback: an emptied or a half-freed cache has none, or not all, of these."""

_ALLOCATE = Script(
    "allocate_generation",
    """
    -- KEYS generations, lease   ARGV lease token, the highest number that the cache knows
    if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
    local last = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
    local number = math.max(last, tonumber(ARGV[2])) + 1
    redis.call('HSET', KEYS[1], 'last', number)
    return number
    """,
)
_RECORD = Script(
    "record_generation",
    """
    -- KEYS generations, lease   ARGV lease token, number, facts
    if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
    return 1
    """,
)
_DROP_PREVIOUS = Script(
    "drop_previous_generation",
    """
    -- KEYS generations, lease   ARGV lease token
    if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
    redis.call('HDEL', KEYS[1], 'previous')
    return 1
    """,
)
_SWITCH = Script(
    "switch_generation",
    """
    -- KEYS generations, lease   ARGV lease token, number
    if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
    local facts = redis.call('HGET', KEYS[1], ARGV[2])
    if not facts or cjson.decode(facts)['phase'] ~= 'ready' then return 0 end
    local current = redis.call('HGET', KEYS[1], 'current')
    if current then redis.call('HSET', KEYS[1], 'previous', current) end
    redis.call('HSET', KEYS[1], 'current', facts)
    return 1
    """,
)
_ROLL_BACK = Script(
    "roll_back_generation",
    """
    -- KEYS generations   ARGV current, previous, as they were when this was decided
    if redis.call('HGET', KEYS[1], 'current') ~= ARGV[1] then return 0 end
    if redis.call('HGET', KEYS[1], 'previous') ~= ARGV[2] then return 0 end
    redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', ARGV[1])
    return 1
    """,
)


class NoRollback(Exception):
    """There is nothing to go back to; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """What answers, and what answered before."""

    current: Generation | None
    previous: Generation | None

    @property
    def numbers(self) -> frozenset[int]:
        """The generations to be kept."""
        return frozenset(g.number for g in (self.current, self.previous) if g)


class Generations:
    """Every method raises Unavailable or ReplyError where Redis does not do its part."""

    def __init__(self, cache: Commands, state: Commands) -> None:
        self._cache = cache
        self._state = state

    async def current(self) -> Generation | None:
        """The generation that answers. Raises BadGeneration."""
        stored = await self._state.send("HGET", GENERATIONS_KEY, "current")
        return None if stored is None else Generation.from_json(stored)

    async def pointer(self) -> Pointer:
        """What answers, and what answered before. Raises BadGeneration."""
        stored = await self._state.send("HMGET", GENERATIONS_KEY, "current", "previous")
        current, previous = (None if s is None else Generation.from_json(s) for s in stored)
        return Pointer(current, previous)

    async def known(self) -> list[Generation]:
        """All generations with facts, by number. Raises BadGeneration."""
        flat = await self._state.send("HGETALL", GENERATIONS_KEY)
        fields = zip(flat[::2], flat[1::2], strict=True)
        found = [Generation.from_json(facts) for name, facts in fields if name.isdigit()]
        return sorted(found, key=lambda generation: generation.number)

    async def allocate(self, lease: str) -> int:
        """A number that no generation ever had, here or in the cache. Raises LeaseLost."""
        numbers = [int(n) for n in await self._cache.send("HKEYS", INVENTORY_KEY)]
        keys = [GENERATIONS_KEY, LEASE_KEY]
        number = await self._state.script(_ALLOCATE, keys, lease, max(numbers, default=0))
        if not number:
            raise LeaseLost("the load's lease has ended")
        return int(number)

    async def begin(self, lease: str, generation: Generation) -> None:
        """Write down what is about to be loaded, before its first person. Raises LeaseLost."""
        lying = f"{generation.token} {generation.width} {generation.foreign_width}"
        await self._cache.send("HSET", INVENTORY_KEY, generation.number, lying)
        await self._record(lease, generation)

    async def lies_whole(self, generation: Generation) -> bool:
        """Whether its people are in the cache, by some buckets spread over all of it."""
        every = max(1, generation.layout.buckets // BUCKETS_LOOKED_AT)
        looks = (
            (b"HEXISTS", key, WHOLE)
            for key in islice(generation.layout.bucket_keys(), 0, None, every)
        )
        async with aclosing(replies(self._cache, looks)) as found:
            return all([there async for there in found])

    async def mark_ready(self, lease: str, generation: Generation) -> Generation:
        """Make a verified and saved generation fit for the switch. Raises LeaseLost."""
        ready = replace(generation, phase=Phase.READY)
        await self._record(lease, ready)
        return ready

    async def _record(self, lease: str, generation: Generation) -> None:
        keys = [GENERATIONS_KEY, LEASE_KEY]
        facts = generation.to_json()
        if not await self._state.script(_RECORD, keys, lease, generation.number, facts):
            raise LeaseLost("the load's lease has ended")

    async def drop_previous(self, lease: str) -> None:
        """Let free_leftovers have the one before the one that answers. Raises LeaseLost."""
        if not await self._state.script(_DROP_PREVIOUS, [GENERATIONS_KEY, LEASE_KEY], lease):
            raise LeaseLost("the load's lease has ended")

    async def switch(self, lease: str, number: int) -> None:
        """Let a ready generation answer, and keep the one before. Raises LeaseLost."""
        if not await self._state.script(_SWITCH, [GENERATIONS_KEY, LEASE_KEY], lease, number):
            raise LeaseLost("the load's lease has ended")

    async def forget(self, number: int) -> None:
        """Drop the facts of a generation that was never switched to.

        What it left in the cache stays in the inventory, for the next load to free.
        """
        await self._state.send("HDEL", GENERATIONS_KEY, number)

    async def roll_back(self) -> Generation:
        """Let the previous generation answer again; a second call undoes the first.

        Raises NoRollback, BadGeneration.
        """
        stored = await self._state.send("HMGET", GENERATIONS_KEY, "current", "previous")
        if stored[0] is None or stored[1] is None:
            raise NoRollback("There is no earlier generation to go back to.")
        previous = Generation.from_json(stored[1])
        if not await self.lies_whole(previous):
            raise NoRollback(
                f"The people of generation {previous.number} are no longer in the cache; "
                "load its file again."
            )
        if not await self._state.script(_ROLL_BACK, [GENERATIONS_KEY], *stored):
            raise NoRollback("The generations changed at this very moment; look again.")
        return previous

    async def free_leftovers(self, lease: str) -> list[int]:
        """Free all but the current and the previous generation.

        Gives the numbers that were freed. A generation that was neither never becomes one again,
        so what is decided here stays right however long the freeing takes. Raises LeaseLost,
        BadGeneration.
        """
        inventory = await self._cache.send("HGETALL", INVENTORY_KEY)
        lying = dict(zip(map(int, inventory[::2]), inventory[1::2], strict=True))
        known = {generation.number for generation in await self.known()}
        keep = (await self.pointer()).numbers
        if await self._state.send("GET", LEASE_KEY) != lease.encode():
            raise LeaseLost("the load's lease has ended")
        freed = sorted((lying.keys() | known) - keep)
        for number in freed:
            if number in lying:
                token, width, foreign_width = lying[number].decode().split()
                layout = Layout(token, int(width), int(foreign_width))
                # One key a command, so that each goes to its own node of a Cluster.
                await send_all(self._cache, ((b"UNLINK", key) for key in layout.bucket_keys()))
                await self._cache.send("HDEL", INVENTORY_KEY, number)
            await self._state.send("HDEL", GENERATIONS_KEY, number)
        return freed
