"""
What a recall asks of the journal in SQL, and where its corrections wait to be sent.

A correction's `state`: prepared, then sending (it may be in an outbox), then sent. What is not sent
is replaced by the next recall; an outbox knows what it has been given already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, func, insert, select, update

from eligibility.journal_sql import AT_ONCE, CORRECTIONS, INQUIRIES, RECALLS
from eligibility.saying import Saying
from eligibility.sql import Database
from eligibility.verdict import Outcome
from telecom.channel import Channel

PREPARED: Final = "prepared"
SENDING: Final = "sending"
SENT: Final = "sent"

BY_SMS: Final = "sms"
BY_PROVIDER: Final = "provider"
BY_NOBODY: Final = "nobody"
"""How who asked can be reached: an SMS, their own system, or not at all."""


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
    chosen: bool = True


@dataclass(frozen=True, slots=True)
class Recall:
    """A recall that was made. Times are in microseconds; `ended` None: it did not come to its end.

    `right_generation` is the one that it compared with.
    """

    number: int
    generation: int | None
    right_generation: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be said instead of a wrong answer, and to whom (`sealed`)."""

    number: int
    inquiry: int
    code: str
    channel: Channel
    operator: str
    key_id: str
    sealed: bytes = field(repr=False)
    told: Saying
    right: Saying
    now: Saying
    reach: str
    text: str


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

    async def keys_since(self, at: int) -> list[str]:
        """The ids of the keys under which anything was journalled since a moment."""
        wanted = select(INQUIRIES.c.key_id).where(INQUIRIES.c.at_us >= at).distinct()
        async with self._database.begin() as connection:
            return [str(key) for (key,) in await connection.execute(wanted)]

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

    async def begin(self, question: Question, right_generation: int, now: int) -> int:
        """Note a recall, in place of what an earlier one prepared and nobody sent; its number."""
        row = insert(RECALLS).values(
            generation=question.generation,
            since_us=question.since,
            until_us=question.until,
            right_generation=right_generation,
            began_us=now,
        )
        async with self._database.begin() as connection:
            await connection.execute(delete(CORRECTIONS).where(CORRECTIONS.c.state != SENT))
            made = await connection.execute(row)
            assert made.inserted_primary_key is not None
            return int(made.inserted_primary_key[0])

    async def prepare(self, recall: int, corrections: Iterable[Correction], now: int) -> None:
        """Keep corrections, to be sent when the recall has come to its end."""
        rows = [
            {
                "recall": recall,
                "inquiry": one.inquiry,
                "tracking_code": one.code,
                "channel": one.channel.value,
                "operator": one.operator,
                "key_id": one.key_id,
                "sealed": one.sealed or None,
                "told": str(one.told),
                "right": str(one.right),
                "now": str(one.now),
                "reach": one.reach,
                "text": one.text,
                "state": PREPARED,
                "changed_us": now,
            }
            for one in corrections
        ]
        async with self._database.begin() as connection:
            for start in range(0, len(rows), AT_ONCE):
                await connection.execute(insert(CORRECTIONS), rows[start : start + AT_ONCE])

    async def end(self, recall: int, now: int) -> None:
        """Note that all of its corrections are there."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(RECALLS).where(RECALLS.c.number == recall).values(ended_us=now)
            )

    async def latest(self) -> Recall | None:
        """The recall that was made last."""
        wanted = select(RECALLS).order_by(RECALLS.c.number.desc()).limit(1)
        async with self._database.begin() as connection:
            row = (await connection.execute(wanted)).mappings().first()
        if row is None:
            return None
        return Recall(row["number"], row["generation"], row["right_generation"], row["ended_us"])

    async def unsent(self, recall: int, after: int, most: int) -> list[Correction]:
        """Corrections of a recall to be sent by SMS, by their numbers."""
        wanted = (
            select(CORRECTIONS)
            .where(CORRECTIONS.c.number > after, *_to_be_sent(recall))
            .order_by(CORRECTIONS.c.number)
            .limit(most)
        )
        async with self._database.begin() as connection:
            return [_correction(row) for row in (await connection.execute(wanted)).mappings()]

    async def mark(self, numbers: Sequence[int], state: str, now: int) -> None:
        """Note what became of corrections."""
        change = update(CORRECTIONS).where(CORRECTIONS.c.number.in_(list(numbers)))
        async with self._database.begin() as connection:
            await connection.execute(change.values(state=state, changed_us=now))

    async def left(self, recall: int) -> int:
        """How many corrections of a recall are still to be sent by SMS."""
        wanted = select(func.count()).where(*_to_be_sent(recall))
        async with self._database.begin() as connection:
            return int((await connection.execute(wanted)).scalar_one())


def _to_be_sent(recall: int) -> list[ColumnElement[bool]]:
    return [
        CORRECTIONS.c.recall == recall,
        CORRECTIONS.c.reach == BY_SMS,
        CORRECTIONS.c.state != SENT,
    ]


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
        chosen=chosen,
    )


def _correction(row: RowMapping) -> Correction:
    return Correction(
        number=row["number"],
        inquiry=row["inquiry"],
        code=row["tracking_code"],
        channel=Channel(row["channel"]),
        operator=row["operator"],
        key_id=row["key_id"],
        sealed=bytes(row["sealed"] or b""),
        told=Saying.parse(row["told"]),
        right=Saying.parse(row["right"]),
        now=Saying.parse(row["now"]),
        reach=row["reach"],
        text=row["text"],
    )
