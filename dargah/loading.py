"""A load as an operator sees it: its progress, then what it came to."""

from datetime import timedelta
from pathlib import Path

from config.settings import Settings
from dargah.counted import counted
from dargah.failures import Failure
from dargah.load_progress import load_progress
from dargah.wiring import clock, place_of, stores_of
from eligibility.catch_up import CatchUp
from eligibility.comparison import Changes
from eligibility.load import Loaded, LoadOptions, Progress, Stage, load
from eligibility.load_errors import LoadError
from state.errors import ReplyError

PATIENCE = 30.0
"""Seconds that one command of a load may take: it writes buckets, not single lookups."""


async def load_file(
    settings: Settings,
    path: Path,
    options: LoadOptions,
    watch: Progress = lambda stage, done, total: None,
) -> Loaded:
    """Load a file through the ordinary loader, with a bar; `watch` is told what the bar is told.

    Raises Failure.
    """
    async with stores_of(settings, timeout=PATIENCE) as stores:
        with load_progress() as shown:

            def advance(stage: Stage, done: int, total: int | None) -> None:
                watch(stage, done, total)
                shown.advance(stage, done, total)

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
    return loaded


def summary(loaded: Loaded) -> str:
    """What was loaded, what that changed and what was freed, in a line or some."""
    generation = loaded.generation
    line = (
        f"Generation {generation.number} answers: "
        f"{counted(generation.people, 'person', 'people')} from "
        f"{counted(loaded.rows, 'row', 'rows')}, as of {generation.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if generation.rejected:
        line += f"; {generation.rejected:,} rejected"
    if generation.unreadable:
        line += (
            f", which leaves {counted(generation.unreadable, 'person', 'people')} of whom it "
            "cannot be told (CANNOT_CHECK) until a row that can be read, a change or the "
            "registry says more"
        )
    if generation.duplicates:
        line += (
            f"; {counted(generation.duplicates, 'duplicate', 'duplicates')} left out (of each "
            "person the newest row answers; of equally new ones the last)"
        )
    line += f"; see {loaded.rejects}." if loaded.rejects else "."
    before = loaded.before
    if before and generation.as_of < before.as_of:
        line += (
            f"\nIt is older than generation {before.number}, which answered until now as of "
            f"{before.as_of:%Y-%m-%d %H:%M} UTC; if that is not meant, `dargah rollback`."
        )
    if generation.changes:
        line += f"\n{changed(generation.changes)}."
    if loaded.freed:
        numbers = ", ".join(map(str, loaded.freed))
        line += f"\nFreed to make room: generation {numbers} (--keep-previous keeps one)."
    return line


def changed(changes: Changes) -> str:
    """How many people are told something else, in one line without a full stop."""
    line = f"Against generation {changes.against}, {changes} of the people are told something else"
    kinds = ", ".join(changes.table())
    return f"{line}: {kinds}" if kinds else line
