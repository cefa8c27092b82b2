"""
`dargah bench dialogue`: a turn of the dialogue, from what was typed to what is shown.

Sessions by chance over the tree (dargah/wandering.py) give the turns; each is then taken and
rendered by itself, many times, and timed alone. A turn with a look-up is two steps of `advance`
and one rendering; the look-up itself is not in it. Nothing else is: no Redis, no network.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random

from dargah.rehearsal import Line, Rehearsal, Taken, turn
from dargah.stage import Stage
from dargah.wandering import wander
from dialogue.steps import Show
from dialogue.tree import Tree

SEED = 1420
SESSIONS = 300
GOAL = 50.0
"""Microseconds at the median."""


@dataclass(frozen=True, slots=True)
class Turns:
    """One channel's turns, in microseconds."""

    channel: str
    turns: int
    median: float
    p99: float


@dataclass(frozen=True, slots=True)
class DialogueBench:
    """What was measured; `goal` is for the median, in microseconds."""

    screens: int
    channels: tuple[Turns, ...]
    goal: float = GOAL

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self) | {"held": all(one.median < self.goal for one in self.channels)}


def bench_dialogue(stage: Stage, seconds: float) -> DialogueBench:
    """Take turns on each channel for so many seconds."""
    draw = Random(SEED)  # noqa: S311 - a bench is to be repeatable
    ussd: list[Taken] = []
    telephone: list[Taken] = []
    for _ in range(SESSIONS):
        rehearsal = Rehearsal(stage)
        first, *typed = wander(stage, draw)
        rehearsal.dial(first)
        for text in typed:
            rehearsal.type(text)
        ussd += rehearsal.ussd.taken
        telephone += rehearsal.telephone.taken
    lines = Rehearsal(stage)
    measured = tuple(
        _measured(name, line, taken, seconds)
        for name, line, taken in (
            ("USSD", lines.ussd, ussd),
            ("telephone", lines.telephone, telephone),
        )
    )
    return DialogueBench(len(stage.tree.screens), measured)


def _measured(name: str, line: Line, taken: Sequence[Taken], seconds: float) -> Turns:
    spent = _timed(line.tree, line.rendering, taken, seconds)
    spent.sort()
    return Turns(
        name,
        len(spent),
        statistics.median(spent) / 1000,
        spent[min(len(spent) - 1, len(spent) * 99 // 100)] / 1000,
    )


def _timed(
    tree: Tree, rendering: Callable[[Show], list[str]], taken: Sequence[Taken], seconds: float
) -> list[int]:
    """Nanoseconds of each turn."""
    spent: list[int] = []
    clock = time.perf_counter_ns
    until = clock() + int(seconds * 1e9)
    while clock() < until:
        for one in taken:
            began = clock()
            _, show, _ = turn(tree, one)
            rendering(show)
            spent.append(clock() - began)
    return spent


def dialogue_table(bench: DialogueBench) -> str:
    """The measurements, to be read."""
    rows = [
        f"{bench.screens} screens; a turn is advance and rendering; goal: median under "
        f"{bench.goal:g} µs",
        "",
        f"{'a turn, in microseconds':<28}{'turns':>12}{'median':>10}{'p99':>10}",
    ]
    rows += [
        f"{one.channel:<28}{one.turns:>12,}{one.median:>10.1f}{one.p99:>10.1f}"
        for one in bench.channels
    ]
    return "\n".join(rows)
