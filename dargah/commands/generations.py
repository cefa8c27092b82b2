"""`dargah generations`: what is loaded, and what answers."""

import argparse
import asyncio
import os

from config.settings import Settings, read_settings
from dargah.loading import changed
from dargah.wiring import required_folder, stores_of
from eligibility.generations import Generations


def options(parser: argparse.ArgumentParser) -> None:
    """Nothing follows."""


def run(args: argparse.Namespace) -> int:
    """Print a line for each generation."""
    return asyncio.run(_list(read_settings(args.settings, os.environ)))


async def _list(settings: Settings) -> int:
    required_folder(settings.data_folder)
    async with stores_of(settings) as stores:
        generations = Generations(stores.cache, stores.state)
        pointer, known = await generations.pointer(), await generations.known()
    if not known:
        print("No generation is loaded; load one with `dargah load FILE.csv`.")
        return 0
    print("generation      people  rejected  duplicates  as of (UTC)       loaded (UTC)      file")
    for g in known:
        role = ""
        if pointer.current and g.number == pointer.current.number:
            role = "  <- answers"
        elif pointer.previous and g.number == pointer.previous.number:
            role = "  (previous)"
        print(
            f"{g.number:>10}  {g.people:>10,}  {g.rejected:>8,}  {g.duplicates:>10,}  "
            f"{g.as_of:%Y-%m-%d %H:%M}  {g.loaded_at:%Y-%m-%d %H:%M}  {g.source} "
            f"[{g.phase}]{role}"
        )
        if g.changes:
            print(f"{'':>12}{changed(g.changes)}")
        if g.accepted:
            by = f" by {g.accepted_by}" if g.accepted_by else ""
            what = " and ".join(f"far {alarm}" for alarm in g.alarms)
            what = (
                what or "far fewer people, or far more changes,"
            )  # facts of before they were told
            print(f"{'':>12}Accepted{by}: {what} than are usual")
    return 0
