"""
What a turn of the dialogue costs: `advance`, and the screen that it comes to.

Every step of a few usual conversations, in both languages, is timed by itself; an answer is
there when it is asked for, so that nothing is waited for.
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime

from dialogue.advance import advance
from dialogue.phrases import Phrases
from dialogue.state import EXPIRED
from dialogue.steps import Found, Input, Looked, Show, Start, Typed
from dialogue.tree import Tree
from eligibility.answer import Answer
from eligibility.verdict import Outcome, Source, Verdict
from telecom.channel import Channel
from ussd.rendering import render

GOAL = 50.0
"""Microseconds at the median."""

_CODE = "48305172606"
_AS_OF = datetime(2026, 11, 21, tzinfo=UTC)
_DAY = date(2027, 3, 20)


@dataclass(frozen=True, slots=True)
class MeasuredDialogue:
    """Microseconds for one `advance` with its rendering."""

    steps: int
    median: float
    p99: float

    def as_json(self) -> dict[str, float | int | bool]:
        """For scripts."""
        return {
            "steps": self.steps,
            "median_us": round(self.median, 2),
            "p99_us": round(self.p99, 2),
            "goal_us": GOAL,
            "holds": self.median < GOAL,
        }


def bench_dialogue(tree: Tree, phrases: Phrases, seconds: float) -> MeasuredDialogue:
    """Walk the tree for so many seconds."""
    tree = tree.on(Channel.USSD)
    took: list[int] = []
    talks = [(entry, language) for entry in tree.entries for language in tree.languages]
    clock = time.perf_counter_ns
    until = clock() + int(seconds * 1e9)
    while clock() < until:
        for entry, language in talks:
            for answer in _answers():
                state = EXPIRED
                inputs: tuple[Input, ...] = (
                    Start(entry, language),
                    Typed("7"),
                    Typed("1"),
                    Typed("0012345679"),
                    Looked(answer),
                )
                for given in inputs:
                    began = clock()
                    state, step = advance(tree, state, given)
                    if isinstance(step, Show):
                        render(phrases, step)
                    took.append(clock() - began)
    took.sort()
    return MeasuredDialogue(
        len(took), took[len(took) // 2] / 1000, took[len(took) * 99 // 100] / 1000
    )


def dialogue_table(measured: MeasuredDialogue) -> str:
    """For people."""
    return (
        f"advance and its screen: {measured.median:.1f} us at the median, {measured.p99:.1f} us at"
        f" p99, over {measured.steps:,} steps (goal: under {GOAL:.0f} us at the median)"
    )


def _answers() -> tuple[Answer | Found, ...]:
    def verdict(outcome: Outcome, until: date | None = None, since: date | None = None) -> Verdict:
        return Verdict(outcome, _AS_OF, Source.CACHE, valid_until=until, not_covered_since=since)

    return (
        Answer(verdict(Outcome.COVERED, until=_DAY), _CODE),
        Answer(verdict(Outcome.NOT_COVERED, since=_DAY), _CODE),
        Answer(verdict(Outcome.NOT_FOUND), _CODE),
    )
