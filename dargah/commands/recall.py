"""`dargah recall`: who was told something wrong after a bad load, and the corrections."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from config.settings import Settings, read_settings
from dargah.correcting import send
from dargah.counted import counted
from dargah.dialogue_of_settings import building, own_version
from dargah.failures import Failure
from dargah.loading import PATIENCE
from dargah.loop import run_alone
from dargah.moments import moment_given
from dargah.recalling import Prepared, prepare
from dargah.wiring import clock, required_folder, stores_of
from dialogue.live import LiveVersions
from dialogue.published import Published
from eligibility.corrections_sql import BY_NOBODY, BY_PROVIDER, BY_SMS
from eligibility.recall_sql import Question
from eligibility.told import microseconds


def options(parser: argparse.ArgumentParser) -> None:
    """What may follow `dargah recall`."""
    parser.add_argument(
        "--generation", type=int, metavar="G", help="answers from this generation are in doubt"
    )
    for name, which in (("--since", "from"), ("--until", "before")):
        parser.add_argument(
            name,
            metavar="TIME",
            help=f"answers {which} this time are in doubt (ISO 8601; Tehran time without offset)",
        )
    parser.add_argument(
        "--changed",
        action="store_true",
        help="also those whose record the registry changed after the answer: it may have been "
        "right when it was given",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count; prepare no corrections")
    parser.add_argument(
        "--send",
        action="store_true",
        help="hand the corrections that the last recall prepared to the operators, as SMS",
    )


def run(args: argparse.Namespace) -> int:
    """Find and prepare, or send what is prepared."""
    settings = read_settings(args.settings, os.environ)
    required_folder(settings.data_folder)
    since, until = (
        microseconds(when) if (when := moment_given(name, given)) else None
        for name, given in (("--since", args.since), ("--until", args.until))
    )
    question = Question(args.generation, since, until)
    if args.send:
        if args.dry_run or args.changed or args.since or args.until:
            raise Failure("--send sends what is prepared already; give it --generation alone.")
        return asyncio.run(_send(settings, args.generation))
    if question == Question():
        raise Failure("which answers are in doubt? Give --generation, or --since and --until.")
    return run_alone(_prepare(settings, question, changed=args.changed, dry_run=args.dry_run))


async def _prepare(settings: Settings, question: Question, *, changed: bool, dry_run: bool) -> int:
    async with stores_of(settings, timeout=PATIENCE) as stores:
        own = own_version(settings, spoken=False)
        versions = LiveVersions(own, Published(stores.state), building(settings), clock=clock)
        await versions.start()
        try:
            with _bar("people") as progress:
                found = await prepare(
                    settings,
                    stores,
                    versions.current,
                    question,
                    changed=changed,
                    dry_run=dry_run,
                    progress=progress,
                )
        finally:
            await versions.close()
    _print(found, dry_run=dry_run)
    if question.generation is not None and not found.tally.looked_at:
        print(
            f"No answer in the journal is from generation {question.generation} (at that time); "
            "`dargah generations` shows the numbers."
        )
    if question.generation == found.generation.number:
        print(
            f"Generation {question.generation} itself answers: it was compared with its own "
            "changes. If it is the bad one, load the right file or roll back, and recall again."
        )
    return 0


async def _send(settings: Settings, generation: int | None) -> int:
    async with stores_of(settings, timeout=PATIENCE) as stores:
        with _bar("sent") as progress:
            done = await send(settings, stores, generation, progress=progress)
    corrections = counted(done, "correction is", "corrections are")
    print(f"{corrections} on their way; running gateways send them as SMS.")
    return 0


def _print(found: Prepared, *, dry_run: bool) -> None:
    tally, current = found.tally, found.generation
    wrong = sum(tally.wrong.values())
    print(
        f"{counted(tally.looked_at, 'answer', 'answers')} compared with generation "
        f"{current.number} (as of {current.as_of:%Y-%m-%d %H:%M} UTC): "
        f"{counted(tally.right, 'holds', 'hold')}, {counted(wrong, 'was', 'were')} wrong."
    )
    if tally.changed_since:
        print(
            f"{counted(tally.changed_since, 'differs', 'differ')}, but the registry changed "
            "the record after the answer; --changed counts them as wrong."
        )
    if tally.by_registry:
        print(
            f"{counted(tally.by_registry, 'differs', 'differ')}, but the registry itself "
            "said so after that export; nothing is said against it."
        )
    if tally.without_key:
        under = counted(tally.without_key, "is under a key that is", "are under keys that are")
        print(f"{under} not here; see `dargah journal keys`.")
    if not wrong:
        return
    print("told               right                   answers")
    for (told, right), number in sorted(tally.wrong.items(), key=lambda item: -item[1]):
        print(f"{told:<18} {right:<18} {number:>12,}")
    print(
        f"To be told by SMS {found.reach[BY_SMS]:,}, through their own system "
        f"{found.reach[BY_PROVIDER]:,}, number not known or no mobile {found.reach[BY_NOBODY]:,}."
    )
    if not dry_run:
        print("Prepared, and nothing sent yet: `dargah recall --send` sends the SMS.")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """On a terminal a live bar; elsewhere nothing."""
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
