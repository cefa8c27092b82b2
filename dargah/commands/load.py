"""`dargah load FILE.csv[.gz]`: a new generation, verified, saved and switched to."""

import argparse
import getpass
import os
from pathlib import Path

from config.settings import read_settings
from dargah.failures import Failure
from dargah.loading import load_file, summary
from dargah.loop import run_alone
from dargah.moments import moment_given
from dargah.wiring import freshness_of, required_folder
from eligibility.load import LoadOptions


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah load`."""
    parser.add_argument("file", metavar="FILE.csv[.gz]")
    parser.add_argument(
        "--pad-ids",
        action="store_true",
        help="restore zeros lost at the front of 8 and 9 digit IDs, where the check digit holds",
    )
    parser.add_argument(
        "--as-of",
        metavar="TIME",
        help="when the export was true (ISO 8601; Tehran time without an offset); else the time "
        "the file was last written",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="load it although it has far fewer people than the generation that answers, or "
        "changes what far more of them are told than is usual; that, and who said so, is kept",
    )
    parser.add_argument(
        "--keep-previous",
        action="store_true",
        help="keep the generation before the one that answers until the switch, for a rollback "
        "while the load runs: three need room in Redis then, not two",
    )
    parser.add_argument(
        "--max-reject-share",
        type=float,
        metavar="SHARE",
        help="the share of rejected rows that stops this load (0 to 1; else from the settings)",
    )


def run(args: argparse.Namespace) -> int:
    """Load, and say what answers now."""
    settings = read_settings(args.settings, os.environ)
    share = settings.load.max_reject_share
    if args.max_reject_share is not None:
        share = args.max_reject_share
    if not 0 <= share <= 1:
        raise Failure("--max-reject-share is a share, from 0 to 1.")
    if not args.file:
        raise Failure("the file's name is empty; name one, such as people.csv.")
    wanted = LoadOptions(
        max_reject_share=share,
        max_shrink_share=settings.load.max_shrink_share,
        max_changed_share=settings.load.max_changed_share,
        accept=args.accept,
        accepted_by=_who() if args.accept else "",
        keep_previous=args.keep_previous,
        pad_ids=args.pad_ids,
        as_of=moment_given("--as-of", args.as_of),
        usable_for=freshness_of(settings).usable_for,
    )
    required_folder(settings.data_folder)
    loaded = run_alone(load_file(settings, Path(args.file), wanted))
    print(summary(loaded))
    return 0


def _who() -> str:
    """The user of the system who loads, also behind sudo; "" where that is not known."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return ""
