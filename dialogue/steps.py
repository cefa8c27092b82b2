"""What goes into a dialogue, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from eligibility.answer import Answer, OverBudget

Value = date | int | str
"""A date is read as a Jalali one; a number as the language writes it; a text stays as it is."""


@dataclass(frozen=True, slots=True)
class Start:
    """A conversation begins at a service code of the tree ("*4*1420").

    `at` is the time of day in seconds, here, in Typed and in Silent; 0 where nobody counts it.
    """

    entry: str
    language: str | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Typed:
    """The person typed something; it may be an ID."""

    text: str = field(repr=False)
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up came to: one of its branches, and what is known there."""

    branch: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silent:
    """The person was asked, and typed nothing in time; `at` as in Typed."""

    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Looked:
    """The look-up that was asked for has come back."""

    result: Answer | OverBudget | Found


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The turn's time ran out before there was an answer."""


Input = Start | Typed | Silent | Looked | OutOfTime


@dataclass(frozen=True, slots=True)
class Choice:
    """A key that may be typed, and the phrase for what it does."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Show:
    """What to put before the person; an edge renders it.

    `hint`, a phrase, comes first. Of `say` the first phrase is said whose every value is known,
    then those of `also` whose values are known and not yet said, then the choices. `last`: the
    conversation is over. `wrong`: what was typed did not fit, and it is asked again. `hand_over`:
    a person takes over, where the channel can bring one.
    """

    screen: str
    language: str
    say: tuple[str, ...]
    also: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    hint: str | None = None
    last: bool = False
    wrong: bool = False
    hand_over: bool = False


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look up what was typed, and come back with Looked.

    `what` names one of LOOKUPS (dialogue/lookups.py); an ID is as it was typed. `answers` are
    those kept before, by the names of their questions.
    """

    text: str = field(repr=False)
    what: str = "eligibility"
    answers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


Step = Show | LookUp
