"""`dargah journal`: how far what was told has come, and the keys under which it is kept."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.settings import Settings, read_settings
from dargah.counted import counted
from dargah.failures import Failure
from dargah.journal_of_settings import database_of, keys_folder, keys_of
from dargah.wiring import clock, required_folder, stores_of
from eligibility.journal import STREAM
from eligibility.journal_sql import JournalTable, WrongSchema
from state.errors import Unavailable


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah journal`."""
    does = parser.add_subparsers(dest="does", required=True, metavar="status|keys|rotate-key")
    does.add_parser("status", help="how many answers are in SQL, and how many wait in Redis")
    does.add_parser("keys", help="every key, and how many answers are kept under it")
    does.add_parser("rotate-key", help="make a new key; running gateways follow in two seconds")


def run(args: argparse.Namespace) -> int:
    """Show, or rotate."""
    settings = read_settings(args.settings, os.environ)
    required_folder(settings.data_folder)
    if args.does == "rotate-key":
        return _rotate(settings)
    return asyncio.run(_status(settings) if args.does == "status" else _keys(settings))


def _rotate(settings: Settings) -> int:
    try:
        key = keys_of(settings).rotate(clock())
    except OSError as error:
        raise Failure(f"{keys_folder(settings)} cannot be written to ({error.strerror}).") from None
    print(
        f"Key {key.id} is in use from now on: {keys_folder(settings) / key.name}. Copy it to where "
        "the other gateways and the safe have theirs; leave the old ones there until "
        "`dargah journal keys` shows no answers under them."
    )
    return 0


@asynccontextmanager
async def _journal(settings: Settings) -> AsyncIterator[JournalTable]:
    """The journal in SQL. Raises Failure where it cannot be read."""
    table = JournalTable(database_of(settings))
    try:
        await table.prepare()
        yield table
    except (Unavailable, WrongSchema) as error:
        raise Failure(f"{error}.") from None
    finally:
        await table.database.close()


async def _status(settings: Settings) -> int:
    async with _journal(settings) as table:
        kept = await table.count()
    async with stores_of(settings) as stores:
        waiting = int(await stores.state.send("XLEN", STREAM))
    waits = counted(waiting, "waits", "wait")
    print(f"{counted(kept, 'answer', 'answers')} in {table.database.name}; {waits} in Redis.")
    return 0


async def _keys(settings: Settings) -> int:
    keys = keys_of(settings)
    async with _journal(settings) as table:
        counts = await table.keys()

    def of(number: int) -> str:
        return f"{number:>12,} {'answer ' if number == 1 else 'answers'}"

    for key in keys.known:
        use = "in use" if key is keys.current else ""
        print(f"{key.id}  {of(counts.pop(key.id, 0))}  {key.name}  {use}".rstrip())
    for id_, number in sorted(counts.items()):
        print(f"{id_}  {of(number)}  its file is not in {keys_folder(settings)}")
    return 0
