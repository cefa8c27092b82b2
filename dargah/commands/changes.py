"""`dargah changes [bad]`: what waits in the feed of changes, and what could not be read."""

import argparse
import asyncio
import os

from config.settings import Settings, read_settings
from dargah.changing import change_stream
from dargah.wiring import clock, required_folder, stores_of
from eligibility.change import put_at


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah changes`."""
    commands = parser.add_subparsers(dest="changes", metavar="WHAT")
    bad = commands.add_parser("bad", help="changes that could not be read: IDs and reasons")
    bad.add_argument("--count", type=int, default=20, metavar="N", help="how many (20)")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    settings = read_settings(args.settings, os.environ)
    required_folder(settings.data_folder)
    bad = args.changes == "bad"
    return asyncio.run(_bad(settings, max(1, args.count)) if bad else _state(settings))


async def _state(settings: Settings) -> int:
    async with stores_of(settings) as stores:
        stream = change_stream(settings, stores)
        look, bad, now = await stream.look(), await stream.bad_length(), clock()
    print(f"{look.length:,} changes are kept, those that were applied included.")
    if look.oldest:
        seconds = (now - put_at(look.oldest, now)).total_seconds()
        print(f"The oldest that waits has waited {seconds:,.0f} s.")
    else:
        print("None waits.")
    if bad:
        print(f"{bad:,} could not be read; see `dargah changes bad`.")
    return 0


async def _bad(settings: Settings, count: int) -> int:
    async with stores_of(settings) as stores:
        found = await change_stream(settings, stores).bad(count)
    if not found:
        print("No change was put aside.")
    for one in found:
        print(f"{one.id:<24}  {one.reason}")
    return 0
