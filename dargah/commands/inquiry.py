"""`dargah inquiry CODE`: what was told under a tracking code."""

import argparse
import asyncio
import os
from datetime import datetime

from config.settings import Settings, read_settings
from dargah.demo_folder import beside
from dargah.failures import Failure
from dargah.wiring import hashes_of, ledger_of, required_folder, stores_of
from eligibility.ledger import Kept
from eligibility.tracking_code import parse_code
from persian.jalali import TEHRAN, jalali_date, tehran_date
from telecom.msisdn import Msisdn, NotAnMsisdn


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah inquiry`."""
    parser.add_argument("code", metavar="CODE", help="eleven digits, as they were told")
    parser.add_argument(
        "--msisdn",
        metavar="N",
        help="show what this caller would learn: the whole if the code is theirs, else only "
        "that it was answered, and when",
    )


def run(args: argparse.Namespace) -> int:
    """Print what the ledger knows; exit 1 where it knows nothing."""
    code = parse_code(args.code)
    if code is None:
        raise Failure(
            "that is no tracking code: one has eleven digits, and its last one checks the others."
        )
    asker = None
    settings = read_settings(args.settings, os.environ)
    required_folder(settings.data_folder)
    if args.msisdn:
        try:
            asker = hashes_of(settings).of("asker", Msisdn.parse(args.msisdn).digits)
        except NotAnMsisdn as error:
            raise Failure(f"--msisdn: {error}") from None
    return asyncio.run(_show(settings, code, asker))


async def _show(settings: Settings, code: str, asker: str | None) -> int:
    async with stores_of(settings) as stores:
        kept = await ledger_of(stores, settings).find(code)
    if kept is None:
        raise Failure(
            "nothing is known of this code: it was never given, or its time of keeping "
            f"({settings.eligibility.codes_kept_for:g} days) is over"
            f"{beside(settings.data_folder)}."
        )
    print(f"answered   {_moment(kept.first_at)}")
    if kept.times > 1:
        print(f"repeated   {kept.times - 1} times, last {_moment(kept.last_at)}")
    if asker is None or asker == kept.asker:
        _print_whole(kept)
    return 0


def _print_whole(kept: Kept) -> None:
    print(f"channel    {kept.channel}")
    print(f"outcome    {kept.outcome}{' (stale)' * kept.stale}")
    if kept.valid_until:
        print(f"until      {jalali_date(kept.valid_until)} ({kept.valid_until})")
    if kept.not_covered_since:
        print(f"since      {jalali_date(kept.not_covered_since)} ({kept.not_covered_since})")
    print(f"generation {kept.generation if kept.generation is not None else 'none'}")


def _moment(moment: datetime) -> str:
    tehran = moment.astimezone(TEHRAN)
    return f"{jalali_date(tehran_date(moment))} {tehran:%H:%M:%S} Tehran ({moment:%Y-%m-%d} UTC)"
