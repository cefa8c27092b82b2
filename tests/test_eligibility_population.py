import tempfile
from datetime import date
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eligibility.national_id import NationalId
from eligibility.population import HEADER, MOST, examples, numbers, people
from eligibility.population_file import digits, write_population
from eligibility.verdict import Outcome
from tests.loading import TODAY


def test_unique_and_valid() -> None:
    """Everybody in a population has a valid number of their own, zeros at the front included."""
    rows = list(people(50_000, 7, TODAY))
    numbers = {NationalId.parse(row[0]).digits for row in rows}
    assert len(numbers) == 50_000
    assert sum(len(number) == 12 for number in numbers) == 500
    assert sum(number.startswith("0") for number in numbers) > 4_000


def test_repeatable(tmp_path: Path) -> None:
    """The same size, seed and day give the same file, and another seed another."""
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_population(tmp_path / name, 500, seed, TODAY)
        contents.append((tmp_path / name).read_text())
    assert contents[0] == contents[1] != contents[2]
    assert contents[0].splitlines()[0] == ",".join(HEADER)
    assert len(contents[0].splitlines()) == 501


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 2**32), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
@example(70_000, 1420, TODAY)
def test_file(n: int, seed: int, today: date) -> None:
    """The file, which is made by columns, has the rows that are made one by one."""
    rows = [",".join(row) + "\n" for row in (HEADER, *people(n, seed, today))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        write_population(path, n, seed, today)
        assert path.read_text() == "".join(rows)
        assert path.stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 2**32), st.integers(0, MOST - 500))
def test_numbers_by_columns(seed: int, first: int) -> None:
    """The last of the largest population have the numbers that are made one by one."""
    which = range(first, first + 500)
    texts = digits(seed, np.arange(first, first + 500))
    assert [bytes(row).rstrip(b"\0").decode() for row in texts] == list(numbers(seed, which))


def test_examples() -> None:
    """There is an example for each outcome that a lookup can come to, and the stranger is one."""
    found = examples(1_000, 3, TODAY)
    assert [(example.outcome, example.day is not None) for example in found] == [
        (Outcome.COVERED, True),
        (Outcome.COVERED, False),
        (Outcome.NOT_COVERED, True),
        (Outcome.NOT_COVERED, False),
        (Outcome.PENDING_PAYMENT, False),
        (Outcome.NOT_FOUND, False),
    ]
    numbers = {row[0] for row in people(1_000, 3, TODAY)}
    assert [example.national_id.digits in numbers for example in found] == [True] * 5 + [False]


def test_dates_exist() -> None:
    """A population can be made on any day, a leap day too."""
    untils = [row[2] for row in people(2_000, 1, date(2028, 2, 29))]
    assert all(date.fromisoformat(until).isoformat() == until for until in untils if until)
