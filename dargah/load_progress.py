"""How far a load is, how fast it goes and how long it will take: a bar, or a line now and then."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from eligibility.load import Stage

EVERY: Final = 10.0
"""Seconds between two lines, and before the first of a stage: a short load says nothing."""


class LoadProgress(Protocol):
    """Told how far a load is; entered before it, and left after it."""

    def __enter__(self) -> "LoadProgress":
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the end."""
        ...

    def advance(self, stage: Stage, done: int, total: int | None) -> None:
        """As eligibility.load.Progress."""
        ...


def load_progress() -> LoadProgress:
    """For standard error: a live bar on a terminal, else lines."""
    if sys.stderr.isatty():
        return Bars()
    return Lines(time.monotonic, lambda line: print(line, file=sys.stderr, flush=True))


def pace(stage: str, per_second: float) -> str:
    """How fast a stage goes, in its own unit; "" where it has none."""
    if stage == Stage.READING:
        return f"{per_second / 1e6:,.1f} MB/s"
    unit = {Stage.WRITING: "people", Stage.CHECKING: "buckets"}.get(Stage(stage))
    return f"{per_second:,.0f} {unit}/s" if unit else ""


class Lines:
    """A line every ten seconds. `clock` gives seconds, `say` prints a line."""

    def __init__(self, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self._clock, self._say = clock, say
        self._stage: Stage | None = None
        self._began = self._told = clock()
        self._spoke = False

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._end()

    def advance(self, stage: Stage, done: int, total: int | None) -> None:
        """As eligibility.load.Progress."""
        now = self._clock()
        if stage is not self._stage:
            self._end()
            self._stage, self._began, self._told, self._spoke = stage, now, now, False
        if now - self._told < EVERY:
            return
        self._told, self._spoke = now, True
        per_second = done / (now - self._began) if now > self._began else 0.0
        words = [f"{done / total:.0%}"] if total else []
        if speed := pace(stage, per_second):
            words.append(speed)
        if total and per_second:
            words.append(f"{(total - done) / per_second:.0f} s left")
        self._say(f"{stage}: {', '.join(words or [f'{now - self._began:.0f} s so far'])}")

    def _end(self) -> None:
        if self._stage is not None and self._spoke:
            self._say(f"{self._stage}: done in {self._clock() - self._began:.0f} s")


class _Pace(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(pace(task.description, task.finished_speed or task.speed or 0.0))


class Bars:
    """A bar for each stage."""

    def __init__(self) -> None:
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            _Pace(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[Stage, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._finish()
        self._bars.stop()

    def advance(self, stage: Stage, done: int, total: int | None) -> None:
        """As eligibility.load.Progress."""
        if stage not in self._tasks:
            self._finish()
            self._tasks[stage] = self._bars.add_task(stage.value, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def _finish(self) -> None:
        for task in self._tasks.values():
            found = self._bars.tasks[task]
            if not found.finished:
                total = found.total or 1
                self._bars.update(task, total=total, completed=total)
