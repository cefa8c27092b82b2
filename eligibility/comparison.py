"""
What a new generation would change: today's outcomes of some people, in it and in the one before.

    stretches of places, at random ─▶ the buckets of both over them ─▶ outcome against outcome

A stretch is a bucket of the generation that has more of them, and holds some 128 people. Places
are spread over all numbers alike, so people who lie together have nothing else in common: some
hundreds of stretches tell of the whole population, those who are in one generation alone
included.
"""

import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from eligibility.buckets import WHOLE, Family, Layout
from eligibility.pipeline import replies
from eligibility.record import BadRecord, unpack
from eligibility.verdict import Outcome, Source, judge
from state.commands import Commands, Reply

STRETCHES: Final = 800
"""Some 100,000 people: of a share of 5 in 100 the margin is 0.14."""

Choose = Callable[[int, int], Sequence[int]]
"""Of so many numbers, from 0, so many at random, each once and rising."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How outcomes would change against generation `against`, on one day.

    `people` were looked at, in either generation or both, `all_of_them` where that is everybody.
    `kinds` holds outcome before, outcome after, and how many; the most frequent first.
    """

    against: int
    people: int
    all_of_them: bool
    kinds: tuple[tuple[Outcome, Outcome, int], ...]

    @property
    def share(self) -> float:
        """Of the people looked at, those whose outcome changes; 0 to 1."""
        return self.of_all(sum(count for _, _, count in self.kinds))

    @property
    def margin(self) -> float:
        """How far the share in the whole population may be from it, in 95 of 100 samples."""
        if self.all_of_them or not self.people:
            return 0.0
        # Agresti and Coull: also honest where nobody, or everybody, in the sample changes.
        number = self.people + 4
        share = (self.share * self.people + 2) / number
        return 1.96 * math.sqrt(share * (1 - share) / number)

    def of_all(self, count: int) -> float:
        """So many of the people looked at, as a share."""
        return count / self.people if self.people else 0.0

    def to_facts(self) -> dict[str, object]:
        """As it is stored with a generation."""
        return {
            "against": self.against,
            "people": self.people,
            "all": self.all_of_them,
            "kinds": [[str(before), str(after), count] for before, after, count in self.kinds],
        }

    @classmethod
    def from_facts(cls, facts: dict[str, object]) -> "Changes":
        """Read what to_facts gave. Raises ValueError, KeyError or TypeError."""
        against, people, kinds = facts["against"], facts["people"], facts["kinds"]
        if not (isinstance(against, int) and isinstance(people, int) and isinstance(kinds, list)):
            raise TypeError("changes of another form")
        return cls(
            against,
            people,
            facts["all"] is True,
            tuple((Outcome(before), Outcome(after), int(count)) for before, after, count in kinds),
        )

    def __str__(self) -> str:
        margin = f" ±{self.margin:.2%}" if self.margin else ""
        return f"{self.share:.2%}{margin}"

    def table(self) -> Iterator[str]:
        """A line for each kind of change."""
        for before, after, count in self.kinds:
            yield f"{before} to {after}: {self.of_all(count):.2%}"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Places from `first` to before `end`, and the buckets over them, old ones first."""

    first: int
    end: int
    families: tuple[Family, Family]

    def buckets(self) -> Iterator[tuple[int, Family, int]]:
        """Of each bucket: 0 for the old or 1 for the new generation, its family and number."""
        for side, family in enumerate(self.families):
            for number in range(self.first // family.width, (self.end - 1) // family.width + 1):
                yield side, family, number


async def compare(
    cache: Commands, number: int, old: Layout, new: Layout, today: date, choose: Choose
) -> Changes | None:
    """Compare the outcomes of a day in generation `number` and in a new one.

    None where the old people are not in the cache any more. Raises Unavailable, ReplyError.
    """
    stretches = _stretches(old, new, choose)
    outcome_of = _Outcomes(today)
    kinds: Counter[tuple[Outcome, Outcome]] = Counter()
    looked_at = seen = 0
    async with aclosing(_read(cache, stretches)) as read:
        async for stretch, sides in read:
            if not all(whole for whole, _ in sides):
                continue
            seen += 1
            (_, before), (_, after) = sides
            for place in before.keys() | after.keys():
                if stretch.first <= place < stretch.end:
                    looked_at += 1
                    was = outcome_of(before.get(place))
                    will_be = outcome_of(after.get(place))
                    if was is not will_be:
                        kinds[was, will_be] += 1
    if not seen:
        return None
    return Changes(
        number,
        looked_at,
        len(stretches) == _count(old, new) == seen,
        tuple((was, will_be, count) for (was, will_be), count in kinds.most_common()),
    )


class _Outcomes:
    """Outcomes of packed records on a day; nobody's record is NOT_FOUND."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._known: dict[tuple[bytes, int], Outcome] = {}

    def __call__(self, packed: bytes | None) -> Outcome:
        if packed is None:
            return Outcome.NOT_FOUND
        # Status and date decide, which stand in the first three bytes; and whether it is readable.
        key = packed[:3], len(packed)
        outcome = self._known.get(key)
        if outcome is None:
            outcome = self._known[key] = self._judged(packed)
        return outcome

    def _judged(self, packed: bytes) -> Outcome:
        try:
            record = unpack(packed)
        except BadRecord:
            return Outcome.CANNOT_CHECK
        at = datetime.fromtimestamp(0, UTC)  # it does not matter here
        return judge(record, self._today, as_of=at, source=Source.CACHE).outcome


def _families(old: Layout, new: Layout) -> tuple[tuple[Family, Family], ...]:
    return (old.nationals, new.nationals), (old.foreigners, new.foreigners)


def _count(old: Layout, new: Layout) -> int:
    """How many stretches there are in all."""
    return sum(max(family.buckets for family in pair) for pair in _families(old, new))


def _stretches(old: Layout, new: Layout, choose: Choose) -> list[_Stretch]:
    """Some stretches of both families, or all where there are few."""
    total = _count(old, new)
    chosen = choose(total, STRETCHES) if total > STRETCHES else range(total)
    found, before = [], 0
    for pair in _families(old, new):
        finer = min(pair, key=lambda family: family.width)
        for number in chosen:
            at = number - before
            if 0 <= at < finer.buckets:
                first = at * finer.width
                found.append(_Stretch(first, min(first + finer.width, finer.space), pair))
        before += finer.buckets
    return found


_Sides = list[tuple[bool, dict[int, bytes]]]
"""Of the old generation and of the new: whether its buckets are whole, and records by place."""


async def _read(
    cache: Commands, stretches: Sequence[_Stretch]
) -> AsyncGenerator[tuple[_Stretch, _Sides], None]:
    asked = (
        (b"HGETALL", family.key(number))
        for stretch in stretches
        for _, family, number in stretch.buckets()
    )
    async with aclosing(replies(cache, asked)) as buckets:
        for stretch in stretches:
            sides: _Sides = [(True, {}), (True, {})]
            for side, family, number in stretch.buckets():
                kept = await anext(buckets)
                whole, records = sides[side]
                sides[side] = whole & _add(kept, number * family.width, records), records
            yield stretch, sides


def _add(kept: Reply, first: int, records: dict[int, bytes]) -> bool:
    """Add the people of one bucket, whose first place is `first`; whether it is whole."""
    whole = False
    for field, packed in zip(kept[::2], kept[1::2], strict=True):
        if field == WHOLE:
            whole = True
        else:
            records[first + int(field)] = packed
    return whole
