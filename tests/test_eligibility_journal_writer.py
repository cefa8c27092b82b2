"""From the journal's stream to SQL, on SQLite and on a real PostgreSQL: each answer once."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from eligibility.answer import Asker
from eligibility.journal import STREAM
from eligibility.journal_sql import INQUIRIES, SCHEMA, JournalTable, WrongSchema
from eligibility.journal_writer import GROUP, LEASE_KEY
from eligibility.sql import Database
from eligibility.told import microseconds
from state.errors import Unavailable
from state.link import Redis, open_redis
from telecom.msisdn import Msisdn
from tests.gateway_process import ROOT
from tests.journal_bed import ALI, PERSON, SARA, Bed, with_bed
from tests.journal_place import Place, empty_place, in_sqlite, with_database
from tests.postgres_server import running_postgres
from tests.redis_server import FailsAt, RunningRedis


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of either kind."""
    return empty_place(request, tmp_path)


def children_of(process: int) -> list[int]:
    """The processes that it began."""
    return [
        int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def number(n: int) -> Asker:
    """The n-th of many who ask."""
    return Asker(f"{n:032}", contact=Msisdn(f"9891200{n:05}"))


def test_what_was_told_comes_into_sql_once(server: RunningRedis, place: Place) -> None:
    """Every answer is a row, and nothing stays in Redis; the same again adds no row."""

    async def test(bed: Bed, database: Database) -> None:
        told = [await bed.ask(ALI), await bed.ask(ALI), await bed.ask(SARA)]
        before = await bed.redis.send("XRANGE", STREAM, "-", "+")
        writer = bed.writer(database)
        assert await writer.write_once(bed.redis, 0.001) == 3
        assert await bed.redis.send("XLEN", STREAM) == 0
        assert bed.counts.counts["written"] == 3
        for _, flat in before:
            await bed.redis.send("XADD", STREAM, "*", *flat)
        assert await writer.write_once(bed.redis, 0.001) == 3
        assert await bed.redis.send("XLEN", STREAM) == 0
        async with database.begin() as connection:
            rows = (await connection.execute(INQUIRIES.select())).mappings().all()
        # The repeat is at the same moment, by the test's clock: it is the same answer.
        assert {row["tracking_code"] for row in rows} == {one.tracking_code for one in told}
        assert len(rows) == 2
        row = rows[0]
        assert (row["channel"], row["outcome"], row["operator"]) == ("ussd", "COVERED", "mci")
        assert (row["generation"], row["at_us"]) == (7, microseconds(bed.now))
        assert row["valid_until"].isoformat() == "2027-03-20"

    with_database(server, place, test)


def test_whatever_fails_each_answer_comes_into_sql(server: RunningRedis, place: Place) -> None:
    """When any call to Redis fails on the way to SQL, the row is there in the end, and once."""

    async def test(bed: Bed, database: Database) -> None:
        for n in range(1, 30):
            asked = await bed.ask(number(n))
            failing = FailsAt(bed.redis, n)
            writer = bed.writer(database)
            writer._stream._commands = failing
            try:
                await writer.write_once(failing, 0.001)
            except Unavailable:
                await bed.writer(database, "another").write_once(bed.redis, 0.001)
            if failing.tripped and await bed.redis.send("XLEN", STREAM):
                # Read and not taken off: another gateway has it after a while.
                await asyncio.sleep(0.06)
                await bed.writer(database, "third").write_once(bed.redis, 0.001)
            assert await bed.redis.send("XLEN", STREAM) == 0
            assert await JournalTable(database).count() == n, asked.tracking_code
            if not failing.tripped:
                assert n > 3
                return
        raise AssertionError("it never came to its end")

    with_database(server, place, test)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from eligibility.journal_sql import JournalTable
from eligibility.sql import Database
from state.address import Address
from state.link import open_redis
from tests.journal_bed import Bed
from tests.redis_server import RunningRedis

class Killed(JournalTable):
    async def add(self, entries):
        await super().add(entries)
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    socket, url, folder = sys.argv[1:]
    redis = await open_redis(Address(path=Path(socket)), timeout=2.0, name="killed")
    bed = Bed(redis, Path(folder), redis, RunningRedis(Address(path=Path(socket)), 0))
    writer = bed.writer(Database(url, Path(folder), connections=1, timeout=5.0), "killed")
    writer._table = Killed(writer._table.database)
    await writer.write_once(redis, 0.001)

asyncio.run(main())
"""


def test_a_gateway_killed_between_its_commit_and_its_word_to_redis_doubles_nothing(
    server: RunningRedis, place: Place
) -> None:
    """After kill -9 with the rows committed, another gateway takes them over: one row each."""

    async def test(bed: Bed, database: Database) -> None:
        for n in range(20):
            await bed.ask(number(n))
        words = [str(server.address.path), place.url, str(place.folder)]
        killed = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", KILLED, *words], cwd=ROOT, timeout=60
        )
        assert killed.returncode == -9
        table = JournalTable(database)
        assert await table.count() == 20
        assert await bed.redis.send("XLEN", STREAM) == 20
        assert (await bed.redis.send("XPENDING", STREAM, GROUP))[0] == 20
        await asyncio.sleep(0.06)  # until what the dead one had counts as left behind
        assert await bed.writer(database, "two").write_once(bed.redis, 0.001) == 20
        assert await table.count() == 20
        assert await bed.redis.send("XLEN", STREAM) == 0

    with_database(server, place, test)


async def becomes(true: Callable[[], bool]) -> None:
    """Until something is so: what is waited for is a retry, whose time is not ours to set."""
    async with asyncio.timeout(30):
        for _ in itertools.count():
            if true():
                return
            await asyncio.sleep(0.01)


@contextmanager
def away(place: Place) -> Iterator[None]:
    """The database cannot be had meanwhile."""
    with ExitStack() as back:
        if place.url.startswith("sqlite"):
            file = place.folder / "journal.sqlite3"
            file.rename(place.folder / "elsewhere")
            file.mkdir()
            back.callback((place.folder / "elsewhere").rename, file)
            back.callback(file.rmdir)
        yield


def test_while_sql_is_away_the_journal_waits_and_catches_up(
    server: RunningRedis, tmp_path: Path
) -> None:
    """Answers go on without the database; the gateway says so, and writes all of it afterwards."""

    async def test(bed: Bed) -> None:
        place = in_sqlite(tmp_path)
        first = place.open()
        await JournalTable(first).prepare()
        await first.close()
        database = place.open()
        writer = bed.writer(database)
        with away(place):
            writer.start()
            for n in range(30):
                await bed.ask(number(n))
            await becomes(lambda: writer.ready != "ok")
            assert "the database" in writer.ready
            assert "sqlite" not in writer.ready  # anyone who may ask reads it
            assert await bed.redis.send("XLEN", STREAM) == 30
        await becomes(lambda: bed.counts.counts["written"] == 30 and writer.ready == "ok")
        assert await bed.redis.send("XLEN", STREAM) == 0
        assert await JournalTable(database).count() == 30
        await writer.close(5.0)
        await database.close()
        assert bed.counts.counts["lost"] == 0

    with_bed(server, test)


def test_a_database_that_hangs_holds_up_nothing_else(server: RunningRedis, tmp_path: Path) -> None:
    """A PostgreSQL that accepts and says nothing is told of, and caught up with when it is back."""

    async def test(bed: Bed) -> None:
        with running_postgres() as postgres:
            database = Database(postgres.url, tmp_path, connections=2, timeout=0.3)
            writer = bed.writer(database)
            await bed.ask(ALI)
            await writer.write_once(bed.redis, 0.001)
            # Its processes make groups of their own, so each is frozen by itself.
            processes = [postgres.pid, *children_of(postgres.pid)]
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            try:
                writer.start()
                await bed.ask(SARA)
                await becomes(lambda: "does not answer" in writer.ready)
            finally:
                for process in processes:
                    os.kill(process, signal.SIGCONT)
            await becomes(lambda: bed.counts.counts["written"] == 2)
            assert await JournalTable(database).count() == 2
            await writer.close(5.0)
            await database.close()

    with_bed(server, test)


def test_why_the_journal_waits_names_no_place_and_is_of_the_last_try(
    server: RunningRedis, tmp_path: Path
) -> None:
    """Redis away, then SQL away: /readyz says which in a sentence without address, then ok."""

    async def test(bed: Bed) -> None:
        place = in_sqlite(tmp_path)
        database = place.open()
        await JournalTable(database).prepare()
        await database.close()
        tries = itertools.count()

        async def open_link() -> Redis:
            if next(tries) < 3:
                raise Unavailable("no connection to Redis at 10.1.2.3:6379 (refused)")
            return await open_redis(server.address, name="journal", timeout=2.0)

        writer = bed.writer(database, open_link=open_link)
        with away(place), capture_logs() as logged:
            writer.start()
            await becomes(lambda: "Redis" in writer.ready)
            assert writer.ready == "Redis does not answer"
            await becomes(lambda: "the database" in writer.ready)
            assert "/" not in writer.ready
        await becomes(lambda: writer.ready == "ok")
        await writer.close(5.0)
        await database.close()
        reasons = [line["reason"] for line in logged if line["event"] == "journal_unwritten"]
        assert "10.1.2.3:6379" in reasons[0]
        assert "sqlite" in reasons[1]
        assert len(reasons) == 2

    with_bed(server, test)


def test_answers_are_forgotten_after_their_time(server: RunningRedis, place: Place) -> None:
    """What is older than it is to be kept is deleted, by one gateway at a time."""

    async def test(bed: Bed, database: Database) -> None:
        for n in range(5):
            await bed.ask(number(n))
        bed.now += timedelta(days=31)
        await bed.ask(SARA)
        writer = bed.writer(database)
        await writer.write_once(bed.redis, 0.001)
        await bed.redis.send("SET", LEASE_KEY, "another gateway")
        assert await writer.forget_once() == 0
        await bed.redis.send("DEL", LEASE_KEY)
        assert await writer.forget_once() == 5
        assert await JournalTable(database).count() == 1

    with_database(server, place, test)


def test_tables_of_another_version_are_left_alone(server: RunningRedis, place: Place) -> None:
    """A database that another version of Dargah made is refused, and nothing is written."""

    async def test(bed: Bed, database: Database) -> None:
        table = JournalTable(database)
        await table.prepare()
        await table.prepare()
        async with database.begin() as connection:
            await connection.execute(update(SCHEMA).values(version=2))
        await bed.ask()
        with pytest.raises(WrongSchema, match="version 2"):
            await bed.writer(database).write_once(bed.redis, 0.001)
        assert await bed.redis.send("XLEN", STREAM) == 1

    with_database(server, place, test)


def test_nothing_in_sql_is_in_clear(server: RunningRedis, tmp_path: Path) -> None:
    """Neither the ID nor the number can be found in the database's files."""

    async def test(bed: Bed) -> None:
        database = in_sqlite(tmp_path).open()
        await bed.ask(ALI)
        await bed.writer(database).write_once(bed.redis, 0.001)
        await database.close()

    with_bed(server, test)
    found = b"".join(path.read_bytes() for path in tmp_path.glob("journal*"))
    assert b"inquiries" in found
    assert not any(told in found for told in (PERSON.encode(), b"9121234567"))
