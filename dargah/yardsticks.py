"""
What `dargah bench cache` is held against, in the same run.

redis-benchmark -P 16   a C client that throws the replies away, at one person in the middle of a
                        bucket: at the first or the last of it, it is twice as fast or half
the same, prepared      the people that the bench asks for, packed beforehand (state/limit.py)
redis.asyncio           one await for each command, as most programs use it (state/plain.py)
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from dargah.failures import Failure
from state.limit import prepared_lookups
from state.plain import plain_lookups
from state.store import Store

IN_FLIGHT = (1, 50, 500)
"""Lookups at once, in what is measured as fast as it goes."""


@dataclass(frozen=True, slots=True)
class Line:
    """Operations a second, with so many under way at once."""

    in_flight: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """Operations a second. `redis_benchmark` is None where it is not installed."""

    redis_benchmark: float | None
    prepared: float
    redis_asyncio: tuple[Line, ...]


async def yardsticks(
    redis: Store, fields: Sequence[tuple[bytes, bytes]], seconds: float
) -> Yardsticks:
    """All of them, over (key, field) pairs that are there. Raises Failure."""
    benchmark = await _redis_benchmark(redis, fields[0][0], max(1000, int(seconds * 500_000)))
    try:
        prepared = await asyncio.to_thread(prepared_lookups, redis.address, fields, seconds)
    except ValueError as error:
        raise Failure(f"the bench's own Redis: {error}.") from None
    plain = [
        Line(in_flight, await plain_lookups(redis.address, fields, in_flight, seconds))
        for in_flight in IN_FLIGHT
    ]
    return Yardsticks(benchmark, prepared, tuple(plain))


def best_lines(rounds: Sequence[tuple[Line, ...]]) -> tuple[Line, ...]:
    """Of each number at once the quickest."""
    return tuple(
        max(lines, key=lambda line: line.per_second) for lines in zip(*rounds, strict=True)
    )


def best_yardsticks(rounds: Sequence[Yardsticks]) -> Yardsticks:
    """Of each yardstick the quickest."""
    benchmarks = [one.redis_benchmark for one in rounds if one.redis_benchmark is not None]
    return Yardsticks(
        redis_benchmark=max(benchmarks, default=None),
        prepared=max(one.prepared for one in rounds),
        redis_asyncio=best_lines([one.redis_asyncio for one in rounds]),
    )


async def _redis_benchmark(redis: Store, key: bytes, lookups: int) -> float | None:
    program = shutil.which("redis-benchmark")
    if program is None:
        return None
    people = [field for field in await redis.send("HKEYS", key) if field.isdigit()]
    lookup = ["HGET", key.decode(), people[len(people) // 2].decode()]
    # A socket's address holds about a hundred octets; the bench's folder is made short.
    where = ["-s", str(redis.address.path), "-P", "16", "-c", "50", "-n", str(lookups), "--csv"]
    done = await asyncio.to_thread(
        subprocess.run,
        [program, *where, *lookup],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    rates = re.findall(r'"(\d+\.\d+)"', done.stdout)
    if done.returncode or not rates:
        raise Failure("redis-benchmark did not run to its end.")
    return float(rates[0])
