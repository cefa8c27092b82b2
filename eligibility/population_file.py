"""
A synthetic population in a file, made by columns: a country's in about half a minute.

The bytes are those of people() joined by commas. numpy's Mersenne Twister, given the state of
Python's, draws the same numbers; each column then is a table of texts, padded with zero octets to
one width, from which the rows take theirs, and the padding falls away at the end.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eligibility.population import (
    BRANCHES,
    FOREIGN_STEP,
    HEADER,
    KINDS,
    STEP,
    Row,
    checked_size,
    cover,
    days_around,
    people,
    repeated,
    starts,
)
from eligibility.verdict import Status

_AT_A_TIME: Final = 1 << 16
"""Rows made at once: their columns stay in a processor's cache."""

Octets = NDArray[np.uint8]
Numbers = NDArray[np.int64]


def write_population(path: Path, n: int, seed: int, today: date) -> None:
    """Write the CSV, header first, readable by its owner alone. Raises OSError, ValueError."""
    checked_size(n)
    path.touch(mode=0o600)
    with path.open("wb") as file:
        file.write((",".join(HEADER) + "\n").encode())
        for lines in _lines(n, seed, today):
            file.write(lines)


def _lines(n: int, seed: int, today: date) -> Iterator[bytes]:
    """The rows, some at a time. The first of them are what nobody draws."""
    first = list(people(min(n, 100), seed, today))
    yield _joined(first)
    columns = _Columns(seed, today)
    columns.draw(len(first))
    for start in range(len(first), n, _AT_A_TIME):
        yield columns.rows(start, min(n, start + _AT_A_TIME))


def _joined(rows: Iterable[Row]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


class _Columns:
    """Rows of one population, one batch after the other."""

    def __init__(self, seed: int, today: date) -> None:
        self._seed = seed
        # getrandbits(64) is two draws of 32 bits, the low ones first.
        _, state, _ = Random(seed).getstate()  # noqa: S311 - a synthetic population is repeatable
        self._twister = np.random.MT19937()
        self._twister.state = {
            "bit_generator": "MT19937",
            "state": {"key": np.array(state[:-1], np.uint64), "pos": state[-1]},
        }
        days = days_around(today)
        statuses, self._ahead = _covers()
        self._statuses = _table([f",{status}," for status in statuses])
        self._days = _table(["", *days])
        self._kinds = _table([f",{kind}," for kind in KINDS])
        self._branches = _table([f"{branch}," for branch in range(1, BRANCHES + 1)])
        self._updated = _table([f"{day}T" for day in days[:300]])
        self._minutes = _table([f"{m // 60:02}:{m % 60:02}:" for m in range(24 * 60)])
        self._seconds = _table([f"{second:02}+03:30\n" for second in range(60)])

    def draw(self, n: int) -> NDArray[np.uint64]:
        """The next n numbers of 64 bits."""
        halves = self._twister.random_raw(2 * n)
        drawn: NDArray[np.uint64] = halves[0::2] | halves[1::2] << np.uint64(32)
        return drawn

    def rows(self, start: int, end: int) -> bytes:
        """The rows from start up to end, which are drawn in their order."""
        bits = self.draw(end - start)
        chance = _part(bits, 0) & 0x3FF
        seconds = _part(bits, 20) % 86_400
        texts = np.concatenate(
            [
                digits(self._seed, np.arange(start, end)),
                self._statuses[chance],
                self._days[self._ahead[chance * 365 + _part(bits, 10) % 365]],
                self._kinds[_part(bits, 50) % 100],
                self._branches[_part(bits, 37) % BRANCHES],
                self._updated[_part(bits, 40) % 300],
                self._minutes[seconds // 60],
                self._seconds[seconds % 60],
            ],
            axis=1,
        )
        lines: bytes = texts[texts != 0].tobytes()
        return lines


def digits(seed: int, which: Numbers) -> Octets:
    """Ten or twelve digits for each of these people, from 0; zero octets after the shorter."""
    start, foreign_start = starts(seed)
    nine = (start + which * STEP) % 10**9
    high, low = divmod(FOREIGN_STEP, 10**6)  # the whole product has more than 63 bits
    twelve = (foreign_start + which * high % 10**6 * 10**6 + which * low) % 10**12
    foreign = (which % 100 == 99) | np.isin(nine, repeated())
    texts = np.zeros((len(which), 12), np.uint8)
    for place in range(3):
        texts[:, place * 3 : place * 3 + 3] = _THREE[nine // 1000 ** (2 - place) % 1000]
    texts[:, 9] = ord("0") + _check_digits(nine)
    for place in range(4):
        part = _THREE[twelve[foreign] // 1000 ** (3 - place) % 1000]
        texts[foreign, place * 3 : place * 3 + 3] = part
    return texts


@cache
def _covers() -> tuple[list[Status], NDArray[np.int16]]:
    """Of each chance the status; of each chance and number of days the place in _Columns' days."""
    rows = [[cover(chance, days) for days in range(365)] for chance in range(1024)]
    places = [0 if ahead is None else 401 + ahead for row in rows for _, ahead in row]
    return [row[0][0] for row in rows], np.array(places, np.int16)


def _check_digits(nine: Numbers) -> Numbers:
    sums = sum((nine // 10 ** (8 - i) % 10 * (10 - i) for i in range(9)), np.zeros_like(nine)) % 11
    digits: Numbers = np.where(sums < 2, sums, 11 - sums)
    return digits


def _part(bits: NDArray[np.uint64], shift: int) -> Numbers:
    return (bits >> np.uint64(shift)).astype(np.int64)


def _table(texts: list[str]) -> Octets:
    """The texts as rows of octets, zeros after the shorter ones."""
    width = max(map(len, texts))
    octets = "".join(text.ljust(width, "\0") for text in texts).encode()
    return np.frombuffer(octets, np.uint8).reshape(len(texts), width)


_THREE: Final = _table([f"{n:03}" for n in range(1000)])
