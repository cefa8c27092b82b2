"""
Where a recall's corrections wait in SQL to be sent.

A correction's `state`: prepared, then sending (it may be in an outbox), then sent. What is not sent
is replaced by the next recall; an outbox knows what it has been given already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select, update

from eligibility.journal_sql import AT_ONCE, CORRECTIONS, PREPARED, RECALLS, SENT
from eligibility.recall_sql import Question
from eligibility.saying import Saying
from eligibility.sql import Database
from telecom.channel import Channel

BY_SMS: Final = "sms"
BY_PROVIDER: Final = "provider"
BY_NOBODY: Final = "nobody"
"""How who asked can be reached: an SMS, their own system, or not at all."""


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


class CorrectionTable:
    """Every method raises Unavailable where SQL fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
