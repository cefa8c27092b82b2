"""
A registry of one's own in SQLite, filled from the CSV of a population: to try things out, and for
tests. A registry that others keep is only ever read.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table
from sqlalchemy.dialects.sqlite import insert

from eligibility.national_id import InvalidId, NationalId
from eligibility.registry import RegistryFault
from eligibility.registry_record import COLUMNS, record_of
from eligibility.registry_sql import PeopleTable
from eligibility.sql import Database

AT_ONCE: Final = 5_000
"""Rows to a statement."""


class FillRefused(Exception):
    """The file or the database is unfit; the text says why in one sentence."""


@dataclass(slots=True)
class Filled:
    """How many rows became people, and how many could not be read."""

    people: int = 0
    rejected: int = 0


async def fill(
    file: Path, database: Database, people: PeopleTable, *, clock: Callable[[], datetime]
) -> Filled:
    """Write the people of a CSV (or .gz) into the table, made if it is missing.

    Of two rows of a person the one that was updated later stays. All is written, or nothing.
    Raises FillRefused, Unavailable.
    """
    if not database.is_sqlite:
        raise FillRefused("only a registry in SQLite is filled; another's is not ours to write to")
    table, its = _table(people)
    statement = insert(table)
    later = statement.excluded[its["updated_at"]] >= table.c[its["updated_at"]]
    statement = statement.on_conflict_do_update(
        index_elements=[its["national_id"]],
        set_={its[ours]: statement.excluded[its[ours]] for ours in COLUMNS},
        where=later,
    )
    filled = Filled()
    rows = _rows(file, people, its, clock(), filled)
    async with database.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
        while batch := list(islice(rows, AT_ONCE)):
            await connection.execute(statement, batch)
            filled.people += len(batch)
    return filled


def _table(people: PeopleTable) -> tuple[Table, dict[str, str]]:
    its = {ours: people.columns.get(ours, ours) for ours in ("national_id", *COLUMNS)}
    schema, _, name = people.name.rpartition(".")
    types = {ours: Integer() if ours == "branch" else String() for ours in COLUMNS}
    id_type = BigInteger() if people.id_type == "number" else String()
    return Table(
        name,
        MetaData(),
        Column(its["national_id"], id_type, primary_key=True, autoincrement=False),
        *(Column(its[ours], kind) for ours, kind in types.items()),
        schema=schema or None,
    ), its


def _rows(
    file: Path, people: PeopleTable, its: dict[str, str], now: datetime, filled: Filled
) -> Iterator[dict[str, Any]]:
    try:
        with _opened(file) as text:
            given = csv.DictReader(text)
            titles = [(title or "").strip().lower() for title in given.fieldnames or ()]
            if missing := [each for each in ("national_id", *COLUMNS) if each not in titles]:
                raise FillRefused(f"{file} has no column {', '.join(missing)} in its header")
            given.fieldnames = titles
            for row in given:
                found = None
                with suppress(InvalidId, RegistryFault, TypeError):
                    found = _row(row, people, its, now)
                if found:
                    yield found
                else:
                    filled.rejected += 1
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise FillRefused(f"{file} cannot be read ({type(error).__name__})") from None


def _opened(file: Path) -> io.TextIOBase:
    if file.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(file), "utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _row(
    row: dict[str, Any], people: PeopleTable, its: dict[str, str], now: datetime
) -> dict[str, Any]:
    digits = NationalId.parse(row["national_id"] or "").digits
    record = record_of(row, now)
    return {
        its["national_id"]: int(digits) if people.id_type == "number" else digits,
        its["status"]: record.status.value,
        its["valid_until"]: record.valid_until.isoformat() if record.valid_until else None,
        its["kind"]: record.kind.value,
        its["branch"]: record.branch,
        # Of one length and zone, so that as texts they compare as moments do.
        its["updated_at"]: record.updated_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
