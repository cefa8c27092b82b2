"""`dargah lookup`: verdicts for national IDs as a gateway gives them, which need not run."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from prometheus_client import CollectorRegistry

from config.settings import Settings, read_settings
from dargah.demo_folder import beside
from dargah.failures import Failure
from dargah.registry_metrics import RegistryMetrics
from dargah.registry_of_settings import guarded_registry, people_of
from dargah.wiring import cache_of, clock, freshness_of, required_folder, stores_of
from eligibility.inquiry import People
from eligibility.national_id import InvalidId, NationalId, Reason
from eligibility.verdict import CANNOT_CHECK, INVALID_ID, Verdict
from persian.jalali import jalali_date
from state.errors import ReplyError, Unavailable

AT_ONCE = 500
"""IDs under way together: enough to fill a connection, few enough to print as we go."""

LONGEST_LINE = 256

WRONG: dict[Reason, str] = {
    "length": "wrong length",
    "short": "zeros at the front missing",
    "check_digit": "wrong check digit",
    "characters": "no digits, or not only digits",
}


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah lookup`."""
    parser.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="national IDs; - reads them from "
        "standard input, one a line (so that they stay out of the shell's history)",
    )
    parser.add_argument(
        "--cache-only", action="store_true", help="leave the registry out, if there is one"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, in order")


def run(args: argparse.Namespace) -> int:
    """Print a line for each ID, in the order asked."""
    settings = read_settings(args.settings, os.environ)
    return asyncio.run(_look_up(settings, _asked(args.ids), args.cache_only, as_json=args.json))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One ID as it was typed, and its line of standard input, if it came from there."""

    typed: str = field(repr=False)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of it; `wrong` says why it is no ID."""

    shown: str
    verdict: Verdict
    wrong: Reason | None = None
    line: int | None = None


def _asked(words: Iterable[str]) -> Iterator[_Asked]:
    for word in words:
        if word != "-":
            yield _Asked(word)
            continue
        number = 0
        while line := sys.stdin.buffer.readline(LONGEST_LINE):
            number += 1
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = sys.stdin.buffer.readline(LONGEST_LINE)
            if text := line.decode("utf-8", "replace").strip():
                yield _Asked(text, number)


async def _look_up(
    settings: Settings, asked: Iterator[_Asked], cache_only: bool, *, as_json: bool
) -> int:
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        cache = cache_of(stores, settings)
        await cache.refresh()
        events = RegistryMetrics(CollectorRegistry())
        registry = None if cache_only else guarded_registry(settings, stores, cache, events, clock)
        if cache.current is None and registry is None:
            raise Failure(
                f"no population is loaded in {settings.data_folder}; load one with "
                f"`dargah load FILE.csv`{beside(settings.data_folder)}."
            )
        # More at once than the registry is asked, and it would be left out for the others.
        at_once = settings.registry.at_once if registry else AT_ONCE
        people = people_of(settings, cache, registry, freshness_of(settings))
        try:
            while batch := list(islice(asked, at_once)):
                for found in await asyncio.gather(*(_found(people, one) for one in batch)):
                    print(_json(found) if as_json else _line(found))
        finally:
            if registry:
                await registry.close()
    return 0


async def _found(people: People, asked: _Asked) -> _Found:
    """An ID is shown by its last three digits; what is none is not shown at all."""
    try:
        national_id = NationalId.parse(asked.typed)
    except InvalidId as error:
        return _Found("…", INVALID_ID, error.reason, asked.line)
    try:
        return _Found(str(national_id), await people.verdict(national_id, clock()))
    except (Unavailable, ReplyError):
        return _Found(str(national_id), CANNOT_CHECK)


def _json(found: _Found) -> str:
    verdict = found.verdict
    return json.dumps(
        {
            "id": found.shown,
            "outcome": verdict.outcome,
            "wrong": found.wrong,
            "line": found.line,
            "valid_until": verdict.valid_until.isoformat() if verdict.valid_until else None,
            "not_covered_since": (
                verdict.not_covered_since.isoformat() if verdict.not_covered_since else None
            ),
            "as_of": verdict.as_of.isoformat(timespec="seconds") if verdict.as_of else None,
            "stale": verdict.stale,
            "source": verdict.source,
            "kind": verdict.kind,
            "branch": verdict.branch,
        },
        ensure_ascii=False,
    )


def _line(found: _Found) -> str:
    verdict = found.verdict
    words = [f"{found.shown:>6}  {verdict.outcome:<15}"]
    if found.wrong:
        words.append(f"{WRONG[found.wrong]}{f', line {found.line}' if found.line else ''}")
    if verdict.valid_until:
        words.append(f"until {jalali_date(verdict.valid_until)} ({verdict.valid_until})")
    if verdict.not_covered_since:
        since = verdict.not_covered_since
        words.append(f"since {jalali_date(since)} ({since})")
    if verdict.kind:
        words.append(f"{verdict.kind}, branch {verdict.branch or 'unknown'}")
    if verdict.as_of:
        words.append(f"as of {verdict.as_of:%Y-%m-%d %H:%M} UTC{' (stale)' * verdict.stale}")
    return "  ".join(words).rstrip()
