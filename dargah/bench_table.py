"""What `dargah bench cache` measured, to be read."""

from collections.abc import Iterable, Iterator

from dargah.bench_cache import CacheBench, LoadRun
from dargah.memory_watch import sparkline
from dargah.open_loop import Steady
from dargah.yardsticks import IN_FLIGHT, Line

_MIB = 1 << 20


def table(bench: CacheBench) -> str:
    """The measurements, to be read."""
    return "\n".join(_rows(bench))


def _rows(bench: CacheBench) -> Iterator[str]:
    used = bench.used_memory / _MIB
    yield (
        f"{bench.people:,} people in {used:,.0f} MiB of Redis, {bench.octets_a_person:.1f} octets "
        f"a person; the file was written in {bench.population_seconds:.1f} s"
    )
    yield (
        f"on {bench.processors} processors, of which others used about {bench.load_before:.1f} in "
        "the minute before"
    )
    yield ""
    yield f"{'lookups a second':<36}" + "".join(f"{n:>7} at once" for n in IN_FLIGHT)
    yield _rates("dargah (ID to verdict)", bench.lines)
    limits = bench.yardsticks
    yield _rates("redis.asyncio (bytes)", limits.redis_asyncio)
    yield f"{'the same people, prepared, -P 16':<36}{limits.prepared:>45,.0f}"
    yield f"{'  ratio to that':<36}{bench.ratio_to_limit:>45.2f}"
    if limits.redis_benchmark is None:
        yield (
            "redis-benchmark -P 16 is not installed: there is no ratio to it "
            "(apt install redis-tools)"
        )
    else:
        yield f"{'redis-benchmark -P 16, one person':<36}{limits.redis_benchmark:>45,.0f}"
        yield f"{'  ratio to that':<36}{bench.ratio or 0:>45.2f}"
    yield ""
    yield (
        f"{'offered a second, times in ms':<36}{'p50':>9}{'p99':>9}{'p99.9':>9}"
        f"{'unanswered':>12}{'sent late':>11}"
    )
    for steady in bench.rates:
        yield _steady(f"{steady.offered:,.0f}", steady)
    yield _steady(f"{bench.meanwhile.offered:,.0f} during a load", bench.meanwhile)
    yield (
        "  of all, 1 in 10 is unknown and 1 in 50 changed since the load; late: over 1 ms, counted "
        "in the times"
    )
    yield ""
    # The first load has nothing to compare itself with, and lacks that stage.
    stages = max(bench.second_load.stages, bench.first_load.stages, key=len)
    yield f"{'loads':<36}{'rows/s':>11}{'s':>8}" + "".join(f"{stage:>10}" for stage in stages)
    yield _load("alone", bench, bench.first_load, stages)
    yield _load("while people are looked up", bench, bench.second_load, stages)
    yield from _memory(bench)
    yield ""
    yield (
        f"Redis stopped in {bench.stop:.1f} s, with what had changed saved; started, the first "
        f"right answer came after {bench.restart:.2f} s"
    )


def _rates(name: str, lines: tuple[Line, ...]) -> str:
    return f"{name:<36}" + "".join(f"{line.per_second:>15,.0f}" for line in lines)


def _steady(name: str, steady: Steady) -> str:
    times = "".join(f"{time:>9.2f}" for time in (steady.p50, steady.p99, steady.p999))
    return f"{name:<36}{times}{steady.unanswered:>12,}{steady.late:>11.2%}"


def _load(name: str, bench: CacheBench, load: LoadRun, stages: Iterable[str]) -> str:
    times = (f"{load.stages[stage]:.1f}" if stage in load.stages else "-" for stage in stages)
    row = f"{name:<36}{bench.people / load.seconds:>11,.0f}{load.seconds:>8.1f}"
    return row + "".join(f"{time:>10}" for time in times)


def _memory(bench: CacheBench) -> Iterator[str]:
    """Peaks and courses, a look every second, of the load during which people are looked up."""
    memory = bench.second_load.memory
    for name, course in (("loader, MiB", memory.loader), ("Redis, MiB", memory.redis)):
        if course:
            yield f"{'  ' + name + ' at most':<36}{max(course) / _MIB:>11,.0f}  {sparkline(course)}"
    course_of_p99 = bench.meanwhile.p99_each_second
    if course_of_p99:
        worst = f"{max(course_of_p99):>11.2f}  {sparkline(course_of_p99)}"
        yield f"{'  p99 of the worst second, ms':<36}{worst}"
