"""What is seen of a load on its way."""

from dargah.load_progress import EVERY, Bars, Lines, pace
from eligibility.load import Stage


def test_lines() -> None:
    """Where nobody watches, a line now and then says how far it is, how fast, and what is left."""
    now, said = 0.0, list[str]()
    with Lines(lambda: now, said.append) as lines:
        for second in range(1, 26):
            now = float(second)
            lines.advance(Stage.READING, second * 50_000_000, 2_000_000_000)
        lines.advance(Stage.WRITING, 0, 45_000_000)
        now = 26.0
        lines.advance(Stage.WRITING, 1_000_000, 45_000_000)
        now = 26 + EVERY
        lines.advance(Stage.WRITING, 22_500_000, 45_000_000)
        now = 60.0
        lines.advance(Stage.SAVING, 0, None)
        now = 75.0
        lines.advance(Stage.SAVING, 0, None)
    assert said == [
        "reading: 28%, 55.0 MB/s, 26 s left",
        "reading: 52%, 52.5 MB/s, 18 s left",
        "reading: done in 24 s",
        "writing: 50%, 2,045,455 people/s, 11 s left",
        "writing: done in 35 s",
        "saving: 15 s so far",
        "saving: done in 15 s",
    ]


def test_short_loads_say_nothing() -> None:
    """A load of seconds leaves no lines in a log."""
    said: list[str] = []
    with Lines(lambda: 1.0, said.append) as lines:
        for stage in Stage:
            lines.advance(stage, 5, 10)
    assert said == []


def test_bars() -> None:
    """On a terminal every stage has its bar, whatever its unit and though its end is unknown."""
    with Bars() as bars:
        for stage in Stage:
            bars.advance(stage, 0, None if stage is Stage.SAVING else 10)
            bars.advance(stage, 5, None if stage is Stage.SAVING else 10)
    assert [pace(stage, 1e6) for stage in Stage] == [
        "1.0 MB/s",
        "1,000,000 people/s",
        "1,000,000 buckets/s",
        "",
        "",
    ]
