"""
From the spool into the cache: write the buckets, read them back, have them saved.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from eligibility.buckets import Layout
from eligibility.load_errors import LoadFailed
from eligibility.pipeline import replies
from eligibility.rejects import Rejects
from eligibility.spool import Spool
from state.commands import Arg, Commands
from state.errors import ReplyError

SAMPLE: Final = 1_000
"""People read back one by one after a load, spread over all of it."""

_SAVE_POLL: Final = 0.1
_BUSY_SAVING: Final = 600
"""Polls: how long another save may take before ours begins."""


@dataclass(slots=True)
class Filled:
    """What was written: how many people, and some of them to be read back."""

    people: int = 0
    sample: list[tuple[bytes, int, bytes]] = field(default_factory=list, repr=False)


async def fill(
    cache: Commands,
    spool: Spool,
    layout: Layout,
    rejects: Rejects,
    advance: Callable[[int], None],
) -> Filled:
    """Write everybody, one HSET a bucket; superseded rows are written down in `rejects`.

    Raises Unavailable, ReplyError, OSError.
    """
    filled = Filled()
    commands = _writes(spool, layout, rejects, filled)
    async with aclosing(replies(cache, commands)) as written:
        async for _ in written:
            advance(filled.people)
    return filled


def _writes(
    spool: Spool, layout: Layout, rejects: Rejects, filled: Filled
) -> Iterator[tuple[Arg, ...]]:
    every = max(1, spool.rows // SAMPLE)
    for foreign, family in ((False, layout.nationals), (True, layout.foreigners)):
        for part in spool.parts(foreign):
            for row, by in part.superseded():
                rejects.supersede(row, by)
            for bucket in part.buckets(family):
                key = family.key(bucket.number)
                first = -filled.people % every
                for at in range(first, len(bucket.fields), every):
                    filled.sample.append((key, bucket.fields[at], bucket.records[at]))
                filled.people += len(bucket.fields)
                command: list[Arg] = [b"HSET", key]
                for pair in zip(bucket.fields, bucket.records, strict=True):
                    command += pair
                yield tuple(command)


async def verify(
    cache: Commands, layout: Layout, filled: Filled, advance: Callable[[int], None]
) -> None:
    """Count everybody in every bucket, and read the sample back.

    Raises LoadFailed where the cache does not hold exactly what was written, or may drop some of
    it; Unavailable, ReplyError.
    """
    policy = (await _info(cache, "memory")).get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        raise LoadFailed(
            f"The cache's Redis may drop people when memory is short (maxmemory-policy {policy}); "
            "set it to noeviction and load again."
        )
    people = counted = 0
    async with aclosing(replies(cache, _counts(layout))) as lengths:
        async for length in lengths:
            people += length
            counted += 1
            advance(counted)
    if people != filled.people:
        raise LoadFailed(
            f"The cache holds {people} people where {filled.people} were written; load again."
        )
    written = iter(filled.sample)
    asked = ((b"HGET", key, place) for key, place, _ in filled.sample)
    async with aclosing(replies(cache, asked)) as read:
        async for record in read:
            if record != next(written)[2]:
                raise LoadFailed("A person read back is not as they were written; load again.")


def _counts(layout: Layout) -> Iterator[tuple[Arg, ...]]:
    for family in (layout.nationals, layout.foreigners):
        for bucket in range(family.buckets):
            yield b"HLEN", family.key(bucket)


async def save(cache: Commands) -> None:
    """Have the cache written to disk, and wait for it. Raises LoadFailed, Unavailable, ReplyError.

    A save that began before ours is waited for first: it lacks what we wrote.
    """
    for _ in range(_BUSY_SAVING):
        await _saved(cache)
        try:
            await cache.send("BGSAVE")
            break
        except ReplyError:  # another save began at this moment
            await asyncio.sleep(_SAVE_POLL)
    else:
        raise LoadFailed("The cache's Redis does not begin to save; see its log.")
    if not await _saved(cache):
        raise LoadFailed("The cache's Redis could not save the people; see its log, and its disk.")


async def _saved(cache: Commands) -> bool:
    """Wait until nothing is being saved; whether the last save went well."""
    while True:
        info = await _info(cache, "persistence")
        if info.get("rdb_bgsave_in_progress") == "0":
            return info.get("rdb_last_bgsave_status") == "ok"
        await asyncio.sleep(_SAVE_POLL)


async def _info(cache: Commands, section: str) -> dict[str, str]:
    text: bytes = await cache.send("INFO", section)
    lines = text.decode("ascii", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
