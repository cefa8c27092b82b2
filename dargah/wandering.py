"""Sessions by chance: what people type who mostly, and not always, do as they are asked."""

from random import Random
from typing import TypeVar

from dargah.rehearsal import Line, Rehearsal
from dargah.stage import Stage
from dialogue.tree import Menu

MOST_TYPED = 12
Thing = TypeVar("Thing")
_ASTRAY = ("۱", "٢", "7", "1#", "x", "00", "12345", "0")
"""A key in other digits, one that is not offered, and what is no answer at all."""


def wander(stage: Stage, draw: Random) -> list[str]:
    """One session's inputs, what is dialled first. The same draws make the same session."""
    rehearsal = Rehearsal(stage)
    dialled = _one(draw, [*stage.tree.entries]) if draw.random() < 0.98 else "*9"
    inputs = [dialled]
    rehearsal.dial(dialled)
    while not rehearsal.over and len(inputs) <= MOST_TYPED:
        text = _answer(rehearsal, draw)
        rehearsal.type(text)
        inputs.append(text)
    return inputs


def _answer(rehearsal: Rehearsal, draw: Random) -> str:
    lines = [line for line in (rehearsal.ussd, rehearsal.telephone) if not _over(line)]
    line = _one(draw, lines)
    fitting = _keys(line) or rehearsal.names
    return _one(draw, fitting if fitting and draw.random() < 0.75 else list(_ASTRAY))


def _keys(line: Line) -> list[str]:
    screen = line.tree.screens.get(line.state.screen)
    if isinstance(screen, Menu):
        return [option.key for option in screen.offered(line.state.language)]
    return [choice.key for choice in line.show.choices] if line.show else []


def _over(line: Line) -> bool:
    return line.show is not None and line.show.last


def _one(draw: Random, things: list[Thing]) -> Thing:
    # Random.choice may draw otherwise in another version of Python; random() never does.
    return things[int(draw.random() * len(things))]
