"""A load as an operator sees it: a progress bar, then one line."""

import sys
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from config.settings import Settings
from dargah.failures import Failure
from dargah.wiring import clock, place_of, stores_of
from eligibility.catch_up import CatchUp
from eligibility.load import Loaded, LoadOptions, Stage, load
from eligibility.load import Progress as Watch
from eligibility.load_errors import LoadError
from state.errors import ReplyError

PATIENCE = 30.0
"""Seconds that one command of a load may take: it writes buckets, not single lookups."""


async def load_file(
    settings: Settings,
    path: Path,
    options: LoadOptions,
    watch: Watch = lambda stage, done, total: None,
) -> Loaded:
    """Load a file through the ordinary loader, with a bar; `watch` is told what the bar is told.

    Raises Failure.
    """
    async with stores_of(settings, timeout=PATIENCE) as stores:
        with _progress() as bar:
            tasks: dict[Stage, TaskID] = {}

            def advance(stage: Stage, done: int, total: int | None) -> None:
                watch(stage, done, total)
                if stage not in tasks:
                    _finish(bar, tasks)
                    tasks[stage] = bar.add_task(stage.value, total=total)
                bar.update(tasks[stage], completed=done, total=total)

            try:
                loaded = await load(
                    path,
                    stores.cache,
                    stores.state,
                    settings.data_folder / "spool",
                    clock=clock,
                    options=options,
                    progress=advance,
                    catch_up=CatchUp(
                        stores.state,
                        stores.cache,
                        margin=timedelta(hours=settings.changes.margin),
                        clock=clock,
                    ),
                )
            except LoadError as error:
                cause = error.__cause__
                place = place_of(settings, cause) if isinstance(cause, ReplyError) else ""
                raise Failure(f"{str(error).removesuffix('.')}{place}.") from None
            _finish(bar, tasks)
    return loaded


def summary(loaded: Loaded) -> str:
    """What was loaded, in one line."""
    generation = loaded.generation
    line = (
        f"Generation {generation.number} answers: {generation.people:,} people from "
        f"{loaded.rows:,} rows, as of {generation.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if generation.rejected:
        line += f"; {generation.rejected:,} rejected"
    if generation.duplicates:
        line += (
            f"; {generation.duplicates:,} duplicates left out (of each person the newest row "
            "answers; of equally new ones the last)"
        )
    return line + (f"; see {loaded.rejects}." if loaded.rejects else ".")


def _progress() -> Progress:
    """On a terminal a live bar; elsewhere nothing, since a log has no use for one."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    )


def _finish(bar: Progress, tasks: dict[Stage, TaskID]) -> None:
    for task in tasks.values():
        found = bar.tasks[task]
        if not found.finished:
            bar.update(task, total=found.total or 1, completed=found.total or 1)
