"""`dargah registry`: whether the registry answers, and one of one's own to try it with."""

import argparse
import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

from config.reading import Secret
from config.settings import Settings, read_settings
from dargah.counted import counted
from dargah.failures import Failure
from dargah.registry_of_settings import complaint, database_of, registry_of, table_of
from dargah.wiring import clock, required_folder
from state.errors import Unavailable

OWN = "sqlite:///registry.sqlite3"
"""What is filled where no registry is set."""

LOCKED_FOR = 30.0
"""Seconds to wait while another process writes to the file."""


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah registry`."""
    does = parser.add_subparsers(dest="does", required=True, metavar="ask|fill")
    does.add_parser("ask", help="see whether it answers, asking about nobody")
    fill = does.add_parser("fill", help="fill a registry in SQLite from the CSV of a population")
    fill.add_argument("file", metavar="FILE.csv[.gz]")


def run(args: argparse.Namespace) -> int:
    """Ask or fill."""
    settings = read_settings(args.settings, os.environ)
    return asyncio.run(_fill(settings, args.file) if args.does == "fill" else _ask(settings))


async def _ask(settings: Settings) -> int:
    registry = registry_of(settings, clock)
    if registry is None:
        raise Failure("no registry is set; [registry] url in the settings names one.")
    began = time.monotonic()
    if why := await complaint(registry):
        raise Failure(f"{why}.")
    took, limit = time.monotonic() - began, settings.registry.timeout
    print(f"The registry {registry.name} answers.")
    if took > limit:
        print(
            f"It took {took:.1f} s, connecting included. A gateway waits {limit:g} s for an answer "
            "([registry] timeout), and then does without."
        )
    return 0


async def _fill(settings: Settings, file: str) -> int:
    from eligibility.registry_fill import FillRefused, fill

    required_folder(settings.data_folder)
    unset = not settings.registry.url
    if unset:
        settings = replace(settings, registry=replace(settings.registry, url=Secret(OWN)))
    database = database_of(settings, connections=1, timeout=LOCKED_FOR, make=True)
    try:
        filled = await fill(Path(file), database, table_of(settings), clock=clock)
    except (FillRefused, Unavailable) as error:
        raise Failure(f"{error}.") from None
    finally:
        await database.close()
    people = counted(filled.people, "person is", "people are")
    rejected = counted(filled.rejected, "row", "rows")
    print(f"{people} in {database.name}; {rejected} rejected.")
    if unset:
        print(f'It is asked with `url = "{OWN}"` under [registry] in the settings.')
    return 0
