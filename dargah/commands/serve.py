"""`dargah serve`: the gateway. SIGTERM drains it."""

import argparse
import asyncio
import os

from config.settings import read_settings
from dargah import loop
from dargah.logs import set_up_logs


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah serve`."""
    parser.add_argument(
        "--only",
        metavar="PARTS",
        help="a part of the gateway: ussd, http (with commas between them). Until there are "
        "edges besides HTTP, both are the whole",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    settings = read_settings(args.settings, os.environ)
    set_up_logs(settings.log.level, readable=False)
    reactor = loop.install()
    from dargah.serving import serving

    async def main(stopping: asyncio.Event) -> int:
        async with serving(reactor, settings):
            await stopping.wait()
        return 0

    return loop.run(reactor, main)
