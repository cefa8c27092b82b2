"""
`dargah bench cache`: the eligibility cache at a size, from an ID as typed to a verdict object.

On a private Redis filled through the ordinary loader, in this order: a load, lookups as fast as
they go beside the yardsticks (dargah/yardsticks.py), at offered rates (dargah/open_loop.py),
a restart of Redis with the people in place, and a second load while people are looked up. The
machine may be shared, so that the ratios count, not the numbers alone.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import count, cycle, islice
from pathlib import Path

from config.settings import Settings
from dargah.failures import Failure
from dargah.loop import spare_the_collector
from dargah.memory_watch import Memory, MemoryWatch
from dargah.open_loop import Asked, Steady, steady
from dargah.wiring import cache_of, clock, stores_of
from dargah.yardsticks import (
    IN_FLIGHT,
    Line,
    Yardsticks,
    best_lines,
    best_yardsticks,
    yardsticks,
)
from eligibility.cache import Cache
from eligibility.national_id import NationalId
from eligibility.person_store import write_person
from eligibility.population import numbers
from eligibility.population_file import write_population
from eligibility.verdict import Kind, Outcome, Record, Status
from persian.jalali import tehran_date
from state.embedded import stopped
from state.store import Store
from state.stores import Stores

ROUNDS = 3
"""Ours and the yardsticks take turns, and the best of each counts: others use the machine too."""
RATES = (700, 7_000, 30_000)
RATE_DURING_LOAD = 7_000
SEED = 1420
SAMPLE = 200_000
"""IDs asked about, spread over the population: more than a processor's caches hold."""
UNKNOWN_EVERY = 10
"""At offered rates every tenth is a valid ID that the registry does not know."""
CHANGED_EVERY = 50
"""And every fiftieth of the known was changed after the load."""
STOP = 300.0
"""Seconds for Redis to save and end."""


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One load in a process of its own: seconds, those of each stage, and memory meanwhile."""

    seconds: float
    stages: dict[str, float]
    memory: Memory


@dataclass(frozen=True, slots=True)
class CacheBench:
    """What was measured. `restart` is seconds from nothing to the first right answer, `stop` those
    in which Redis saved and ended; `meanwhile` are the lookups during the second load;
    `load_before` is how many processes wanted a processor in the minute before."""

    people: int
    processors: int
    load_before: float
    population_seconds: float
    first_load: LoadRun
    octets_a_person: float
    used_memory: int
    lines: tuple[Line, ...]
    yardsticks: Yardsticks
    rates: tuple[Steady, ...]
    stop: float
    restart: float
    second_load: LoadRun
    meanwhile: Steady

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        ratios = {"ratio_to_redis_benchmark": self.ratio, "ratio_to_limit": self.ratio_to_limit}
        rows = {"load_rows_per_second": self.people / self.first_load.seconds}
        return asdict(self) | rows | ratios

    @property
    def best(self) -> float:
        """Our own, as fast as it goes."""
        return max(line.per_second for line in self.lines)

    @property
    def ratio(self) -> float | None:
        """Our best to redis-benchmark in this run; None where that is missing."""
        benchmark = self.yardsticks.redis_benchmark
        return self.best / benchmark if benchmark else None

    @property
    def ratio_to_limit(self) -> float:
        """Our best to the same lookups prepared beforehand."""
        return self.best / self.yardsticks.prepared


async def bench_cache(
    settings: Settings, number: int, seconds: float, told: Callable[[str], None]
) -> CacheBench:
    """Fill a Redis in the settings' data folder and measure it. Raises Failure.

    `told` hears what is done next, for who waits.
    """
    load_before = os.getloadavg()[0]
    began = time.perf_counter()
    told(f"writing {number:,} people")
    path = settings.data_folder / f"people-{number}.csv"
    write_population(path, number, SEED, tehran_date(clock()))
    written = time.perf_counter() - began
    every = max(1, number // SAMPLE)
    known = list(numbers(SEED, range(0, number, every)))
    asked = _mixed(known, list(islice(numbers(SEED, count(number)), max(1, len(known) // 9))))

    async with stores_of(settings) as stores:
        told("loading them")
        first_load = await _load(settings, stores, path)
        async with _cache(stores, settings) as cache:
            memory = await _memory(stores.cache)
            assert cache.current is not None
            layout = cache.current.layout
            fields = [layout.address(NationalId.parse(digits)) for digits in known]
            spare_the_collector()  # as the gateway does
            told("looking people up, as fast as it goes, and measuring the yardsticks")
            ours: list[tuple[Line, ...]] = []
            limits: list[Yardsticks] = []
            for _ in range(ROUNDS):
                rates = [await _lookups(cache, known, n, seconds / ROUNDS) for n in IN_FLIGHT]
                ours.append(tuple(map(Line, IN_FLIGHT, rates)))
                limits.append(await yardsticks(stores.cache, fields, seconds / ROUNDS))
            await _change(stores.cache, cache, known[::CHANGED_EVERY])
            offered = []
            for rate in RATES:
                told(f"looking people up, {rate:,} a second offered")
                offered.append(await steady(cache, asked, rate, asyncio.sleep(seconds)))
    told("restarting Redis")
    began = time.perf_counter()
    await stopped(settings.data_folder, STOP)
    stop = time.perf_counter() - began
    began = time.perf_counter()
    async with stores_of(settings) as stores, _cache(stores, settings) as cache:
        await _lookups(cache, known, 1, 0)
        restart = time.perf_counter() - began
        told("loading them again, and looking people up meanwhile")
        loading = asyncio.ensure_future(_load(settings, stores, path))
        meanwhile = await steady(cache, asked, RATE_DURING_LOAD, loading)
    return CacheBench(
        people=number,
        processors=os.cpu_count() or 1,
        load_before=load_before,
        population_seconds=written,
        first_load=first_load,
        octets_a_person=memory["used_memory_dataset"] / number,
        used_memory=memory["used_memory"],
        lines=best_lines(ours),
        yardsticks=best_yardsticks(limits),
        rates=tuple(offered),
        stop=stop,
        restart=restart,
        second_load=await loading,
        meanwhile=meanwhile,
    )


def _mixed(known: Sequence[str], unknown: Sequence[str]) -> list[Asked]:
    """Known and unknown people, every tenth unknown."""
    mixed: list[Asked] = []
    for n, digits in enumerate(known):
        if n % (UNKNOWN_EVERY - 1) == 0:
            mixed.append((unknown[n // (UNKNOWN_EVERY - 1) % len(unknown)], False))
        mixed.append((digits, True))
    return mixed


@asynccontextmanager
async def _cache(stores: Stores, settings: Settings) -> AsyncIterator[Cache]:
    cache = cache_of(stores, settings)
    await cache.start()
    try:
        if cache.current is None:
            raise Failure("the load left no generation in service.")
        yield cache
    finally:
        await cache.close()


async def _load(settings: Settings, stores: Stores, path: Path) -> LoadRun:
    """Load in a process of its own. Raises Failure."""
    server = await _info(stores.cache, "server")
    words = [str(settings.data_folder), str(path), clock().isoformat()]
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "dargah.timed_load", *words],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    watch = MemoryWatch(process.pid, int(server["process_id"]))
    watching = asyncio.create_task(watch.run())
    try:
        said, complaint = await process.communicate()
    finally:
        watching.cancel()
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise Failure(f"the load failed: {complaint.decode(errors='replace').strip()}")
    return LoadRun(time.perf_counter() - began, json.loads(said), watch.seen)


async def _lookups(cache: Cache, asked: Sequence[str], in_flight: int, seconds: float) -> float:
    """Verdicts a second, so many under way at once. Every one must be an answer."""
    done = 0
    now = clock()
    not_found, cannot_check = Outcome.NOT_FOUND, Outcome.CANNOT_CHECK
    look_up, parse = cache.verdict, NationalId.parse
    over: list[None] = []
    asyncio.get_running_loop().call_later(seconds, over.append, None)

    async def worker(first: int) -> None:
        nonlocal done
        for digits in cycle(asked[first::in_flight] or asked):
            verdict = await look_up(parse(digits), now)
            outcome = verdict.outcome
            if outcome is not_found or outcome is cannot_check:
                raise Failure(f"a person who was loaded came out as {outcome}.")
            done += 1
            if over:
                return

    began = time.perf_counter()
    await asyncio.gather(*(worker(first) for first in range(in_flight)))
    return done / (time.perf_counter() - began)


async def _change(redis: Store, cache: Cache, people: Sequence[str]) -> None:
    """Write newer records of these people, as a change at the registry does."""
    assert cache.current is not None
    layout = cache.current.layout
    now = clock()
    until = tehran_date(now) + timedelta(days=90)
    record = Record(Status.ACTIVE, until, Kind.MAIN, 1, updated_at=now, confirmed_at=now)
    await asyncio.gather(
        *(write_person(redis, layout, NationalId.parse(digits), record) for digits in people)
    )


async def _info(redis: Store, section: str) -> dict[str, str]:
    text = (await redis.send("INFO", section)).decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


async def _memory(redis: Store) -> dict[str, int]:
    """Octets: `used_memory`, and `used_memory_dataset` without the empty server's."""
    info = await _info(redis, "memory")
    return {name: int(info[name]) for name in ("used_memory", "used_memory_dataset")}
