"""`dargah apply FILE.csv|jsonl`: changes of single people, onto those who answer."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from config.settings import Settings, read_settings
from dargah.applying import Applied, Told, apply_file
from dargah.counted import counted
from dargah.failures import Failure
from dargah.wiring import required_folder


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah apply`."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="CSV as for `dargah load`, or one JSON object a line; - is standard input",
    )
    parser.add_argument(
        "--no-wait",
        action="store_true",
        help="append to the stream, and leave it to the gateways to apply",
    )


def run(args: argparse.Namespace) -> int:
    """Apply, and say what became of it; 1 where a change was rejected or put aside."""
    settings = read_settings(args.settings, os.environ)
    if not args.file:
        raise Failure("the file's name is empty; name one, such as changes.csv, or - .")
    required_folder(settings.data_folder)
    with _file(args.file, settings) as path, _progress() as told:
        beside = Path("stdin.csv") if args.file == "-" else path
        applied = asyncio.run(apply_file(settings, path, beside, wait=not args.no_wait, told=told))
    print(_summary(applied, waited=not args.no_wait))
    return 1 if applied.rejected or applied.counts["bad"] else 0


def _summary(applied: Applied, *, waited: bool) -> str:
    if waited:
        counts = applied.counts
        line = (
            f"{counted(applied.appended, 'change', 'changes')}: {counts['written']:,} applied, "
            f"{counts['older']:,} older than what is known, {counts['same']:,} known already, "
            f"{counts['bad']:,} bad"
        )
        if counts["unreadable"]:
            line += f", {counts['unreadable']:,} on records that only a load can replace"
    else:
        line = f"{counted(applied.appended, 'change is', 'changes are')} in the stream"
    if applied.rejected:
        line += f"; {applied.rejected:,} rejected, see {applied.rejects}"
    return line + "."


@contextmanager
def _file(name: str, settings: Settings) -> Iterator[Path]:
    """The file itself, or standard input in a file of its own: it is read from its beginning."""
    if name != "-":
        yield Path(name)
        return
    if sys.stdin.isatty():
        print("Changes, one a line; Ctrl-D ends them:", file=sys.stderr)
    folder = settings.data_folder / "spool"
    folder.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="stdin-", suffix=".csv") as spooled:
        shutil.copyfileobj(sys.stdin.buffer, spooled)
        spooled.flush()
        yield Path(spooled.name)


@contextmanager
def _progress() -> Iterator[Told]:
    """On a terminal two live bars; elsewhere nothing."""
    with Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as bar:
        tasks = [bar.add_task("appending", total=1.0), bar.add_task("applying", total=1.0)]

        def told(appended: float, applied: float) -> None:
            for task, done in zip(tasks, (appended, applied), strict=True):
                bar.update(task, completed=done)

        yield told
