"""Where a journal of tests may lie: in SQLite, or in a real PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from eligibility.sql import Database
from tests.journal_bed import Bed, with_bed
from tests.postgres_server import RunningPostgres
from tests.redis_server import RunningRedis


@dataclass(frozen=True, slots=True)
class Place:
    """A URL as in the settings, and the folder that a file's name begins from."""

    url: str
    folder: Path

    def open(self, timeout: float = 1.0) -> Database:
        """A database there, given up after so many seconds."""
        return Database(self.url, self.folder, connections=2, timeout=timeout)


def in_sqlite(folder: Path) -> Place:
    """A file in this folder."""
    return Place("sqlite:///journal.sqlite3", folder)


def empty_place(request: pytest.FixtureRequest, folder: Path) -> Place:
    """An empty database of the kind that a fixture's parameter names."""
    if request.param == "sqlite":
        return in_sqlite(folder)
    running: RunningPostgres = request.getfixturevalue("postgres")
    running.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return Place(running.url, folder)


def with_database(
    server: RunningRedis,
    place: Place,
    test: Callable[[Bed, Database], Awaitable[None]],
    timeout: float = 1.0,
) -> None:
    """Run a test over an emptied Redis and this database."""

    async def run(bed: Bed) -> None:
        database = place.open(timeout)
        try:
            await test(bed, database)
        finally:
            await database.close()

    with_bed(server, run)
