"""
A synthetic population: made of numbers, so that nobody real is in it.

The same size, seed and day give the same rows. Person i has the nine digits
(start + i * step) mod 10**9, a bijection, so that IDs are unique and spread over the whole range,
those with zeros at the front included. One in a hundred is a foreign national. The first rows
hold one of each kind that the table in docs/domain.md tells apart. population_file.py writes the
same rows quickly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from random import Random

from eligibility.national_id import NationalId, check_digit
from eligibility.verdict import Kind, Outcome, Record, Source, Status, judge
from persian.jalali import TEHRAN

HEADER = ("national_id", "status", "valid_until", "kind", "branch", "updated_at")
Row = tuple[str, str, str, str, str, str]

BRANCHES = 550
MOST = 900_000_000

STEP = 381_966_011  # ends in 1: shares no divisor with 10**9
FOREIGN_STEP = 381_966_011_251
KINDS = (Kind.MAIN,) * 34 + (Kind.PENSIONER,) * 9 + (Kind.DEPENDANT,) * 52 + (Kind.VOLUNTARY,) * 5
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
    checked_size(n)
    draw = Random(seed)  # noqa: S311 - a synthetic population is to be repeatable
    days = days_around(today)
    for i, digits in zip(range(n), numbers(seed, range(n)), strict=True):
        bits = draw.getrandbits(64)
        ahead: int | None
        if i < len(_FIRST):
            status, ahead = _FIRST[i]
        else:
            status, ahead = cover(bits & 0x3FF, (bits >> 10) % 365)
        seconds = (bits >> 20) % 86_400
        updated = days[(bits >> 40) % 300]  # a hundred days ago or more, so that all are past
        yield (
            digits,
            status,
            "" if ahead is None else days[400 + ahead],
            KINDS[(bits >> 50) % 100],
            str((bits >> 37) % BRANCHES + 1),
            f"{updated}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}+03:30",
        )


def examples(n: int, seed: int, today: date) -> list[Example]:
    """One person for each outcome that can be looked up, in the table's order.

    COVERED with a day and without, NOT_COVERED with a day and without, PENDING_PAYMENT, and
    NOT_FOUND: a valid ID that is not in the population. A population of fewer than five people
    has fewer of the others.
    """
    found = [_example(row, today) for row in people(min(n, 5), seed, today)]
    stranger = next(digits for digits in numbers(seed, count(n)) if len(digits) == 10)
    return [*found, Example(NationalId.parse(stranger), Outcome.NOT_FOUND, None)]


def numbers(seed: int, which: Iterable[int]) -> Iterator[str]:
    """The national ID, or the foreign national's code, of each of these people, from 0."""
    start, foreign_start = starts(seed)
    not_given_out = repeated()
    for i in which:
        nine = (start + i * STEP) % 10**9
        if i % 100 == 99 or nine in not_given_out:
            yield f"{(foreign_start + i * FOREIGN_STEP) % 10**12:012}"
        else:
            yield f"{nine:09}{check_digit(nine)}"


def starts(seed: int) -> tuple[int, int]:
    """The numbers with which the IDs and the codes begin."""
    draw = Random(seed ^ 0x1420)  # noqa: S311 - repeatable
    return draw.randrange(10**9), draw.randrange(10**12)


def repeated() -> list[int]:
    """Nine digits that make ten equal ones: valid by their check, and not given out."""
    return [n for n in (d * 111_111_111 for d in range(10)) if check_digit(n) == n % 10]


def checked_size(n: int) -> None:
    """Raises ValueError for a population that cannot be."""
    if not 0 <= n <= MOST:
        raise ValueError(f"a population has 0 to {MOST} people")


def days_around(today: date) -> list[str]:
    """The days from 400 before today to 400 after."""
    return [(today + timedelta(days=ahead)).isoformat() for ahead in range(-400, 401)]


def cover(chance: int, days: int) -> tuple[Status, int | None]:
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
