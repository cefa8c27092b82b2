"""
The loader: from a CSV of the registry to a new generation that answers.

    refuse early ─▶ read rows ─▶ spool ─▶ write buckets ─▶ count, read back ─▶ save ─▶ switch

The generation that answers is untouched until the switch, which is one script. Whatever fails
before it leaves, at worst, people whom nobody asks for; they are freed at once, or by the next
load.
"""

import asyncio
import errno
import secrets
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from eligibility.buckets import Layout
from eligibility.csv_rows import SHORTEST_ROW, Header, Rejected, RowReader
from eligibility.csv_source import CsvSource, Fields
from eligibility.fill import fill, save, verify
from eligibility.generation import BadGeneration, Generation, Phase
from eligibility.generations import Generations
from eligibility.lease import LeaseLost, LeaseTaken, load_lease
from eligibility.load_errors import LoadError, LoadFailed, LoadRefused
from eligibility.rejects import Rejects
from eligibility.spool import MAX_ROWS, Spool
from state.commands import Commands
from state.errors import ReplyError, Unavailable

_ROWS_A_TURN: Final = 1_000
"""Rows read before the event loop gets its turn: some milliseconds."""

_PAUSES: Final = (0.0, 0.1, 0.5, 1.0)
"""Seconds before each try to clear away after a failure."""

_FAULTS: Final = (Unavailable, ReplyError, BadGeneration, LeaseLost)


class Stage(StrEnum):
    """What a load is doing; progress counts bytes, people, buckets, and nothing."""

    READING = "reading"
    WRITING = "writing"
    CHECKING = "checking"
    SAVING = "saving"


Progress = Callable[[Stage, int, int | None], None]
"""Told the stage, how much of it is done, and of how much (None: unknown)."""

CatchUp = Callable[[Generation], Awaitable[None]]
"""Puts the changes onto a generation that it has missed: eligibility/catch_up.py."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """`max_reject_share` is of the rows, 0 to 1. `as_of` (aware): when the export was true; else
    the time the file was last written. A generation that lacks more than `max_shrink_share` (0 to
    1) of the people of the one that answers is loaded with `accept` alone."""

    max_reject_share: float = 0.01
    max_shrink_share: float = 0.1
    accept: bool = False
    pad_ids: bool = False
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load that succeeded. `rejects` is None where every row was loaded."""

    generation: Generation
    rows: int
    rejects: Path | None


async def load(
    path: Path,
    cache: Commands,
    state: Commands,
    spools: Path,
    *,
    clock: Callable[[], datetime],
    options: LoadOptions = LoadOptions(),
    progress: Progress = lambda stage, done, total: None,
    catch_up: CatchUp | None = None,
    make_token: Callable[[], str] = lambda: secrets.token_hex(5),
) -> Loaded:
    """Load a file into a new generation and let it answer.

    `spools` is the folder in the data folder for rows on their way. `catch_up` puts the changes
    that came after the export onto the new generation, before the switch and right after it. The
    links should have a time-out of some seconds: a bucket is written at leisure. Raises
    LoadRefused, LoadFailed.
    """
    try:
        with CsvSource(path) as source, Rejects(path) as rejects:
            loading = _Loading(source, rejects, cache, state, clock(), options, progress, catch_up)
            async with load_lease(state, token := make_token()):
                with Spool(spools) as spool:
                    return await loading.run(spool, token, make_token())
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
        now: datetime,
        options: LoadOptions,
        progress: Progress,
        catch_up: CatchUp | None,
    ) -> None:
        self._source = source
        self._rejects = rejects
        self._cache = cache
        self._generations = Generations(cache, state)
        self._now = now
        self._options = options
        self._progress = progress
        self._catch_up = catch_up
        written = datetime.fromtimestamp(source.modified, UTC)
        self._as_of = options.as_of or min(written, now)
        if self._as_of > now:
            raise LoadRefused("The export cannot have been true at a time that is yet to come.")
        self._rows = 0

    async def run(self, spool: Spool, lease: str, token: str) -> Loaded:
        """All stages. Raises LoadError, Unavailable, ReplyError, BadGeneration, LeaseLost."""
        for _ in self._read(spool):
            self._progress(Stage.READING, self._source.position, self._source.size)
            await asyncio.sleep(0)
        # Rows are people at the most: what is too few already need not be written first.
        await self._shrinks(spool.rows, "at most ")
        number = await self._generations.allocate(lease)
        await self._generations.free_leftovers(lease)
        try:
            ready = await self._build(spool, lease, number, token)
        except (LoadError, *_FAULTS, OSError, asyncio.CancelledError):
            await self._clear_away(lease, number)
            raise
        # From here on nothing of it is freed: a switch whose reply is lost may have happened.
        await self._generations.switch(lease, ready.number)
        if self._catch_up:
            await self._catch_up(ready)
        with suppress(*_FAULTS):
            await self._generations.free_leftovers(lease)
        listed = self._rejects.rejected + self._rejects.superseded
        return Loaded(ready, self._rows, self._rejects.path if listed else None)

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

    def _read(self, spool: Spool) -> Iterator[None]:
        """Read, check and spool the rows, some at a time. Raises LoadRefused, OSError."""
        name = str(self._source.path)
        rows = self._source.rows()
        first = next(rows, None)
        if not isinstance(first, Fields):
            raise LoadRefused(f"{name} does not begin with a header of column names.")
        header = Header.read(name, first.values)
        reader = RowReader(header, self._now, pad_ids=self._options.pad_ids)
        for row in rows:
            self._rows += 1
            if row.row > MAX_ROWS:
                raise LoadRefused(f"{name} has more than {MAX_ROWS} rows.")
            if isinstance(row, Fields):
                try:
                    spool.add(reader.read(row.values), row.row)
                except Rejected as rejected:
                    self._reject(row.row, rejected.column, rejected.reason)
            else:
                self._reject(row.row, "", row.reason)
            if not self._rows % _ROWS_A_TURN:
                yield
        if not self._rows:
            raise LoadRefused(f"{name} has a header and no people.")
        if self._rejects.rejected > self._options.max_reject_share * self._rows:
            raise self._too_many()
        if not spool.rows:
            raise LoadRefused(f"{name} has no row that can be loaded; see {self._listed}.")

    def _reject(self, row: int, column: str, reason: str) -> None:
        if self._source.ends_open:
            raise LoadRefused(
                f"{self._source.name}: the file ends in the middle of row {row}: it was cut short; "
                "nothing was loaded: fetch the whole file and load it."
            )
        self._rejects.reject(row, column, reason)
        most_rows = self._rows + self._source.text_left // SHORTEST_ROW
        if self._rejects.rejected > self._options.max_reject_share * most_rows:
            raise self._too_many()

    async def _build(self, spool: Spool, lease: str, number: int, token: str) -> Generation:
        """Everything up to the switch: a generation that is whole, checked and saved."""
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
        whole = replace(
            loading,
            people=filled.people,
            duplicates=self._rejects.superseded,
            accepted=await self._shrinks(filled.people),
        )
        await verify(
            self._cache,
            layout,
            filled,
            lambda done: self._progress(Stage.CHECKING, done, layout.buckets),
        )
        if self._catch_up:
            await self._catch_up(whole)
        self._rejects.flush()
        self._progress(Stage.SAVING, 0, None)
        await save(self._cache)
        if self._catch_up:  # a country's save takes a while
            await self._catch_up(whole)
        return await self._generations.mark_ready(lease, whole)

    async def _shrinks(self, people: int, bound: str = "") -> bool:
        """Whether far fewer people would answer than do. Raises LoadRefused if not accepted."""
        now = await self._generations.current()
        share = self._options.max_shrink_share
        if now is None or now.people - people <= round(share * now.people, 6):
            return False
        if not self._options.accept:
            raise LoadRefused(
                f"{self._source.name} has {bound}{people:,} people where generation {now.number}, "
                f"which answers, has {now.people:,}: more than {share:.2%} fewer "
                "(max_shrink_share), so nothing was loaded; if that is right, load it with "
                "--accept."
            )
        return True

    @property
    def _listed(self) -> str:
        return self._rejects.path.name

    def _too_many(self) -> LoadRefused:
        rejected, rows = self._rejects.rejected, self._rows
        reasons = ", ".join(
            f"{reason} ({count})" for reason, count in self._rejects.reasons.most_common(3)
        )
        return LoadRefused(
            f"{self._source.path}: {rejected} of the {rows} rows read are rejected, and "
            f"{self._options.max_reject_share:.2%} are allowed (max_reject_share): {reasons}. "
            f"Nothing was loaded; {self._listed} names each row: mend the export and load it again."
        )
