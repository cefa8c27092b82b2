"""`dargah notice`: a sentence before everything, on every channel, until it ends by itself."""

import argparse
import asyncio
import os

from config.settings import Settings, read_settings
from dargah.failures import Failure
from dargah.noticing import clear_notice, set_notice, show_notice
from dargah.operator_name import operator_name
from dargah.until import moment_of
from dargah.wiring import clock


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah notice`."""
    parser.set_defaults(does=None)
    does = parser.add_subparsers(dest="does", metavar="set|clear")
    put = does.add_parser("set", help="put it before everything; it takes the former one's place")
    put.add_argument("text", metavar="TEXT", help="in the dialogue's first language")
    put.add_argument("--en", metavar="TEXT", help="in English")
    put.add_argument(
        "--in",
        dest="others",
        nargs=2,
        action="append",
        default=[],
        metavar=("LANGUAGE", "TEXT"),
        help="in another language of the dialogue",
    )
    put.add_argument(
        "--until",
        required=True,
        metavar="TIME",
        help="when it ends: 18:30, '2026-11-22 18:30' (Tehran), or 90m, 6h, 2d from now",
    )
    put.add_argument("--by", metavar="NAME", help="who sets it; else the login name")
    spoken = put.add_mutually_exclusive_group()
    spoken.add_argument(
        "--spoken", action="store_true", help="the recordings are of this notice, though older"
    )
    spoken.add_argument("--not-spoken", action="store_true", help="not by telephone")
    clear = does.add_parser("clear", help="end it now")
    clear.add_argument("--by", metavar="NAME", help="who ends it; else the login name")


def run(args: argparse.Namespace) -> int:
    """Set, clear or show."""
    return asyncio.run(_run(read_settings(args.settings, os.environ), args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    if args.does is None:
        return await show_notice(settings)
    by = operator_name(args.by)
    if args.does == "clear":
        return await clear_notice(settings, by)
    now = clock()
    try:
        until = moment_of(args.until, now)
    except ValueError as error:
        raise Failure(f"--until: {error}.") from None
    texts = dict(args.others) | ({"en": args.en} if args.en is not None else {})
    spoken = True if args.spoken else False if args.not_spoken else None
    return await set_notice(settings, args.text, texts, until, by=by, at=now, spoken=spoken)
