"""`dargah serve`: the gateway. SIGTERM drains it."""

import argparse
import asyncio
import os

from config.settings import read_settings
from dargah import loop
from dargah.failures import Failure
from dargah.logs import set_up_logs
from dargah.serving import PARTS, serving


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah serve`."""
    parser.add_argument(
        "--only",
        metavar="PARTS",
        help=f"a part of the gateway, or more with commas: {', '.join(sorted(PARTS))}",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    parts = frozenset(args.only.split(",")) if args.only else PARTS
    if unknown := parts - PARTS:
        raise Failure(
            f"--only: there is no part {min(unknown)!r}; there are {', '.join(sorted(PARTS))}."
        )
    settings = read_settings(args.settings, os.environ)
    set_up_logs(settings.log.level, readable=False)
    reactor = loop.install()

    async def main(stopping: asyncio.Event) -> int:
        async with serving(reactor, settings, parts):
            await stopping.wait()
        return 0

    return loop.run(reactor, main)
