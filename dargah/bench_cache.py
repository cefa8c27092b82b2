"""
`dargah bench cache`: lookups a second, from an ID as typed to a verdict object.

Measured on a private Redis filled through the ordinary loader, beside two yardsticks in the same
run: `redis-benchmark -P 16` (the limit: a C client that throws the replies away) and plain
redis.asyncio with one await for each command. The machine may be shared, so that the ratio
counts, not the number alone.
"""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from config.settings import Settings
from dargah.failures import Failure
from dargah.loading import load_file
from dargah.wiring import cache_of, clock, stores_of
from eligibility.cache import Cache
from eligibility.load import LoadOptions
from eligibility.national_id import NationalId
from eligibility.population import people, write_population
from eligibility.verdict import Outcome
from persian.jalali import tehran_date
from state.plain import plain_lookups
from state.store import Store

IN_FLIGHT = (1, 50, 500)
SEED = 1420
SAMPLE = 200_000
"""IDs asked about, spread over the population: more than a processor's caches hold."""


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement: operations a second, with so many under way at once."""

    what: str
    in_flight: int
    per_second: float


@dataclass(frozen=True, slots=True)
class CacheBench:
    """What was measured. `limit` is redis-benchmark's figure, None where it is not installed."""

    people: int
    load_rows_per_second: float
    octets_a_person: float
    lines: tuple[Line, ...]
    limit: float | None

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self) | {"ratio_to_limit": self.ratio}

    @property
    def ratio(self) -> float | None:
        """Our best to the limit of this run."""
        best = max(line.per_second for line in self.lines if line.what == "dargah")
        return best / self.limit if self.limit else None


async def bench_cache(settings: Settings, number: int, seconds: float) -> CacheBench:
    """Fill a Redis in the settings' data folder and measure it. Raises Failure."""
    today = tehran_date(clock())
    path = settings.data_folder / f"people-{number}.csv"
    write_population(path, number, SEED, today)
    began = time.perf_counter()
    await load_file(settings, path, LoadOptions(as_of=clock()))
    load_rate = number / (time.perf_counter() - began)
    path.unlink()
    every = max(1, number // SAMPLE)
    asked = [row[0] for n, row in enumerate(people(number, SEED, today)) if n % every == 0]
    async with stores_of(settings) as stores:
        cache = cache_of(stores, settings)
        await cache.start()
        try:
            generation = cache.current
            if generation is None:
                raise Failure("the load left no generation in service.")
            fields = [generation.layout.address(NationalId.parse(digits)) for digits in asked]
            used = await _memory(stores.cache)
            lines = []
            for in_flight in IN_FLIGHT:
                rate = await _lookups(cache, asked, in_flight, seconds)
                lines.append(Line("dargah", in_flight, rate))
            for in_flight in IN_FLIGHT:
                address = stores.cache.address
                rate = await plain_lookups(address, fields, in_flight, seconds)
                lines.append(Line("redis.asyncio", in_flight, rate))
            limit = await asyncio.to_thread(_redis_benchmark, stores.cache, fields[0])
        finally:
            await cache.close()
    return CacheBench(number, load_rate, used / number, tuple(lines), limit)


async def _lookups(cache: Cache, asked: Sequence[str], in_flight: int, seconds: float) -> float:
    """Verdicts a second, so many under way at once. Every one must be an answer."""
    done = 0
    until = time.perf_counter() + seconds
    now = clock()

    async def worker(first: int) -> None:
        nonlocal done
        n = first
        while time.perf_counter() < until:
            verdict = await cache.verdict(NationalId.parse(asked[n % len(asked)]), now)
            if verdict.outcome in (Outcome.NOT_FOUND, Outcome.CANNOT_CHECK):
                raise Failure(f"a person who was loaded came out as {verdict.outcome}.")
            done += 1
            n += in_flight

    began = time.perf_counter()
    await asyncio.gather(*(worker(first) for first in range(in_flight)))
    return done / (time.perf_counter() - began)


async def _memory(redis: Store) -> float:
    """Octets that the data take, the empty server's not counted."""
    info = (await redis.send("INFO", "memory")).decode()
    fields = dict(line.split(":", 1) for line in info.split("\r\n") if ":" in line)
    return float(fields["used_memory_dataset"])


def _redis_benchmark(redis: Store, field: tuple[bytes, bytes]) -> float | None:
    """The limit of this machine now, in the same kind of command; None where it is missing."""
    program = shutil.which("redis-benchmark")
    if program is None:
        return None
    place = _place(redis)
    command = [program, *place, "-P", "16", "-c", "50", "-n", "1000000", "--csv"]
    done = subprocess.run(
        [*command, "HGET", field[0].decode(), field[1].decode()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    rates = re.findall(r'"(\d+\.\d+)"', done.stdout)
    if done.returncode or not rates:
        raise Failure("redis-benchmark did not run to its end.")
    return float(rates[0])


def _place(redis: Store) -> list[str]:
    path = redis.address.path
    if path is None:
        raise Failure("the bench runs on an embedded Redis alone; leave [redis] out.")
    # A socket's address holds about a hundred octets; the bench's folder is made short.
    return ["-s", str(Path(path))]


def table(bench: CacheBench) -> str:
    """The measurements, to be read."""
    rows = [
        f"{bench.people:,} people, {bench.octets_a_person:.1f} octets a person in Redis, "
        f"loaded at {bench.load_rows_per_second:,.0f} rows/s",
        "",
        f"{'lookups a second':<28}" + "".join(f"{n:>10} at once" for n in IN_FLIGHT),
    ]
    for what, name in (("dargah", "dargah (ID to verdict)"), ("redis.asyncio", "redis.asyncio")):
        rates = [line.per_second for line in bench.lines if line.what == what]
        rows.append(f"{name:<28}" + "".join(f"{rate:>18,.0f}" for rate in rates))
    if bench.limit is None:
        rows.append(
            "redis-benchmark -P 16        not installed: there is no limit to compare with "
            "(apt install redis-tools)"
        )
    else:
        rows.append(f"{'redis-benchmark -P 16':<28}{bench.limit:>54,.0f}")
        rows.append(f"{'ratio to that limit':<28}{bench.ratio or 0:>54.2f}")
    return "\n".join(rows)
