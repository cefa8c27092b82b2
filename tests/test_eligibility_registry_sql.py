"""The registry in SQL: SQLite, and a real PostgreSQL."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from eligibility.national_id import NationalId
from eligibility.registry import RegistryFault
from eligibility.registry_fill import FillRefused, fill
from eligibility.registry_sql import MAX_ROWS, IdType, PeopleTable, SqlRegistry
from eligibility.sql import Database
from eligibility.verdict import Record, Status
from state.errors import Unavailable
from state.link import Redis
from tests.loading import NOW, csv_of, line, national, with_redis
from tests.postgres_server import RunningPostgres, running_postgres
from tests.redis_server import running_redis
from tests.registry_stub import RECORD, Clock, Count, guarded

SOMEBODY, NOBODY = NationalId.parse(national(1)), NationalId.parse(national(2))
FOREIGNER = NationalId.parse("918273645501")


@pytest.fixture
def sqlite(tmp_path: Path) -> Callable[..., None]:
    """Runs statements in the file that `sqlite:///people.db` names."""

    def run(*statements: str) -> None:
        with sqlite3.connect(tmp_path / "people.db") as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return run


def asked(
    play: Callable[[SqlRegistry], Coroutine[Any, Any, Any]],
    url: str,
    table: PeopleTable,
    folder: Path = Path("/nowhere"),
    timeout: float = 5,
) -> Any:
    """What comes of asking a registry."""

    async def run() -> Any:
        registry = SqlRegistry(
            Database(url, folder, connections=2, timeout=timeout), table, clock=lambda: NOW
        )
        try:
            return await play(registry)
        finally:
            await registry.close()

    return asyncio.run(run())


def table_of(name: str, id_type: str, rows: str) -> tuple[str, str]:
    """A table as operators have them, real dates and all, and one row or more."""
    return (
        f"CREATE TABLE {name} (code {id_type}, status text, until date, kind varchar(12), "
        "branch smallint, changed timestamptz)",
        f"INSERT INTO {name} VALUES {rows}",
    )


OPERATORS = {"national_id": "code", "valid_until": "until", "updated_at": "changed"}


@pytest.mark.parametrize(
    ("id_type", "quote", "kind"),
    [
        ("text", "'", "text"),
        ("varchar(12)", "'", "text"),
        ("char(12)", "'", "text"),
        ("bigint", "", "number"),
        ("numeric(12)", "", "number"),
    ],
)
def test_postgresql(postgres: RunningPostgres, id_type: str, quote: str, kind: IdType) -> None:
    """Whatever type the operator's IDs have, the person is found, and nobody else is."""
    name = "people_" + "".join(filter(str.isalpha, id_type))
    rest = "'active', '2027-03-20', 'main', 12, '2026-11-01 08:00+03:30'"
    shown = [d if quote else d.lstrip("0") for d in (SOMEBODY.digits, FOREIGNER.digits)]
    postgres.run(*table_of(name, id_type, ", ".join(f"({quote}{d}{quote}, {rest})" for d in shown)))

    async def play(registry: SqlRegistry) -> None:
        await registry.prove()
        assert await registry.person(SOMEBODY) == RECORD
        assert await registry.person(FOREIGNER) == RECORD
        assert await registry.person(NOBODY) is None

    asked(play, postgres.url, PeopleTable(f"public.{name}", kind, OPERATORS))


def test_a_number_that_two_people_share(postgres: RunningPostgres) -> None:
    """Where IDs are numbers, a foreign code that begins with 00 is never taken for another's."""
    rest = "'active', NULL, 'main', NULL, now()"
    postgres.run(*table_of("shared", "bigint", f"({int(SOMEBODY.digits)}, {rest})"))
    other = NationalId.parse(f"00{SOMEBODY.digits}")

    async def play(registry: SqlRegistry) -> None:
        assert await registry.person(SOMEBODY) is not None
        with pytest.raises(RegistryFault, match="number of its own"):
            await registry.person(other)

    asked(play, postgres.url, PeopleTable("shared", "number", OPERATORS))


def test_a_locked_table(postgres: RunningPostgres) -> None:
    """A table that somebody has locked is a fault in time, and answers again afterwards."""
    rest = "'active', '2027-03-20', 'main', 12, '2026-11-01 08:00+03:30'"
    postgres.run(*table_of("locked", "text", f"('{SOMEBODY.digits}', {rest})"))

    async def play(registry: SqlRegistry) -> None:
        with postgres.connection() as holder, holder.transaction():
            holder.execute("LOCK TABLE locked")
            with pytest.raises(Unavailable, match="QueryCanceled"):
                await registry.person(SOMEBODY)
        assert await registry.person(SOMEBODY) == RECORD

    asked(play, postgres.url, PeopleTable("locked", "text", OPERATORS), timeout=0.2)


def test_a_slow_view(postgres: RunningPostgres) -> None:
    """A view that takes for ever is given up by the server itself, and nothing is left running."""
    postgres.run(
        *table_of("behind", "text", f"('{SOMEBODY.digits}', 'active', NULL, 'main', 1, now())"),
        "CREATE VIEW slow AS SELECT behind.* FROM behind, pg_sleep(600)",
    )

    async def play(registry: SqlRegistry) -> None:
        with pytest.raises(Unavailable, match="QueryCanceled"):
            await registry.person(SOMEBODY)

    asked(play, postgres.url, PeopleTable("slow", "text", OPERATORS), timeout=0.2)
    with postgres.connection() as connection:
        left = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%slow%'"
        mine = " AND pid <> pg_backend_pid()"
        assert connection.execute((left + mine).encode()).fetchall() == []


def test_killed_in_mid_query() -> None:
    """A server that dies under a question is a fault, and one that is started anew is asked."""
    with running_postgres() as postgres:
        postgres.run(
            *table_of("t", "text", f"('{SOMEBODY.digits}', 'active', NULL, 'main', 1, now())"),
            "CREATE VIEW slow AS SELECT t.* FROM t, pg_sleep(600)",
        )

        async def play(registry: SqlRegistry) -> None:
            question = asyncio.create_task(registry.person(SOMEBODY))
            with postgres.connection() as other:
                running = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                deadline = time.monotonic() + 20
                while not other.execute(running.encode()).fetchall():
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.01)
            postgres.kill()
            for asking in (question, registry.person(SOMEBODY)):
                with pytest.raises(Unavailable, match=r"OperationalError|AdminShutdown"):
                    await asking

        asked(play, postgres.url, PeopleTable("slow", "text", OPERATORS))


def test_a_server_that_hangs(postgres: RunningPostgres) -> None:
    """Nobody waits for a server that says nothing more, and it is asked again when it does."""
    row = f"('{SOMEBODY.digits}', 'active', '2027-03-20', 'main', 12, '2026-11-01 08:00+03:30')"
    postgres.run(*table_of("hangs", "text", row))
    clock, count = Clock(), Count()

    async def play(link: Redis) -> None:
        database = Database(postgres.url, Path("/nowhere"), connections=2, timeout=5)
        registry = SqlRegistry(database, PeopleTable("hangs", "text", OPERATORS), clock=lambda: NOW)
        guard = guarded(registry, clock, link, count=count, timeout=0.3)
        postgres.stop_answering()
        try:
            assert await guard.ask(SOMEBODY) is None
            await count.failed.wait()
        finally:
            postgres.answer_again()
        assert count == {"late": 1}
        told = await registry.person(SOMEBODY)
        assert told == RECORD
        await guard.close()

    with running_redis() as redis:
        with_redis(redis, play)


def test_what_is_not_there(postgres: RunningPostgres) -> None:
    """A missing table or column, and a missing server, are faults in words without secrets."""
    postgres.run(*table_of("bare", "text", f"('{SOMEBODY.digits}', '', NULL, '', 1, now())"))
    wrong = [
        (postgres.url, PeopleTable("nowhere", "text", OPERATORS), "UndefinedTable: .*nowhere"),
        (postgres.url, PeopleTable("bare"), "UndefinedColumn: .*valid_until"),
        (postgres.url, PeopleTable("bare", "number", OPERATORS), "UndefinedFunction"),
        ("postgresql://u:canary@127.0.0.1:1/x", PeopleTable(), "OperationalError: .*[Rr]efused"),
        ("sqlite:///people.db", PeopleTable(), "unable to open"),
    ]
    for url, table, why in wrong:

        async def play(registry: SqlRegistry, why: str = why) -> None:
            for question in (registry.prove(), registry.person(SOMEBODY)):
                with pytest.raises(Unavailable, match=why) as caught:
                    await question
                assert "canary" not in f"{caught.value!r} {registry.name}"
                assert SOMEBODY.digits not in repr(caught.value)

        asked(play, url, table)


@pytest.mark.parametrize(
    "row",
    [
        "'{id}', 'ACTIVE ', '2027-03-20', 'Main', '12', '2026-11-01T08:00:00+03:30'",
        "'{id}', 'active', '۲۰۲۷-۰۳-۲۰', 'main', 12, '2026-11-01 08:00'",
    ],
)
def test_sqlite(sqlite: Callable[..., None], tmp_path: Path, row: str) -> None:
    """Dates and numbers as text are read as the CSV's are; without an offset it is Tehran time."""
    sqlite(
        "CREATE TABLE people (national_id, status, valid_until, kind, branch, updated_at)",
        f"INSERT INTO people VALUES ({row.format(id=SOMEBODY.digits)})",
    )

    async def play(registry: SqlRegistry) -> None:
        assert await registry.person(SOMEBODY) == RECORD
        assert await registry.person(NOBODY) is None

    asked(play, "sqlite:///people.db", PeopleTable(), tmp_path)


def test_several_rows(sqlite: Callable[..., None], tmp_path: Path) -> None:
    """Of several rows of a person the latest holds; contradicting and countless ones are faults."""
    row = "('{}', 'active', '{}', 'main', 12, '{}')"
    first, second, third, many = (NationalId.parse(national(n)) for n in range(1, 5))
    rows = [
        row.format(first.digits, "2026-03-20", "2026-10-01"),
        row.format(first.digits, "2027-03-20", "2026-11-01T08:00+03:30"),
        row.format(second.digits, "2027-03-20", "2026-11-01"),
        row.format(second.digits, "2028-03-20", "2026-11-01"),
        *[row.format(third.digits, "2027-03-20", "2026-11-01T08:00+03:30")] * 2,
        *[row.format(many.digits, "2027-03-20", "2026-11-01")] * (MAX_ROWS + 1),
    ]
    sqlite(
        "CREATE TABLE people (national_id, status, valid_until, kind, branch, updated_at)",
        f"INSERT INTO people VALUES {', '.join(rows)}",
    )

    async def play(registry: SqlRegistry) -> None:
        assert await registry.person(first) == RECORD
        assert await registry.person(third) == RECORD
        with pytest.raises(RegistryFault, match="contradict"):
            await registry.person(second)
        with pytest.raises(RegistryFault, match="too many"):
            await registry.person(many)

    asked(play, "sqlite:///people.db", PeopleTable(), tmp_path)


def test_a_locked_file_and_none(sqlite: Callable[..., None], tmp_path: Path) -> None:
    """A database that is locked, or was never made, makes nobody unknown."""
    sqlite("CREATE TABLE people (national_id, status, valid_until, kind, branch, updated_at)")

    async def locked(registry: SqlRegistry) -> None:
        holder = sqlite3.connect(tmp_path / "people.db")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="OperationalError"):
            await registry.person(NOBODY)
        holder.close()
        assert await registry.person(NOBODY) is None

    async def missing(registry: SqlRegistry) -> None:
        for question in (registry.prove(), registry.person(NOBODY)):
            with pytest.raises(Unavailable, match="OperationalError"):
                await question

    asked(locked, "sqlite:///people.db", PeopleTable(), tmp_path, timeout=0.1)
    asked(missing, "sqlite:///other.db", PeopleTable(), tmp_path)
    asked(missing, "sqlite:///no/folder.db", PeopleTable(), tmp_path)


@pytest.mark.parametrize("id_type", ["text", "number"])
def test_filled(tmp_path: Path, id_type: IdType) -> None:
    """A registry filled from a CSV has its people, the later row of each, and can be filled on."""
    file = tmp_path / "people.csv"
    old = line(SOMEBODY.digits, "inactive", "", updated_at="2026-10-01")
    table = PeopleTable("their_people", id_type, {"national_id": "code", "branch": "office"})

    async def fill_and_ask(*rows: str) -> tuple[int, int, Record | None]:
        file.write_text(csv_of(rows), encoding="utf-8")
        database = Database("sqlite:///own.db", tmp_path, connections=1, timeout=5)
        filled = await fill(file, database, table, clock=lambda: NOW)
        registry = SqlRegistry(database, table, clock=lambda: NOW)
        found = await registry.person(SOMEBODY)
        await registry.close()
        return filled.people, filled.rejected, found

    bad = line("1234567890")
    now = line(SOMEBODY.digits)
    assert asyncio.run(fill_and_ask(now, bad, old)) == (2, 1, RECORD)
    assert asyncio.run(fill_and_ask(old)) == (1, 0, RECORD)
    later = line(SOMEBODY.digits, "pending", "", updated_at="2026-11-20")
    *_, record = asyncio.run(fill_and_ask(later, line(NOBODY.digits)))
    assert record is not None
    assert record.status is Status.PENDING


def test_only_a_registry_of_ones_own_is_filled(tmp_path: Path) -> None:
    """Nothing is ever written to a PostgreSQL; and a file that is no CSV of people is refused."""

    async def refused(url: str, file: Path) -> None:
        database = Database(url, tmp_path, connections=1, timeout=1)
        with pytest.raises(FillRefused):
            await fill(file, database, PeopleTable(), clock=lambda: NOW)
        await database.close()

    good, bad = tmp_path / "people.csv", tmp_path / "other.csv"
    good.write_text(csv_of([line(SOMEBODY.digits)]), encoding="utf-8")
    bad.write_text("name,age\nx,1\n", encoding="utf-8")
    asyncio.run(refused("postgresql://nobody@127.0.0.1:1/x", good))
    asyncio.run(refused("sqlite:///own.db", bad))
    asyncio.run(refused("sqlite:///own.db", tmp_path / "missing.csv"))
