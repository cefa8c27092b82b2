"""
From the spool into the cache: write the buckets, and read them back.

    spool ─▶ sorted parts ─▶ payloads, all in a thread ─▶ RESTORE, one a bucket

A server that does not take our payloads (an RDB version it does not know, or a user who may not)
is written to by HSET.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from eligibility.ahead import ahead
from eligibility.buckets import WHOLE, Family, Layout
from eligibility.load_errors import LoadFailed
from eligibility.payloads import LISTPACK, MOST_PEOPLE, ZIPLIST, Packing, payloads
from eligibility.pipeline import replies
from eligibility.record import SIZE
from eligibility.rejects import Rejects
from eligibility.saving import info, servers
from eligibility.spool import ROW, Buckets, Spool
from state.commands import Arg, Commands
from state.errors import ReplyError

SAMPLE: Final = 1_000
"""People read back after a load, spread over all of it."""

_PROBED: Final = (3, 100, 3_000, 30_000, 3_000_000, 3_000_000_000)
"""Fields of the bucket that is tried: a number of each size that Redis tells apart."""


@dataclass(slots=True)
class Filled:
    """What was written: how many people in all and in each bucket, and some to be read back."""

    people: int = 0
    counts: list[tuple[Family, int, list[int]]] = field(default_factory=list)
    """Buckets of a family in order, from a number on: how many people each has."""
    sample: dict[bytes, list[tuple[int, bytes]]] = field(default_factory=dict, repr=False)
    """Of some buckets, by their keys, some fields and the records in them."""


async def fill(
    cache: Commands,
    spool: Spool,
    layout: Layout,
    rejects: Rejects,
    advance: Callable[[int], None],
) -> Filled:
    """Write everybody; superseded rows are written down in `rejects`.

    Raises Unavailable, ReplyError, OSError.
    """
    filled = Filled()
    every = max(1, spool.rows // SAMPLE)
    packing = await accepted_packing(cache, layout.nationals)
    for family in (layout.nationals, layout.foreigners):
        made = _made(spool.buckets(family, rejects), packing)
        async with aclosing(ahead(made)) as coming:
            async for buckets, commands in coming:
                _pick(filled, buckets, every)
                async with aclosing(replies(cache, commands)) as written:
                    done = 0
                    async for _ in written:
                        done += 1
                        advance(filled.people + len(buckets.fields) * done // len(commands))
                filled.people += len(buckets.fields)
    return filled


async def accepted_packing(cache: Commands, family: Family) -> Packing | None:
    """The packing that this server takes and reads as it was meant; None: HSET alone.

    The family's first bucket is the place where that is tried. Raises Unavailable, ReplyError.
    """
    fields = np.array(_PROBED, np.uint64)
    records = np.frombuffer(bytes(range(len(fields) * SIZE)), ROW["record"])
    probe = Buckets(family, 0, np.array([len(fields)]), fields, records)
    key = family.key(0)
    for packing in (LISTPACK, ZIPLIST):
        # Nobody asks a generation that is being loaded: this misleads no one.
        with suppress(ReplyError):
            await cache.send(b"RESTORE", key, 0, payloads(probe, packing)[0], b"REPLACE")
            try:
                kept = await cache.send(b"HGETALL", key)
            finally:
                await cache.send(b"UNLINK", key)
            wanted = {
                b"%d" % n: record for n, record in zip(_PROBED, records.tolist(), strict=True)
            }
            if dict(zip(kept[::2], kept[1::2], strict=True)) == wanted | {WHOLE: b"1"}:
                return packing
    return None


def _made(
    runs: Iterator[Buckets], packing: Packing | None
) -> Iterator[tuple[Buckets, list[tuple[Arg, ...]]]]:
    """Buckets with the commands that write them, one a bucket."""
    for buckets in runs:
        if packing is None or np.max(buckets.counts) > MOST_PEOPLE:
            yield buckets, list(_sets(buckets))
        else:
            keys = enumerate(payloads(buckets, packing), buckets.first)
            yield (
                buckets,
                [
                    (b"RESTORE", buckets.family.key(number), 0, payload, b"REPLACE")
                    for number, payload in keys
                ],
            )


def _sets(buckets: Buckets) -> Iterator[tuple[Arg, ...]]:
    fields, records = buckets.fields.tolist(), buckets.records.tolist()
    start = 0
    for number, count in enumerate(buckets.counts.tolist(), buckets.first):
        command: list[Arg] = [b"HSET", buckets.family.key(number), WHOLE, 1]
        end = start + count
        for pair in zip(fields[start:end], records[start:end], strict=True):
            command += pair
        yield tuple(command)
        start = end


def _pick(filled: Filled, buckets: Buckets, every: int) -> None:
    """Note how many people each bucket has, and some of them."""
    filled.counts.append((buckets.family, buckets.first, buckets.counts.tolist()))
    some = np.arange(-filled.people % every, len(buckets.fields), every)
    numbers = buckets.first + np.searchsorted(np.cumsum(buckets.counts), some, side="right")
    fields, records = buckets.fields[some].tolist(), buckets.records[some].tolist()
    for number, place, record in zip(numbers.tolist(), fields, records, strict=True):
        key = buckets.family.key(number)
        filled.sample.setdefault(key, []).append((place, record))


async def verify(cache: Commands, filled: Filled, advance: Callable[[int], None]) -> None:
    """Count everybody in every bucket, and read the sample back.

    Raises LoadFailed where the cache does not hold exactly what was written, or may drop some of
    it; Unavailable, ReplyError.
    """
    for place, server in servers(cache):
        policy = (await info(server, "memory")).get("maxmemory_policy", "noeviction")
        if policy.startswith("allkeys"):
            raise LoadFailed(
                f"The cache's Redis{place} may drop people when memory is short "
                f"(maxmemory-policy {policy}); set it to noeviction and load again."
            )
    people = counted = wrong = 0
    async for length, count in _lengths(cache, filled):
        people += length - 1  # but for WHOLE
        wrong += length - 1 != count
        counted += 1
        advance(counted)
    if wrong:
        raise LoadFailed(
            f"The cache holds {people} people where {filled.people} were written, and {wrong} of "
            f"{counted} buckets have not as many as they should; load again."
        )
    written = iter(filled.sample.values())
    wanted: Iterator[tuple[Arg, ...]] = (
        (b"HMGET", key, *(place for place, _ in people)) for key, people in filled.sample.items()
    )
    async with aclosing(replies(cache, wanted)) as read:
        async for records in read:
            if records != [record for _, record in next(written)]:
                raise LoadFailed("People read back are not as they were written; load again.")


async def _lengths(cache: Commands, filled: Filled) -> AsyncGenerator[tuple[int, int], None]:
    """Of each bucket how many fields it has in the cache, and how many people were written."""
    counts = (count for _, _, counts in filled.counts for count in counts)
    asked: Iterator[tuple[Arg, ...]] = (
        (b"HLEN", family.key(first + n))
        for family, first, counts in filled.counts
        for n in range(len(counts))
    )
    async with aclosing(replies(cache, asked)) as lengths:
        async for length in lengths:
            yield length, next(counts)
