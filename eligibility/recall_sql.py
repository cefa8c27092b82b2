"""What a recall asks of the journal in SQL: answers in doubt, and what was said since."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, exists, select

from eligibility.journal_sql import CORRECTIONS, INQUIRIES, SENT
from eligibility.saying import Saying
from eligibility.sql import Database
from eligibility.verdict import Outcome, Source
from telecom.channel import Channel


@dataclass(frozen=True, slots=True)
class Question:
    """Which answers are in doubt: those of a generation, those of a time (microseconds), both."""

    generation: int | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A row of the journal: the last answer that this asker got about this person."""

    number: int
    at: int
    channel: Channel
    operator: str
    told: Saying
    key_id: str
    person: bytes = field(repr=False)
    asker: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    code: str
    by_registry: bool
    chosen: bool = True


class RecallTable:
    """Every method raises Unavailable where SQL fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def asked(self, question: Question, after: int, most: int) -> tuple[list[Asked], int]:
        """Last answers of everybody whose answer is in doubt, and the `after` for the next call.

        The answer that is in doubt may not be the last: who asked again has the later one.
        """
        doubted, later = INQUIRIES.alias("doubted"), INQUIRIES.alias("later")
        last, again = INQUIRIES.alias("last"), INQUIRIES.alias("again")
        newest = (
            select(later.c.number)
            .where(_same(later, doubted), _tells(later))
            .order_by(later.c.at_us.desc(), later.c.number.desc())
            .limit(1)
            .correlate(doubted)
            .scalar_subquery()
        )
        counted_later = exists().where(
            _same(again, doubted),
            again.c.number > doubted.c.number,
            *_in_doubt(question, again, found_by_person=True),
        )
        wanted = (
            select(last, doubted.c.number.label("doubted"))
            .select_from(doubted)
            .join(last, last.c.number == newest)
            .where(doubted.c.number > after, *_in_doubt(question, doubted), ~counted_later)
            .order_by(doubted.c.number)
            .limit(most)
        )
        found: list[Asked] = []
        async with self._database.begin() as connection:
            # As they come: a chunk's rows beside what is made of them would take twice as much.
            async for row in (await connection.stream(wanted)).mappings():
                found.append(_asked(row))
                after = row["doubted"]
        return found, after

    async def last_of(
        self, question: Question, pairs: Sequence[tuple[bytes, bytes]], after: int
    ) -> Asked | None:
        """The last answer about any of these (person, asker), later than a moment.

        `chosen` says whether it is itself in doubt, and so comes by itself.
        """
        found: list[Asked] = []
        async with self._database.begin() as connection:
            for person, asker in pairs:
                wanted = (
                    select(INQUIRIES, and_(*_in_doubt(question, INQUIRIES)).label("chosen"))
                    .where(
                        INQUIRIES.c.person == person,
                        INQUIRIES.c.asker == asker,
                        INQUIRIES.c.at_us > after,
                        _tells(INQUIRIES),
                    )
                    .order_by(INQUIRIES.c.at_us.desc(), INQUIRIES.c.number.desc())
                    .limit(1)
                )
                row = (await connection.execute(wanted)).mappings().first()
                if row is not None:
                    found.append(_asked(row, chosen=bool(row["chosen"])))
        return max(found, key=lambda asked: asked.at, default=None)

    async def corrected(self) -> dict[int, tuple[Saying, int]]:
        """What was said instead, and when, by the number of the inquiry: corrections sent."""
        wanted = (
            select(CORRECTIONS.c.inquiry, CORRECTIONS.c.now, CORRECTIONS.c.changed_us)
            .where(CORRECTIONS.c.state == SENT)
            .order_by(CORRECTIONS.c.number)
        )
        async with self._database.begin() as connection:
            return {
                int(inquiry): (Saying.parse(now), int(at))
                for inquiry, now, at in await connection.execute(wanted)
            }


def _same(one: Any, other: Any) -> ColumnElement[bool]:
    """The same asker about the same person, under one key: both hashes are that key's own."""
    return and_(one.c.person == other.c.person, one.c.asker == other.c.asker)


def _tells(table: Any) -> ColumnElement[bool]:
    """Who could not be answered was told nothing of the person, so nothing wrong."""
    told: ColumnElement[bool] = table.c.outcome != Outcome.CANNOT_CHECK.value
    return told


def _in_doubt(
    question: Question, table: Any, *, found_by_person: bool = False
) -> list[ColumnElement[bool]]:
    # An expression has no index. SQLite would take that of the generation, which half the table
    # has, and leave the person's, which a few rows have.
    generation, at = table.c.generation, table.c.at_us
    if found_by_person:
        generation, at = generation + 0, at + 0
    said = [_tells(table)]
    if question.generation is not None:
        said.append(generation == question.generation)
    if question.since is not None:
        said.append(at >= question.since)
    if question.until is not None:
        said.append(at < question.until)
    return said


def _asked(row: RowMapping, *, chosen: bool = True) -> Asked:
    day: date | None = row["valid_until"] or row["not_covered_since"]
    return Asked(
        number=row["number"],
        at=row["at_us"],
        channel=Channel(row["channel"]),
        operator=row["operator"],
        told=Saying(Outcome(row["outcome"]), day),
        key_id=row["key_id"],
        person=bytes(row["person"]),
        asker=bytes(row["asker"]),
        sealed=bytes(row["sealed"] or b""),
        code=row["tracking_code"],
        by_registry=row["source"] == Source.REGISTRY.value,
        chosen=chosen,
    )
