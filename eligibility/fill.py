"""
From the spool into the cache: write the buckets, read them back, have them saved.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from eligibility.buckets import WHOLE, Family, Layout
from eligibility.load_errors import LoadFailed
from eligibility.pipeline import replies
from eligibility.rejects import Rejects
from eligibility.spool import Bucket, Spool
from state.commands import Arg, Commands
from state.errors import ReplyError
from state.store import masters

SAMPLE: Final = 1_000
"""People read back after a load, spread over all of it."""

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.25
"""Seconds between two looks at a save: a small one is over at once, a country's takes minutes."""

_COPY_TRIES: Final = 600
_COPY_WAIT_MS: Final = 500
"""Five minutes in which a replica that was filled anew catches up, half a second at a time."""

_TRIES: Final = 20
"""Other saves that may begin just before ours."""


@dataclass(slots=True)
class Filled:
    """What was written: how many people, and some of them to be read back."""

    people: int = 0
    sample: list[tuple[bytes, list[int], list[bytes]]] = field(default_factory=list, repr=False)
    """The key of a bucket, some of its fields, and their records."""


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
        people = _whole(_buckets(spool, foreign, family, rejects))
        for bucket in _with_empty_ones(people, family):
            key = family.key(bucket.number)
            some = slice(-filled.people % every, None, every)
            if picked := bucket.fields[some]:
                filled.sample.append((key, picked, bucket.records[some]))
            filled.people += len(bucket.fields)
            command: list[Arg] = [b"HSET", key, WHOLE, 1]
            for pair in zip(bucket.fields, bucket.records, strict=True):
                command += pair
            yield tuple(command)


def _buckets(spool: Spool, foreign: bool, family: Family, rejects: Rejects) -> Iterator[Bucket]:
    for part in spool.parts(foreign):
        for row, by in part.superseded():
            rejects.supersede(row, by)
        yield from part.buckets(family)


def _whole(buckets: Iterator[Bucket]) -> Iterator[Bucket]:
    """Buckets that lie in several parts of the spool, put together again."""
    whole: Bucket | None = None
    for piece in buckets:
        if whole is not None and whole.number == piece.number:
            whole.fields.extend(piece.fields)
            whole.records.extend(piece.records)
            continue
        if whole is not None:
            yield whole
        whole = piece
    if whole is not None:
        yield whole


def _with_empty_ones(buckets: Iterator[Bucket], family: Family) -> Iterator[Bucket]:
    """Every bucket of a family, given those that have people, in order."""
    number = 0
    for bucket in buckets:
        yield from (Bucket(empty, [], []) for empty in range(number, bucket.number))
        yield bucket
        number = bucket.number + 1
    yield from (Bucket(empty, [], []) for empty in range(number, family.buckets))


async def verify(
    cache: Commands, layout: Layout, filled: Filled, advance: Callable[[int], None]
) -> None:
    """Count everybody in every bucket, and read the sample back.

    Raises LoadFailed where the cache does not hold exactly what was written, or may drop some of
    it; Unavailable, ReplyError.
    """
    for place, server in _servers(cache):
        policy = (await _info(server, "memory")).get("maxmemory_policy", "noeviction")
        if policy.startswith("allkeys"):
            raise LoadFailed(
                f"The cache's Redis{place} may drop people when memory is short "
                f"(maxmemory-policy {policy}); set it to noeviction and load again."
            )
    people = counted = 0
    async with aclosing(
        replies(cache, ((b"HLEN", key) for key in layout.bucket_keys()))
    ) as lengths:
        async for length in lengths:
            people += length - 1  # but for WHOLE
            counted += 1
            advance(counted)
    if people != filled.people:
        raise LoadFailed(
            f"The cache holds {people} people where {filled.people} were written; load again."
        )
    written = iter(filled.sample)
    asked: Iterator[tuple[Arg, ...]] = (
        (b"HMGET", key, *fields) for key, fields, _ in filled.sample
    )
    async with aclosing(replies(cache, asked)) as read:
        async for records in read:
            if records != next(written)[2]:
                raise LoadFailed("People read back are not as they were written; load again.")


async def save(cache: Commands) -> None:
    """Have the cache written to disk and, where it has replicas, to them.

    Every server of it, all at once. A save that began before ours is waited for first: it lacks
    what we wrote. A replica that took over without all people would know some no more. Raises
    LoadFailed, Unavailable, ReplyError.
    """
    saves = (_save(server, place) for place, server in _servers(cache))
    for failed in await asyncio.gather(*saves, return_exceptions=True):
        if failed:
            raise failed


def _servers(cache: Commands) -> Iterator[tuple[str, Commands]]:
    """Every server, after " at HOST:PORT" where it is one of several."""
    found = masters(cache)
    for place, server in found.items():
        yield f" at {place}" if len(found) > 1 else "", server


async def _save(cache: Commands, place: str) -> None:
    for _ in range(_TRIES):
        await _saved(cache)
        try:
            await cache.send("BGSAVE")
            break
        except ReplyError:  # another save began at this moment
            await asyncio.sleep(_FIRST_PAUSE)
    else:
        raise LoadFailed(f"The cache's Redis{place} does not begin to save; see its log.")
    await _copied(cache, place)
    if not await _saved(cache):
        raise LoadFailed(
            f"The cache's Redis{place} could not save the people{await _where(cache)}: "
            "is the disk full? Make room there, or see its log, and load again."
        )


async def _copied(server: Commands, place: str) -> None:
    """Wait until each replica that is linked has all that we wrote."""
    for _ in range(_COPY_TRIES):
        linked = int((await _info(server, "replication")).get("connected_slaves", "0"))
        if not linked or await server.send("WAIT", linked, _COPY_WAIT_MS) >= linked:
            return
    raise LoadFailed(
        f"The replicas of the cache's Redis{place} do not keep up; see their logs, and load again."
    )


async def _where(cache: Commands) -> str:
    """ " to FOLDER", where Redis tells its folder."""
    try:
        _, folder = await cache.send("CONFIG", "GET", "dir")
    except (ReplyError, ValueError):
        return ""
    return f" to {os.fsdecode(folder)}"


async def _saved(cache: Commands) -> bool:
    """Wait until nothing is being saved; whether the last save went well."""
    pause = _FIRST_PAUSE
    while True:
        info = await _info(cache, "persistence")
        if info.get("rdb_bgsave_in_progress") == "0":
            return info.get("rdb_last_bgsave_status") == "ok"
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _info(cache: Commands, section: str) -> dict[str, str]:
    text: bytes = await cache.send("INFO", section)
    lines = text.decode("ascii", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
