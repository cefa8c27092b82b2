"""
The journal in SQL: what was told to whom, for as long as it is kept (docs/journal.md).

    journal_schema    version     of these tables; another one than ours is not touched
    inquiries         one row an answered inquiry
    recalls           one row a recall (recall.py): what was asked, of which generation, when
    corrections       one row a wrong answer, with what is to be said instead

The same answer is one row, however often it comes from the stream: an entry is known by its code,
its moment and its person. So a write that is repeated after a crash, after a time-out or after a
failover of Redis adds nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from eligibility.sql import Database
from eligibility.told import Told

VERSION: Final = 1

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
_METADATA: Final = MetaData()

SCHEMA: Final = Table(
    "journal_schema", _METADATA, Column("version", Integer, primary_key=True, autoincrement=False)
)
INQUIRIES: Final = Table(
    "inquiries",
    _METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column("channel", String(8), nullable=False),
    Column("operator", String(255), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("stale", Boolean, nullable=False),
    Column("repeat", Boolean, nullable=False),
    Column("source", String(8)),
    Column("generation", BigInteger),
    Column("valid_until", Date),
    Column("not_covered_since", Date),
    Column("key_id", String(8), nullable=False),
    Column("person", LargeBinary(16), nullable=False),
    Column("asker", LargeBinary(16), nullable=False),
    Column("sealed", LargeBinary),
    Column("tracking_code", String(11), nullable=False),
    UniqueConstraint("tracking_code", "at_us", "person", name="inquiries_once"),
    Index("inquiries_by_time", "at_us"),
    Index("inquiries_by_generation", "generation", "number"),
    Index("inquiries_by_asker", "person", "asker", "at_us"),
)
RECALLS: Final = Table(
    "recalls",
    _METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("generation", BigInteger),
    Column("since_us", BigInteger),
    Column("until_us", BigInteger),
    Column("right_generation", BigInteger, nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
)
CORRECTIONS: Final = Table(
    "corrections",
    _METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("recall", _NUMBER, ForeignKey("recalls.number"), nullable=False),
    Column("inquiry", _NUMBER, nullable=False),
    Column("tracking_code", String(11), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("operator", String(255), nullable=False),
    Column("key_id", String(8), nullable=False),
    Column("sealed", LargeBinary),
    Column("told", String(32), nullable=False),
    Column("right", String(32), nullable=False),
    Column("now", String(32), nullable=False),
    Column("reach", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Index("corrections_by_state", "state", "number"),
    Index("corrections_by_inquiry", "inquiry"),
)

PREPARED: Final = "prepared"
SENDING: Final = "sending"
SENT: Final = "sent"
"""What a correction's `state` may be."""

AT_ONCE: Final = 500
"""Rows of one statement."""


class WrongSchema(Exception):
    """The tables are of another version of Dargah; the text says what to do."""


class JournalTable:
    """The rows of the journal. Every method raises Unavailable where SQL fails."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def prepare(self) -> None:
        """Make the tables where they are missing. Harmless again. Raises WrongSchema."""
        async with self.database.begin() as connection:
            await connection.run_sync(_METADATA.create_all)
            version = (await connection.execute(select(func.max(SCHEMA.c.version)))).scalar()
            if version is None:
                await connection.execute(insert(SCHEMA).values(version=VERSION))
            elif version != VERSION:
                raise WrongSchema(
                    f"the journal in {self.database.name} has tables of version {version}, and "
                    f"this Dargah knows version {VERSION}; use the Dargah that made them, or "
                    "another database"
                )

    async def add(self, entries: Sequence[Told]) -> None:
        """Write these in one transaction; those that are there already stay as they are."""
        if not entries:
            return
        async with self.database.begin() as connection:
            rows = [_row(told) for told in entries]
            for start in range(0, len(rows), AT_ONCE):
                await connection.execute(_new_rows(connection), rows[start : start + AT_ONCE])

    async def forget(self, before: int, most: int) -> int:
        """Delete some of what is older than `before` (microseconds), at most `most`; how many."""
        old = select(INQUIRIES.c.number).where(INQUIRIES.c.at_us < before).limit(most)
        sent = select(CORRECTIONS.c.number).where(CORRECTIONS.c.changed_us < before).limit(most)
        async with self.database.begin() as connection:
            gone = await connection.execute(delete(INQUIRIES).where(INQUIRIES.c.number.in_(old)))
            await connection.execute(delete(CORRECTIONS).where(CORRECTIONS.c.number.in_(sent)))
            return int(gone.rowcount)

    async def count(self) -> int:
        """How many inquiries there are."""
        async with self.database.begin() as connection:
            found = await connection.execute(select(func.count()).select_from(INQUIRIES))
            return int(found.scalar_one())

    async def keys(self) -> dict[str, int]:
        """How many inquiries there are under each key, by its id."""
        counted = select(INQUIRIES.c.key_id, func.count()).group_by(INQUIRIES.c.key_id)
        async with self.database.begin() as connection:
            return {key: int(number) for key, number in await connection.execute(counted)}


def _new_rows(connection: AsyncConnection) -> Any:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(INQUIRIES).on_conflict_do_nothing()
    return postgresql.insert(INQUIRIES).on_conflict_do_nothing()


def _row(told: Told) -> dict[str, object]:
    return {
        "at_us": told.at,
        "channel": told.channel.value,
        "operator": told.operator,
        "outcome": told.outcome.value,
        "stale": told.stale,
        "repeat": told.repeat,
        "source": told.source.value if told.source else None,
        "generation": told.generation,
        "valid_until": told.valid_until,
        "not_covered_since": told.not_covered_since,
        "key_id": told.key_id,
        "person": told.person,
        "asker": told.asker,
        "sealed": told.sealed or None,
        "tracking_code": told.code,
    }
