"""`dargah lookup`: verdicts for national IDs, straight from the cache, no gateway needed."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from config.settings import Settings, read_settings
from dargah.demo_folder import beside
from dargah.failures import Failure
from dargah.wiring import cache_of, clock, required_folder, stores_of
from eligibility.cache import Cache
from eligibility.national_id import InvalidId, NationalId
from eligibility.verdict import CANNOT_CHECK, INVALID_ID, Verdict
from persian.jalali import jalali_date
from state.errors import ReplyError, Unavailable

AT_ONCE = 500
"""IDs under way together: enough to fill a connection, few enough to print as we go."""

LONGEST_LINE = 256


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah lookup`."""
    parser.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="national IDs; - reads them from "
        "standard input, one a line (so that they stay out of the shell's history)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, in order")


def run(args: argparse.Namespace) -> int:
    """Print a line for each ID, in the order asked."""
    settings = read_settings(args.settings, os.environ)
    return asyncio.run(_look_up(settings, _asked(args.ids), as_json=args.json))


def _asked(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if word != "-":
            yield word
            continue
        while line := sys.stdin.buffer.readline(LONGEST_LINE):
            if text := line.decode("utf-8", "replace").strip():
                yield text


async def _look_up(settings: Settings, asked: Iterator[str], *, as_json: bool) -> int:
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        cache = cache_of(stores, settings)
        await cache.refresh()
        if cache.current is None:
            raise Failure(
                f"no population is loaded in {settings.data_folder}; load one with "
                f"`dargah load FILE.csv`{beside(settings.data_folder)}."
            )
        while batch := list(islice(asked, AT_ONCE)):
            verdicts = await asyncio.gather(*(_verdict(cache, text) for text in batch))
            for text, verdict in zip(batch, verdicts, strict=True):
                print(_json(text, verdict) if as_json else _line(text, verdict))
    return 0


async def _verdict(cache: Cache, typed: str) -> Verdict:
    try:
        return await cache.verdict(NationalId.parse(typed), clock())
    except InvalidId:
        return INVALID_ID
    except (Unavailable, ReplyError):
        return CANNOT_CHECK


def _shown(typed: str) -> str:
    """An ID is shown by its last three digits; what is none is not shown at all."""
    try:
        return str(NationalId.parse(typed))
    except InvalidId:
        return "…"


def _json(typed: str, verdict: Verdict) -> str:
    return json.dumps(
        {
            "id": _shown(typed),
            "outcome": verdict.outcome,
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


def _line(typed: str, verdict: Verdict) -> str:
    words = [f"{_shown(typed):>6}  {verdict.outcome:<15}"]
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
