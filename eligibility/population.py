"""
A synthetic population: made of numbers, so that nobody real is in it.

The same size, seed and day give the same rows. Person i has the nine digits
(start + i * step) mod 10**9, a bijection, so that IDs are unique and spread over the whole range,
those with zeros at the front included. One in a hundred is a foreign national. The first rows
hold one of each kind that the table in docs/domain.md tells apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random

from eligibility.national_id import NationalId, check_digit
from eligibility.verdict import Kind, Outcome, Record, Source, Status, judge
from persian.jalali import TEHRAN

HEADER = ("national_id", "status", "valid_until", "kind", "branch", "updated_at")
Row = tuple[str, str, str, str, str, str]

BRANCHES = 550
MOST = 900_000_000

_STEP = 381_966_011  # ends in 1: shares no divisor with 10**9
_FOREIGN_STEP = 381_966_011_251
_KINDS = (Kind.MAIN,) * 34 + (Kind.PENSIONER,) * 9 + (Kind.DEPENDANT,) * 52 + (Kind.VOLUNTARY,) * 5
_FIRST: tuple[tuple[Status, int | None], ...] = (
    (Status.ACTIVE, 180),
    (Status.ACTIVE, None),
    (Status.INACTIVE, -90),
    (Status.INACTIVE, None),
    (Status.PENDING, 30),
    (Status.ACTIVE, -60),
    (Status.INACTIVE, 60),
)
"""Status and days from today to valid_until of the first rows: every row of the table."""


@dataclass(frozen=True, slots=True)
class Example:
    """A person and what an inquiry about them must come to on the population's day.

    `day` goes with COVERED (until) and NOT_COVERED (since), None where none is said.
    """

    national_id: NationalId
    outcome: Outcome
    day: date | None


def people(n: int, seed: int, today: date) -> Iterator[Row]:
    """n rows in the order of HEADER, without it. Raises ValueError for n above MOST."""
    if not 0 <= n <= MOST:
        raise ValueError(f"a population has 0 to {MOST} people")
    draw = Random(seed)  # noqa: S311 - a synthetic population is to be repeatable
    days = [(today + timedelta(days=ahead)).isoformat() for ahead in range(-400, 401)]
    for i, digits in zip(range(n), _numbers(seed), strict=False):
        bits = draw.getrandbits(64)
        ahead: int | None
        if i < len(_FIRST):
            status, ahead = _FIRST[i]
        else:
            status, ahead = _cover(bits & 0x3FF, (bits >> 10) % 365)
        seconds = (bits >> 20) % 86_400
        updated = days[(bits >> 40) % 300]  # a hundred days ago or more, so that all are past
        yield (
            digits,
            status,
            "" if ahead is None else days[400 + ahead],
            _KINDS[(bits >> 50) % 100],
            str((bits >> 37) % BRANCHES + 1),
            f"{updated}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}+03:30",
        )


def write_population(path: Path, n: int, seed: int, today: date) -> None:
    """Write the CSV, header first, readable by its owner alone. Raises OSError, ValueError."""
    path.touch(mode=0o600)
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(",".join(HEADER) + "\n")
        file.writelines(",".join(row) + "\n" for row in people(n, seed, today))


def examples(n: int, seed: int, today: date) -> list[Example]:
    """One person for each outcome that can be looked up, in the table's order.

    COVERED with a day and without, NOT_COVERED with a day and without, PENDING_PAYMENT, and
    NOT_FOUND: a valid ID that is not in the population. A population of fewer than five people
    has fewer of the others.
    """
    found = [_example(row, today) for row in people(min(n, 5), seed, today)]
    stranger = next(digits for digits in _numbers(seed, first=n) if len(digits) == 10)
    return [*found, Example(NationalId.parse(stranger), Outcome.NOT_FOUND, None)]


def _numbers(seed: int, first: int = 0) -> Iterator[str]:
    """National IDs and foreign nationals' codes, each once, from the first-th on."""
    draw = Random(seed ^ 0x1420)  # noqa: S311 - repeatable
    start, foreign_start = draw.randrange(10**9), draw.randrange(10**12)
    repeated = [
        n for n in (d * 111_111_111 for d in range(10)) if check_digit(n) == n % 10
    ]  # ten equal digits: valid by their check, and not given out
    for i in range(first, 10**9):
        nine = (start + i * _STEP) % 10**9
        if i % 100 == 99 or nine in repeated:
            yield f"{(foreign_start + i * _FOREIGN_STEP) % 10**12:012}"
        else:
            yield f"{nine:09}{check_digit(nine)}"


def _cover(chance: int, days: int) -> tuple[Status, int | None]:
    """Status and days to valid_until, for a chance out of 1,024: most people are covered."""
    if chance < 900:
        return Status.ACTIVE, days
    if chance < 930:
        return Status.ACTIVE, None
    if chance < 960:
        return Status.ACTIVE, -1 - days
    if chance < 990:
        return Status.INACTIVE, -1 - days
    if chance < 1000:
        return Status.INACTIVE, days if chance % 2 else None
    return Status.PENDING, days if chance % 2 else None


def _example(row: Row, today: date) -> Example:
    digits, status, valid_until, kind, branch, _ = row
    until = date.fromisoformat(valid_until) if valid_until else None
    midnight = datetime.combine(today, time(), TEHRAN)
    record = Record(Status(status), until, Kind(kind), int(branch), midnight)
    verdict = judge(record, today, as_of=midnight, source=Source.CACHE)
    day = verdict.valid_until or verdict.not_covered_since
    return Example(NationalId.parse(digits), verdict.outcome, day)
