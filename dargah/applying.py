"""`dargah apply` at work: append the changes of a file, take part in applying them, and count."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from config.settings import Settings
from dargah.changing import change_stream, changes_port
from dargah.failures import Failure
from dargah.wiring import clock, stores_of
from eligibility.change_file import read_changes
from eligibility.generations import Generations
from eligibility.load_errors import LoadRefused
from eligibility.rejects import Rejects
from state.errors import Unavailable
from state.stores import Stores

AT_ONCE = 200
"""Changes appended in one write."""
AHEAD = 20_000
"""Changes appended that are not applied yet: what a file may hold up others by."""
ASKED_EVERY = 0.1
PATIENCE = 60.0
"""Seconds without any change applied, after which waiting is given up."""

Told = Callable[[float, float], None]
"""Told how much of the file (0 to 1) is appended, and how much of it applied."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a file. `counts` has words of person_store.Written, and `bad`."""

    appended: int
    rejected: int
    rejects: Path | None
    counts: Counter[str]


async def apply_file(
    settings: Settings, path: Path, rejects_beside: Path, *, wait: bool, told: Told
) -> Applied:
    """Append a file's changes, and wait until they are applied. Raises Failure."""
    try:
        with Rejects(rejects_beside) as rejects:
            async with stores_of(settings) as stores:
                run = _Run(settings, stores, path, rejects, told)
                return await (run.waiting() if wait else run.leaving())
    except LoadRefused as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read ({error.strerror}).") from None


class _Run:
    def __init__(
        self, settings: Settings, stores: Stores, path: Path, rejects: Rejects, told: Told
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._rejects = rejects
        self._told = told
        self._stream = change_stream(settings, stores)
        self._rows = read_changes(path, rejects, clock())
        self._batch = secrets.token_hex(8)
        self._appended = 0
        self._share = 0.0
        self._counts: Counter[str] = Counter()

    async def leaving(self) -> Applied:
        """Append, and leave the rest to the gateways."""
        own = self._settings.changes
        async for _ in self._appending():
            tended = await self._stream.tend(clock(), timedelta(hours=own.kept_for), own.limit)
            if tended.length >= own.limit + AT_ONCE:
                raise Failure(
                    f"the stream has {tended.length:,} changes that no gateway has applied, and "
                    f"takes no more; {self._appended:,} of this file are in it. Start a gateway, "
                    "or apply without --no-wait; to apply the whole file again does no harm."
                )
        return self._result()

    async def waiting(self) -> Applied:
        """Append, apply with whoever else does, and wait until all is applied."""
        pointer = await Generations(self._stores.cache, self._stores.state).pointer()
        if pointer.current is None:
            raise Failure("no generation is loaded; load one first, by `dargah load FILE.csv`.")
        async with changes_port(self._settings, self._stores, observer=_Nobody()):
            async for _ in self._appending():
                await self._until_waiting(AHEAD)
            await self._until_waiting(0)
        return self._result()

    async def _appending(self) -> AsyncIterator[None]:
        while rows := list(islice(self._rows, AT_ONCE)):
            changes = [values for values, _ in rows if values is not None]
            await self._stream.append(changes, self._batch)
            self._appended += len(changes)
            self._share = rows[-1][1]
            self._show()
            yield

    async def _until_waiting(self, most: int) -> None:
        """Until no more than so many of ours wait to be applied."""
        before, since = -1, time.monotonic()
        while (waiting := self._appended - self._counts.total()) > most:
            if waiting != before:
                before, since = waiting, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise Failure(
                    f"{waiting:,} of {self._appended:,} changes are not applied after "
                    f"{PATIENCE:.0f} s; they stay in the stream, and the next gateway takes them. "
                    "`dargah changes` and /readyz may tell why."
                )
            with suppress(Unavailable):  # then we are told so soon enough
                self._counts = Counter(await self._stream.counts(self._batch))
            self._show()
            if self._appended - self._counts.total() > most:
                await asyncio.sleep(ASKED_EVERY)

    def _show(self) -> None:
        applied = self._counts.total() / self._appended if self._appended else 1.0
        self._told(self._share, self._share * applied)

    def _result(self) -> Applied:
        rejected = self._rejects.rejected
        return Applied(
            self._appended, rejected, self._rejects.path if rejected else None, self._counts
        )


class _Nobody:
    """Who counts here are the batch's counts in Redis."""

    def changed(self, what: str) -> None:
        """As ChangeObserver."""

    def put_aside(self, field: str) -> None:
        """As ChangeObserver."""

    def changes_wait(self, length: int, lag: float) -> None:
        """As ChangeObserver."""
