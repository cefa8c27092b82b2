"""`dargah bench cache`, `dialogue` and `failover`: this machine against its own limits."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from config.settings import Settings, read_settings
from dargah.bench_cache import STOP, bench_cache
from dargah.bench_dialogue import bench_dialogue, dialogue_table
from dargah.bench_failover import bench_failover, picture
from dargah.bench_table import table
from dargah.box_server import BoxFailed
from dargah.failures import Failure
from dargah.loop import new_loop
from dargah.stage import stage_of
from dargah.steady import WRONG
from dargah.wiring import required_folder
from eligibility.population import MOST
from state.binary import NoServer
from state.embedded import stopped


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah bench`."""
    parser.add_argument("what", choices=["cache", "dialogue", "failover"], help="what to measure")
    parser.add_argument(
        "--people",
        type=int,
        metavar="N",
        help="for cache (1,000,000: a minute; a country's 45,000,000 need 10 GB of disk and, for "
        "each of two loads, some minutes) and failover (20,000)",
    )
    parser.add_argument(
        "--rate", type=float, default=2000.0, metavar="R", help="lookups a second (2,000; failover)"
    )
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="for each measurement (3)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Measure, on a Redis and a folder of the bench's own, and print."""
    settings = read_settings(args.settings, os.environ)
    if args.what == "dialogue":
        return _dialogue(settings, args)
    if args.people is None:
        args.people = 20_000 if args.what == "failover" else 1_000_000
    if not 1 <= args.people <= MOST:
        raise Failure(f"--people is a number from 1 to {MOST:,}.")
    if not 0 < args.seconds <= 600:
        raise Failure("--seconds is a number above 0, up to 600.")
    if args.what == "failover":
        return _failover(args)
    required_folder(settings.data_folder)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=settings.data_folder) as folder:
        own = _settings_of_bench(settings, Path(folder))
        with asyncio.Runner(loop_factory=new_loop) as runner:
            try:
                measured = runner.run(bench_cache(own, args.people, args.seconds, _told))
            finally:
                runner.run(stopped(own.data_folder, STOP))
    print(json.dumps(measured.as_json()) if args.json else table(measured))
    return 0


def _told(doing: str) -> None:
    """Some of it takes minutes: say what is done, where somebody may be looking."""
    if sys.stderr.isatty():
        print(f"{doing} ...", file=sys.stderr)


def _dialogue(settings: Settings, args: argparse.Namespace) -> int:
    if not 0 < args.seconds <= 600:
        raise Failure("a bench lasts up to 600 seconds.")
    turns = bench_dialogue(stage_of(settings), args.seconds)
    print(json.dumps(turns.as_json()) if args.json else dialogue_table(turns))
    return 0


def _failover(args: argparse.Namespace) -> int:
    if not 10 <= args.rate <= 20_000:
        raise Failure("--rate is from 10 to 20,000 lookups a second.")

    def note(what: str) -> None:
        print(what, file=sys.stderr)

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            found = runner.run(bench_failover(args.people, args.rate, note))
    except (BoxFailed, NoServer, TimeoutError) as error:
        raise Failure(f"the servers of the bench did not do their part: {error}.") from None
    if args.json:
        print(json.dumps([line.as_json() for line in found]))
    else:
        print("\n\n".join(map(picture, found)))
    return 1 if any(line.told[WRONG] for line in found) else 0


def _settings_of_bench(settings: Settings, folder: Path) -> Settings:
    """A Redis of the bench's own: never the operator's."""
    none = type(settings.redis.cache_url)()
    return replace(
        settings,
        data_folder=folder,
        redis=replace(settings.redis, cache_url=none, state_url=none, timeout=5.0),
    )
