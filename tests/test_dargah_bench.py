"""The parts of `dargah bench cache`: arrivals and their answers, memory, yardsticks, the table."""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from dargah.arrivals import BEGIN, due
from dargah.bench_cache import CacheBench, LoadRun
from dargah.bench_table import table
from dargah.failures import Failure
from dargah.memory_watch import Memory, MemoryWatch, family, sparkline
from dargah.open_loop import Asked, Hearing, Steady, quantile, steady
from dargah.yardsticks import Line, Yardsticks, best_yardsticks, yardsticks
from eligibility.national_id import NationalId
from eligibility.verdict import CANNOT_CHECK, Outcome, Verdict
from state.errors import Unavailable
from state.limit import prepared_lookups
from state.link import open_redis
from tests.loading import national
from tests.redis_server import running_redis

ASKED: list[Asked] = [(national(1), True), (national(2), False), (national(3), True)]
COVERED, NOT_FOUND = Verdict(Outcome.COVERED), Verdict(Outcome.NOT_FOUND)


class Scripted:
    """Gives these verdicts, one after the other, from the first again after the last."""

    def __init__(self, verdicts: Sequence[Verdict | None]) -> None:
        self._verdicts = itertools.cycle(verdicts)

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """As Cache.verdict; None is a Redis that is away."""
        await asyncio.sleep(0)
        verdict = next(self._verdicts)
        if verdict is None:
            raise Unavailable("away")
        return verdict


def heard(verdicts: Sequence[Verdict | None], pieces: Sequence[bytes], said: bytes) -> Steady:
    """What is measured when the generator wrote these pieces, and this at its end."""

    async def hear() -> Steady:
        hearing = Hearing(Scripted(verdicts), ASKED, 100.0, 7)
        for piece in pieces:
            hearing.pipe_data_received(1, piece)
        while hearing.under_way:
            await asyncio.gather(*hearing.under_way)
        hearing.pipe_data_received(2, said)
        return hearing.measured()

    return asyncio.run(hear())


def test_each_counts_from_when_it_was_meant_to_come() -> None:
    """Who would have come during a pause has waited for as long as it lasted."""
    begin = BEGIN.pack(time.monotonic() - 3600)
    measured = heard([COVERED, NOT_FOUND, COVERED], [begin[:3], begin[3:] + b".", b"....."], b"6 2")
    assert (measured.answered, measured.unanswered, measured.late) == (6, 0, 2 / 6)
    assert 3_500_000 < measured.p50 <= measured.p99 <= measured.p999
    assert len(measured.p99_each_second) == 1


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [([NOT_FOUND], "NOT_FOUND"), ([COVERED], "COVERED")],
    ids=["the known unknown", "the unknown known"],
)
def test_a_wrong_answer_ends_it(verdicts: list[Verdict], outcome: str) -> None:
    """No speed is told of a cache that answers wrongly."""
    with pytest.raises(Failure, match=outcome):
        heard(verdicts, [BEGIN.pack(time.monotonic()) + b"..."], b"3 0")


def test_no_answer_is_counted() -> None:
    """Lookups that could not be checked are told apart, and are not wrong."""
    begin = BEGIN.pack(time.monotonic())
    measured = heard([None, CANNOT_CHECK, COVERED], [begin + b"..."], b"3 0")
    assert (measured.answered, measured.unanswered) == (1, 2)


def test_a_generator_that_died_is_no_measurement() -> None:
    """What was offered must be known, or nothing is told."""
    with pytest.raises(Failure, match="did not run to its end"):
        heard([COVERED], [BEGIN.pack(time.monotonic())], b"")


def test_arrivals_come_at_the_rate() -> None:
    """The gaps are those of independent callers, at the offered rate, the same for both sides."""
    moments = list(itertools.islice(due(1000.0, 5), 20_000))
    assert moments == list(itertools.islice(due(1000.0, 5), 20_000))
    assert moments == sorted(moments)
    assert 19 < moments[-1] < 21


def test_a_rate_is_offered_by_a_process_of_its_own() -> None:
    """The arrivals of another process are looked up until the measurement is over."""

    async def play() -> Steady:
        cache = Scripted([COVERED, NOT_FOUND, COVERED])
        enough = asyncio.get_running_loop().create_future()
        seen = 0

        class Counting(Scripted):
            async def verdict(self, person: NationalId, now: datetime) -> Verdict:
                nonlocal seen
                seen += 1
                if seen == 50:
                    enough.set_result(None)
                return await cache.verdict(person, now)

        return await steady(Counting([]), ASKED, 2000.0, enough)

    measured = asyncio.run(play())
    assert measured.answered >= 50
    assert measured.unanswered == 0


def test_a_generator_whose_bench_is_gone_ends() -> None:
    """Nobody is left behind who goes on arriving."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dargah.arrivals", "10000", "1"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(BEGIN.size + 1)
    process.stdout.close()
    assert process.wait(30) in (0, -signal.SIGPIPE)


def test_quantiles() -> None:
    """A p99 is the time within which 99 of 100 were done."""
    assert quantile([float(n) for n in range(100)], 0.99) == 99.0
    assert quantile([1.0], 0.5) == 1.0
    assert quantile([], 0.99) == 0.0


def test_memory_is_that_of_a_process_and_its_children() -> None:
    """A loader that works in several processes is counted whole; one that has ended is not."""
    process = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo started; wait"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"started\n"
        assert len(list(family(process.pid))) == 2
        watch = MemoryWatch(process.pid, os.getpid())
        watch.look()
        (loader,), (redis,) = watch.seen.loader, watch.seen.redis
        assert loader > 0
        assert redis > 1 << 20
    finally:
        for pid in list(family(process.pid))[::-1]:
            os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    watch.look()
    assert len(watch.seen.loader) == 1


def test_sparkline() -> None:
    """Highest and lowest are seen, also of more values than there is room for."""
    assert sparkline([0, 7.9, 4, 8]) == "▁█▅█"
    assert sparkline([1.0] * 99 + [8.0], width=40).endswith("█")
    assert len(sparkline([1.0] * 100, width=40)) <= 40
    assert sparkline([]) == sparkline([0.0]) == ""


def test_yardsticks_ask_for_who_is_there() -> None:
    """The limit is of lookups that find somebody; a bench that asks for nobody fails."""

    async def play() -> Yardsticks:
        link = await open_redis(redis.address, name="test", timeout=5)
        try:
            for n in range(20):
                await link.send("HSET", f"b{n // 4}", n, "0123456789")
            await link.send("HSET", "b0", "w", "")
            return await yardsticks(link, fields, 0.01)
        finally:
            await link.close()

    fields = [(b"b%d" % (n // 4), b"%d" % n) for n in range(20)]
    with running_redis() as redis:
        measured = asyncio.run(play())
        assert measured.prepared > 0
        assert all(line.per_second > 0 for line in measured.redis_asyncio)
        assert (measured.redis_benchmark is None) == (shutil.which("redis-benchmark") is None)
        with pytest.raises(ValueError, match="not found"):
            prepared_lookups(redis.address, [(b"b0", b"99")], 0.01)


def test_the_best_round_counts() -> None:
    """Whatever else the machine does, it makes nothing quicker."""
    rounds = [
        Yardsticks(1.0, 5.0, (Line(1, 7.0), Line(50, 1.0))),
        Yardsticks(2.0, 4.0, (Line(1, 6.0), Line(50, 3.0))),
    ]
    assert best_yardsticks(rounds) == Yardsticks(2.0, 5.0, (Line(1, 7.0), Line(50, 3.0)))
    without = [replace(one, redis_benchmark=None) for one in rounds]
    assert best_yardsticks(without).redis_benchmark is None


def bench() -> CacheBench:
    """Figures that nobody measured."""
    load = LoadRun(
        10.0, {"reading": 6.0, "writing": 4.0}, Memory((1 << 20, 3 << 20), (5 << 20,) * 2)
    )
    rate = Steady(700.0, 2100, 0, 0.01, 0.1, 0.2, 0.3, (0.2, 0.4))
    return CacheBench(
        people=1_000_000,
        processors=2,
        load_before=0.5,
        population_seconds=0.5,
        first_load=load,
        octets_a_person=18.0,
        used_memory=20 << 20,
        lines=(Line(1, 60_000.0), Line(50, 200_000.0), Line(500, 300_000.0)),
        yardsticks=Yardsticks(
            1_000_000.0, 1_200_000.0, (Line(1, 1.0), Line(50, 2.0), Line(500, 3.0))
        ),
        rates=(rate,),
        stop=0.1,
        restart=0.2,
        second_load=load,
        meanwhile=replace(rate, unanswered=3),
    )


def test_the_table_has_the_ratios() -> None:
    """Who reads the table sees our best against both limits, and what a load does to lookups."""
    text = table(bench())
    assert [row.split()[-1] for row in text.splitlines() if "ratio" in row] == ["0.25", "0.30"]
    assert "100,000" in text, "rows a second"
    assert "▃█" in text, "the loader's memory"
    without = table(replace(bench(), yardsticks=replace(bench().yardsticks, redis_benchmark=None)))
    assert "apt install redis-tools" in without


def test_the_json_has_the_ratios() -> None:
    """What a program reads is whole, and is JSON for every reader."""
    said = json.loads(json.dumps(bench().as_json(), allow_nan=False))
    assert said["ratio_to_redis_benchmark"] == 0.3
    assert said["load_rows_per_second"] == 100_000
    assert said["second_load"]["memory"]["loader"] == [1 << 20, 3 << 20]


def test_a_load_that_fails_says_why(tmp_path: Path) -> None:
    """The bench tells what its loader said, not that some process ended."""
    words = [str(tmp_path), str(tmp_path / "none.csv"), "2026-11-21T00:00:00+00:00"]
    done = subprocess.run(
        [sys.executable, "-m", "dargah.timed_load", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "none.csv" in done.stderr
    assert "Traceback" not in done.stderr
