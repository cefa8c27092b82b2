"""What commands say of one thing is said of one, and thousands have commas."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dargah.counted import counted
from dargah.loading import summary
from eligibility.generation import Generation, Phase
from eligibility.load import Loaded


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 answers"), (1, "1 answer"), (2, "2 answers"), (1234, "1,234 answers")],
)
def test_a_number_and_its_noun_agree(number: int, said: str) -> None:
    """One answer is no "answers"."""
    assert counted(number, "answer", "answers") == said


def test_a_load_of_one_row() -> None:
    """A file with one person is told as one person from one row."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    one = Generation(1, "t", 10, 10, 1, 0, 0, day, day, "x.csv", "00", Phase.READY)
    assert summary(Loaded(one, 1, None)).startswith(
        "Generation 1 answers: 1 person from 1 row, as of 2026-01-01 00:00 UTC."
    )
    more = replace(one, people=20_000)
    assert "20,000 people from 20,001 rows" in summary(Loaded(more, 20_001, None))
