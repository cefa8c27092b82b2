"""
The loader: from a CSV of the registry to a new generation that answers.

    refuse early ─▶ read rows ─▶ spool ─▶ make room ─▶ write buckets ─▶ count, read back
                 ─▶ catch up ─▶ compare outcomes ─▶ save ─▶ switch ─▶ catch up

The generation that answers is untouched until the switch, which is one script. Whatever fails
before it leaves, at worst, people whom nobody asks for; they are freed at once, or by the next
load. Room is made by freeing the generation before it: two lie in the cache at once, not three.
"""

import asyncio
import errno
import random
import secrets
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from eligibility.buckets import Layout
from eligibility.comparison import Changes, Choose, compare
from eligibility.csv_source import CsvSource
from eligibility.fill import fill, verify
from eligibility.generation import Alarm, BadGeneration, Generation, Phase
from eligibility.generations import Generations
from eligibility.lease import LeaseLost, LeaseTaken, load_lease
from eligibility.load_errors import LoadError, LoadFailed, LoadRefused
from eligibility.reading import Reading
from eligibility.rejects import Rejects
from eligibility.saving import save
from eligibility.spool import Spool
from persian.jalali import tehran_date
from state.commands import Commands
from state.errors import ReplyError, Unavailable

_PAUSES: Final = (0.0, 0.1, 0.5, 1.0)
"""Seconds before each try to clear away after a failure."""

_FAULTS: Final = (Unavailable, ReplyError, BadGeneration, LeaseLost)


class Stage(StrEnum):
    """What a load is doing; progress counts bytes, people, buckets, and nothing."""

    READING = "reading"
    WRITING = "writing"
    CHECKING = "checking"
    COMPARING = "comparing"
    SAVING = "saving"


Progress = Callable[[Stage, int, int | None], None]
"""Told the stage, how much of it is done, and of how much (None: unknown)."""

CatchUp = Callable[[Generation], Awaitable[None]]
"""Brings changes that are newer than the export into a generation."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """`max_reject_share` is of the rows, 0 to 1. `as_of` (aware): when the export was true; else
    the time the file was last written. A generation that lacks more than `max_shrink_share` (0 to
    1) of the people of the one that answers is loaded with `accept` alone; so is one that changes
    the outcomes of more than `max_changed_share` (0 to 1) of the people. `accepted_by` is who says
    so, "" if unknown. `keep_previous`: the generation before the one that answers stays in the
    cache for a rollback while the load runs, though three need room then. An export that is older
    than `usable_for` is refused, since nobody would be told anything out of it; None: any age."""

    max_reject_share: float = 0.01
    max_shrink_share: float = 0.1
    max_changed_share: float = 1.0
    accept: bool = False
    accepted_by: str = ""
    keep_previous: bool = False
    pad_ids: bool = False
    as_of: datetime | None = None
    usable_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load that succeeded. `rejects` is None where every row was loaded; `freed` are the
    generations that were freed to make room; `before` is what answered until then."""

    generation: Generation
    rows: int
    rejects: Path | None
    freed: tuple[int, ...] = ()
    before: Generation | None = None


def _at_random(total: int, wanted: int) -> Sequence[int]:
    return sorted(random.SystemRandom().sample(range(total), wanted))


async def load(
    path: Path,
    cache: Commands,
    state: Commands,
    spools: Path,
    *,
    clock: Callable[[], datetime],
    options: LoadOptions = LoadOptions(),
    progress: Progress = lambda stage, done, total: None,
    make_token: Callable[[], str] = lambda: secrets.token_hex(5),
    choose: Choose = _at_random,
    catch_up: CatchUp | None = None,
) -> Loaded:
    """Load a file into a new generation and let it answer.

    `catch_up` is called with the new generation when its people are counted, so that what it
    brings is compared and saved; once more before the switch; and right after it.

    `spools` is the folder in the data folder for rows on their way. The links should have a
    time-out of some seconds: a bucket is written at leisure. Raises LoadRefused, LoadFailed.
    """
    try:
        with CsvSource(path) as source, Rejects(path) as rejects:
            loading = _Loading(source, rejects, cache, state, clock, options, progress)
            async with load_lease(state, token := make_token()):
                with Spool(spools, source.text_expected) as spool:
                    return await loading.run(spool, token, make_token(), choose, catch_up)
    except LeaseTaken:
        raise LoadRefused(
            "Another load is running; wait for its end, or a minute if it was killed."
        ) from None
    except _FAULTS as error:
        why = error.remedy if isinstance(error, ReplyError) else error
        raise LoadFailed(
            f"The load stopped: {why}. The generation that answered before it still does, "
            "unless `dargah generations` shows the new one; load again."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LoadFailed(
                f"The load stopped: the disk of {_fullest(spools.parent, path.parent)} is full; "
                "make room there and load again."
            ) from error
        raise LoadFailed(f"The load stopped: {error.strerror or 'the disk failed'}.") from error


def _fullest(*folders: Path) -> Path:
    """The folder whose disk has the least room."""
    return min(folders, key=lambda folder: shutil.disk_usage(folder).free).absolute()


class _Loading:
    """One load, stage by stage."""

    def __init__(
        self,
        source: CsvSource,
        rejects: Rejects,
        cache: Commands,
        state: Commands,
        clock: Callable[[], datetime],
        options: LoadOptions,
        progress: Progress,
    ) -> None:
        self._source = source
        self._rejects = rejects
        self._cache = cache
        self._generations = Generations(cache, state)
        self._clock = clock
        self._now = now = clock()
        self._options = options
        self._progress = progress
        written = datetime.fromtimestamp(source.modified, UTC)
        self._as_of = options.as_of or min(written, now)
        if self._as_of > now:
            raise LoadRefused("The export cannot have been true at a time that is yet to come.")
        usable_for = options.usable_for
        if usable_for is not None and now - self._as_of > usable_for:
            raise LoadRefused(
                f"The export is as of {self._as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC, more than "
                f"{usable_for / timedelta(days=1):g} days ago (eligibility.usable_for), and nobody "
                "could be told anything out of it. Nothing was loaded: load a newer export, or say "
                "with --as-of when this one was true."
            )
        self._accepted: set[Alarm] = set()
        self._freed: list[int] = []

    async def run(
        self, spool: Spool, lease: str, token: str, choose: Choose, catch_up: CatchUp | None
    ) -> Loaded:
        """All stages. Raises LoadError, Unavailable, ReplyError, BadGeneration, LeaseLost."""
        rows = await self._read(spool)
        # Rows are people at the most: what is too few already need not be written first.
        await self._shrinks(spool.rows, "at most ")
        number = await self._generations.allocate(lease)
        if not self._options.keep_previous:
            await self._generations.drop_previous(lease)
        self._freed = await self._generations.free_leftovers(lease)
        try:
            whole = await self._build(spool, lease, number, token)
            if catch_up is not None:
                await catch_up(whole)
            changes = await self._compared(whole, choose)
            self._progress(Stage.SAVING, 0, None)
            await save(self._cache)
            by = self._options.accepted_by if self._accepted else ""
            whole = replace(
                whole,
                changes=changes,
                accepted=bool(self._accepted),
                accepted_by=by,
                alarms=tuple(sorted(self._accepted)),
            )
            if catch_up is not None:  # a country's save takes a while
                await catch_up(whole)
            before = await self._generations.current()
            ready = await self._generations.mark_ready(lease, whole)
        except (LoadError, *_FAULTS, OSError, asyncio.CancelledError):
            await self._clear_away(lease, number)
            raise
        # From here on nothing of it is freed: a switch whose reply is lost may have happened.
        await self._generations.switch(lease, ready.number)
        if catch_up is not None:
            await catch_up(ready)
        with suppress(*_FAULTS):
            await self._generations.free_leftovers(lease)
        listed = self._rejects.rejected + self._rejects.superseded
        path = self._rejects.path if listed else None
        return Loaded(ready, rows, path, tuple(self._freed), before)

    async def _clear_away(self, lease: str, number: int) -> None:
        """Free what a load that failed has left; its facts at least, so that no list has it."""
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            try:
                await self._generations.free_leftovers(lease)
                return
            except Unavailable:
                continue  # a command that was too slow ends the connection: there will be another
            except _FAULTS:
                break
        with suppress(*_FAULTS):
            await self._generations.forget(number)

    async def _read(self, spool: Spool) -> int:
        """Read, check and spool the rows; how many there are. Raises LoadRefused, OSError."""
        options = self._options
        reading = Reading(
            self._source,
            self._rejects,
            spool,
            self._now,
            pad_ids=options.pad_ids,
            max_reject_share=options.max_reject_share,
        )
        async with aclosing(reading.run()) as turns:
            async for _ in turns:
                self._progress(Stage.READING, self._source.position, self._source.size)
        return reading.rows

    async def _build(self, spool: Spool, lease: str, number: int, token: str) -> Generation:
        """A generation whose people are in the cache and counted."""
        layout = Layout.for_people(token, spool.nationals, spool.foreigners)
        loading = Generation(
            number=number,
            token=token,
            width=layout.width,
            foreign_width=layout.foreign_width,
            people=0,
            rejected=self._rejects.rejected,
            duplicates=0,
            as_of=self._as_of,
            loaded_at=self._now,
            source=self._source.name,
            sha256=self._source.sha256(),
            phase=Phase.LOADING,
        )
        await self._generations.begin(lease, loading)
        rows = spool.rows
        filled = await fill(
            self._cache,
            spool,
            layout,
            self._rejects,
            lambda done: self._progress(Stage.WRITING, done, rows),
        )
        await self._shrinks(filled.people - spool.unreadable)
        await verify(
            self._cache,
            filled,
            lambda done: self._progress(Stage.CHECKING, done, layout.buckets),
        )
        self._rejects.flush()
        return replace(
            loading,
            people=filled.people - spool.unreadable,
            unreadable=spool.unreadable,
            duplicates=self._rejects.superseded,
        )

    async def _shrinks(self, people: int, bound: str = "") -> None:
        """Raises LoadRefused if far fewer people would answer than do, and that is not accepted."""
        now = await self._generations.current()
        share = self._options.max_shrink_share
        if now is None or now.people - people <= round(share * now.people, 6):
            return
        if not self._options.accept:
            raise LoadRefused(
                f"{self._source.name} has {bound}{people:,} people where generation {now.number}, "
                f"which answers, has {now.people:,}: more than {share:.2%} fewer "
                "(max_shrink_share), so nothing was loaded; if that is right, load it with "
                "--accept."
            )
        self._accepted.add(Alarm.FEWER_PEOPLE)

    async def _compared(self, whole: Generation, choose: Choose) -> Changes | None:
        """What the new generation changes. Raises LoadRefused if too much, and not accepted."""
        now = await self._generations.current()
        if now is None:
            return None
        self._progress(Stage.COMPARING, 0, None)
        today = tehran_date(self._clock())
        changes = await compare(self._cache, now.number, now.layout, whole.layout, today, choose)
        if changes is None or changes.share <= self._options.max_changed_share:
            return changes
        if not self._options.accept:
            lines = "".join(f"\n  {line}" for line in changes.table())
            freed = ", ".join(map(str, self._freed))
            raise LoadRefused(
                f"{self._source.name} would change what {changes} of the people are told today, "
                f"against generation {now.number}, which answers:{lines}\n"
                f"That is more than {self._options.max_changed_share:.2%} (max_changed_share), so "
                "nothing was loaded; if it is right, load it with --accept."
                + (f" Generation {freed} was freed to make room." if freed else "")
            )
        self._accepted.add(Alarm.MORE_CHANGES)
        return changes
