"""
What a person was told of somebody's cover, or should have been: an outcome and its day.

Two sayings that differ in their day alone are different: who was told of a cover until spring has
a wrong answer in hand when it ends in winter.
"""

from dataclasses import dataclass
from datetime import date

from eligibility.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Saying:
    """`day` is the last one of a cover, or the first one without it; None where none was said."""

    outcome: Outcome
    day: date | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> "Saying":
        """What a verdict says."""
        return cls(verdict.outcome, verdict.valid_until or verdict.not_covered_since)

    @classmethod
    def parse(cls, text: str) -> "Saying":
        """Read what __str__ wrote. Raises ValueError."""
        outcome, _, day = text.partition(" ")
        return cls(Outcome(outcome), date.fromisoformat(day) if day else None)

    def __str__(self) -> str:
        return f"{self.outcome.value} {self.day}" if self.day else self.outcome.value
