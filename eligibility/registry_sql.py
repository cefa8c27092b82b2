"""
A registry in SQL: one table or view, one SELECT by the ID, the columns of the CSV.

Several rows of one person are read as the loader reads them: the one that was updated last holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, ColumnClause, String, bindparam, column, select, table
from sqlalchemy.sql import Select

from eligibility.national_id import NationalId
from eligibility.registry import FaultKind, RegistryFault
from eligibility.registry_record import COLUMNS, record_of
from eligibility.sql import Database
from eligibility.verdict import Record

MAX_ROWS: Final = 20
"""Rows of one person. More means that the view is not what it should be."""

IdType = Literal["text", "number"]


@dataclass(frozen=True, slots=True)
class PeopleTable:
    """Where the people are: `name` may be "schema.table"; `columns` maps ours to the operator's.

    `id_type`: as text, the ID stands with its zeros; as a number, without.
    """

    name: str = "people"
    id_type: IdType = "text"
    columns: Mapping[str, str] = field(default_factory=dict)


class SqlRegistry:
    """A `Registry` in a database, which is its own to close. `clock` gives aware moments."""

    def __init__(
        self, database: Database, people: PeopleTable, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._clock = clock
        self._by_number = people.id_type == "number"
        self._select = _select(people)

    @property
    def name(self) -> str:
        """The database, its password masked."""
        return self._database.name

    async def person(self, person: NationalId) -> Record | None:
        """As Registry.person."""
        asked_at = self._clock()
        if self._by_number and person.digits.startswith("00") and person.foreign:
            # Its number is that of a ten-digit ID too, and one would get the other's answer.
            raise RegistryFault(
                FaultKind.UNREADABLE, "a foreign code that begins with 00 has no number of its own"
            )
        rows = await self._rows(person.digits)
        if len(rows) > MAX_ROWS:
            raise RegistryFault(FaultKind.UNREADABLE, "the registry has too many rows of a person")
        found = [record_of(row, asked_at) for row in rows]
        if not found:
            return None
        latest = max(record.updated_at for record in found)
        last = {record for record in found if record.updated_at == latest}
        if len(last) > 1:
            raise RegistryFault(
                FaultKind.UNREADABLE, "the registry has rows of a person that contradict each other"
            )
        return last.pop()

    async def prove(self) -> None:
        """See that table and columns are there, by a number that is nobody's."""
        await self._rows("0" * 10)

    async def close(self) -> None:
        """As Registry.close."""
        await self._database.close()

    async def _rows(self, digits: str) -> list[dict[str, Any]]:
        given = int(digits) if self._by_number else digits
        async with self._database.begin() as connection:
            result = await connection.execute(self._select, {"id": given})
            return [dict(row._mapping) for row in result]


def _select(people: PeopleTable) -> Select[Any]:
    schema, _, name = people.name.rpartition(".")
    its: dict[str, ColumnClause[Any]] = {
        ours: column(people.columns.get(ours, ours)) for ours in ("national_id", *COLUMNS)
    }
    source = table(name, *its.values(), schema=schema or None)
    kind = BigInteger() if people.id_type == "number" else String()
    return (
        select(*(its[ours].label(ours) for ours in COLUMNS))
        .select_from(source)
        .where(its["national_id"] == bindparam("id", type_=kind))
        .limit(MAX_ROWS + 1)
    )
