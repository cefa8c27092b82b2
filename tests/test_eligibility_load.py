import asyncio
import gzip
import os
import shutil
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from eligibility.buckets import WHOLE
from eligibility.generations import INVENTORY_KEY, Generations
from eligibility.lease import LEASE_KEY, load_lease
from eligibility.load import Loaded, LoadOptions, Stage, load
from eligibility.load_errors import LoadFailed, LoadRefused
from eligibility.national_id import NationalId
from eligibility.population import examples, people
from eligibility.record import unpack
from eligibility.verdict import Outcome
from state.commands import Arg, Reply
from state.link import Redis
from tests.loading import (
    NOW,
    TODAY,
    covered,
    csv_of,
    line,
    load_text,
    national,
    verdict_on,
    with_redis,
)
from tests.redis_server import RunningRedis, running_redis


def test_everybody(server: RunningRedis) -> None:
    """After a load everybody in the file, and nobody else, is known by what the file says."""
    rows = list(people(3_000, 5, TODAY))

    async def play(link: Redis) -> None:
        loaded, listed = await load_text(link, csv_of([",".join(row) for row in rows]))
        assert (loaded.generation.people, loaded.rows, listed) == (3_000, 3_000, "")
        for person in examples(3_000, 5, TODAY):
            verdict = await verdict_on(link, person.national_id.digits)
            day = verdict.valid_until or verdict.not_covered_since
            assert (verdict.outcome, day) == (person.outcome, person.day)
        for digits, status, until, kind, branch, updated in rows[::7]:
            address = loaded.generation.layout.address(NationalId.parse(digits))
            record = unpack(await link.send("HGET", *address))
            assert (record.status, str(record.valid_until or "")) == (status, until)
            assert (record.kind, str(record.branch)) == (kind, branch)
            assert record.updated_at == datetime.fromisoformat(updated)

    with_redis(server, play)


def test_facts(server: RunningRedis, tmp_path: Path) -> None:
    """A generation says how many people it has, of what file and of when, and nothing is kept."""
    content = gzip.compress(csv_of(covered(50)).encode())
    path = tmp_path / "people.csv.gz"
    path.write_bytes(content)
    written = NOW - timedelta(hours=5)
    os.utime(path, (written.timestamp(), written.timestamp()))

    async def play(link: Redis, at: datetime, options: LoadOptions) -> Loaded:
        told: list[tuple[Stage, int, int | None]] = []
        loaded = await load(
            path,
            link,
            link,
            tmp_path / "data" / "spools",
            clock=lambda: at,
            options=options,
            progress=lambda *step: told.append(step),
        )
        assert [*dict.fromkeys(step[0] for step in told)] == [
            "reading",
            "writing",
            "checking",
            "saving",
        ]
        assert (Stage.WRITING, 50, 50) in told
        assert [generation.number for generation in await Generations(link, link).known()] == [1]
        return loaded

    facts = with_redis(server, lambda link: play(link, NOW, LoadOptions())).generation
    assert (facts.people, facts.rejected, facts.duplicates) == (50, 0, 0)
    assert (facts.as_of, facts.loaded_at, facts.source) == (written, NOW, "people.csv.gz")
    assert facts.sha256 == sha256(content).hexdigest()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data", "people.csv.gz"]
    assert (tmp_path / "data" / "spools").stat().st_mode & 0o777 == 0o700
    early = written - timedelta(hours=1)
    assert (
        with_redis(server, lambda link: play(link, early, LoadOptions())).generation.as_of == early
    )
    told = LoadOptions(as_of=early)
    assert with_redis(server, lambda link: play(link, NOW, told)).generation.as_of == early
    with pytest.raises(LoadRefused, match="yet to come"):
        with_redis(server, lambda link: play(link, early, LoadOptions(as_of=NOW)))


def test_an_export_too_old_to_be_told(server: RunningRedis) -> None:
    """An export out of which nobody could be told anything is refused, whoever accepts it."""

    async def play(link: Redis) -> None:
        def aged(age: timedelta) -> LoadOptions:
            return LoadOptions(as_of=NOW - age, accept=True, usable_for=timedelta(days=30))

        await load_text(link, csv_of(covered(5)), aged(timedelta(days=30)))
        with pytest.raises(LoadRefused, match="2026-10-22 08:59 UTC, more than 30 days ago"):
            await load_text(link, csv_of(covered(5)), aged(timedelta(days=30, minutes=1)))
        current = await Generations(link, link).current()
        assert current is not None
        assert current.number == 1

    with_redis(server, play)


def test_newest_wins(server: RunningRedis) -> None:
    """Of several rows about one person the newest is loaded; of equally new ones the last."""
    again, tied, foreign = national(1), national(2), "123456789012"
    lines = [
        line(again, branch="1", updated_at="2026-01-02T00:00:00Z"),
        line(again, branch="2", updated_at="2026-01-03T00:00:00Z"),
        line(again, branch="3", updated_at="2026-01-01T00:00:00Z"),
        line(tied, branch="4"),
        line(tied, branch="5"),
        line(foreign, branch="6", updated_at="2026-01-03T03:00:00+03:30"),
        line(foreign, branch="7", updated_at="2026-01-02T23:45:00Z"),
        *covered(300, first=100),
    ]

    async def play(link: Redis) -> None:
        loaded, listed = await load_text(link, csv_of(lines))
        assert (loaded.generation.people, loaded.generation.duplicates) == (303, 4)
        assert loaded.generation.rejected == 0
        branches = [(await verdict_on(link, who)).branch for who in (again, tied, foreign)]
        assert branches == [2, 5, 7]
        assert sorted(listed.splitlines()) == [
            "2,,superseded by row 3",
            "4,,superseded by row 3",
            "5,,superseded by row 6",
            "7,,superseded by row 8",
            "row,column,reason",
        ]

    with_redis(server, play)


def test_rejects(server: RunningRedis, tmp_path: Path) -> None:
    """Rejected rows are named by row, column and reason, in a file that is its owner's alone."""
    bad = [line("1234567890"), line("12345679"), line(national(5), valid_until="2026-02-30"), "x"]
    path = tmp_path / "people.csv"
    path.write_text(csv_of([*covered(200), "", *bad]))

    async def play(link: Redis) -> None:
        options = LoadOptions(max_reject_share=0.02)
        loaded = await load(
            path, link, link, tmp_path / "spools", clock=lambda: NOW, options=options
        )
        assert (loaded.generation.people, loaded.generation.rejected) == (200, 4)
        assert loaded.rejects == tmp_path / "people.rejects.csv"
        assert loaded.rejects.stat().st_mode & 0o777 == 0o600
        assert loaded.rejects.read_text().splitlines() == [
            "row,column,reason",
            "203,national_id,has a wrong check digit",
            "204,national_id,has 8 digits: 10 are needed (a spreadsheet may have dropped leading "
            "zeros; --pad-ids restores them)",
            "205,valid_until,is no date that exists (YYYY-MM-DD)",
            "206,,has 1 fields where the header has 6",
        ]

    with_redis(server, play)


UNFIT = [
    (csv_of([]), "a header and no people; nothing was loaded"),
    ("", "is empty"),
    ("\n\n", "does not begin with a header"),
    (csv_of(covered(3), header="national_id,status,valid_until,kind,branch,x"), "no column upd"),
    (csv_of([*covered(97), *[line("1234567890")] * 3]), r"3 of the .* 1.00% are allowed"),
    (csv_of([line("1234567890")] * 9_000 + covered(9_000)), r"wrong check digit \(\d+\)"),
    (csv_of(covered(3)).encode("utf-16")[2:], "UTF-16 without its byte-order mark"),
    (csv_of([*covered(3), "تهران"]).encode("windows-1256"), "row 5: the text is not UTF-8"),
    (gzip.compress(csv_of(covered(5_000)).encode())[:-20], "cut short"),
]


@pytest.mark.parametrize(("content", "says"), UNFIT)
def test_refused(server: RunningRedis, content: str | bytes, says: str) -> None:
    """An unfit file is refused in a sentence, and whoever asks is answered as before."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of([line(national(1), branch="77")]))
        with pytest.raises(LoadRefused, match=says):
            await load_text(link, content)
        assert (await verdict_on(link, national(1))).branch == 77
        assert await link.send("HLEN", INVENTORY_KEY) == 1
        assert not await link.send("EXISTS", LEASE_KEY)

    with_redis(server, play)


def test_share(server: RunningRedis) -> None:
    """The configured share of rejects is allowed, and not one row more."""
    good, bad = covered(98), [line("1234567890")]

    async def play(link: Redis) -> None:
        options = LoadOptions(max_reject_share=0.02)
        assert (await load_text(link, csv_of(good + bad * 2), options))[0].generation.rejected == 2
        with pytest.raises(LoadRefused, match="3 of the 101 rows"):
            await load_text(link, csv_of(good + bad * 3), options)
        everything = LoadOptions(max_reject_share=1.0)
        with pytest.raises(LoadRefused, match="no row that can be loaded"):
            await load_text(link, csv_of(bad), everything)

    with_redis(server, play)


def test_stops_early(server: RunningRedis) -> None:
    """A file that cannot be within the share any more is not read to its end."""
    content = csv_of([line("1234567890")] * 60_000)

    async def play(link: Redis) -> None:
        with pytest.raises(LoadRefused, match=r" (\d,\d{3}) of the \1 rows") as refused:
            await load_text(link, content)
        assert "60,000" not in str(refused.value)

    with_redis(server, play)


def test_padded(server: RunningRedis) -> None:
    """Lost leading zeros are restored when the operator says so."""

    async def play(link: Redis) -> None:
        content = csv_of([line("12345679"), *covered(200, first=10**8)])
        assert (await load_text(link, content))[0].generation.people == 200
        await load_text(link, content, LoadOptions(pad_ids=True, as_of=NOW))
        assert (await verdict_on(link, "0012345679")).outcome is Outcome.COVERED

    with_redis(server, play)


def test_rejects_cannot_be_written(server: RunningRedis, tmp_path: Path) -> None:
    """Where the rejects could not be listed, that is said before anything is loaded."""
    path = tmp_path / "people.csv"
    path.write_text(csv_of(covered(3)))
    (tmp_path / "people.rejects.csv").mkdir()

    async def play(link: Redis) -> None:
        with pytest.raises(LoadRefused, match=r"people\.rejects\.csv cannot be written"):
            await load(path, link, link, tmp_path / "spools", clock=lambda: NOW)
        assert await link.send("DBSIZE") == 0

    with_redis(server, play)


def test_no_room_for_the_spool(server: RunningRedis, tmp_path: Path) -> None:
    """Where the data folder cannot be written the load stops in a sentence."""
    path = tmp_path / "people.csv"
    path.write_text(csv_of(covered(3)))
    (tmp_path / "spools").write_text("a file where a folder should be")

    async def play(link: Redis) -> None:
        with pytest.raises(LoadFailed, match="The load stopped"):
            await load(path, link, link, tmp_path / "spools", clock=lambda: NOW)

    with_redis(server, play)


def test_spool_of_a_killed_load(server: RunningRedis, tmp_path: Path) -> None:
    """What a killed load left on disk is removed by the next one."""
    left = tmp_path / "spools" / "spool-killed"
    left.mkdir(parents=True)
    (left / "p000").write_bytes(b"x")
    path = tmp_path / "people.csv"
    path.write_text(csv_of(covered(3)))

    async def play(link: Redis) -> None:
        await load(path, link, link, tmp_path / "spools", clock=lambda: NOW)
        assert not left.exists()

    with_redis(server, play)


def test_two_at_once(server: RunningRedis) -> None:
    """A second load that begins while one runs is refused, and the first goes on."""

    async def play(link: Redis) -> None:
        async with load_lease(link, "another"):
            with pytest.raises(LoadRefused, match="Another load is running"):
                await load_text(link, csv_of(covered(3)))
        assert (await load_text(link, csv_of(covered(3))))[0].generation.number == 1
        loads = [load_text(link, csv_of(covered(3_000))) for _ in range(3)]
        ends = await asyncio.gather(*loads, return_exceptions=True)
        assert sum(isinstance(end, LoadRefused) for end in ends) == 2

    with_redis(server, play)


def test_cancelled(server: RunningRedis) -> None:
    """A load that is interrupted frees what it wrote, and gives its lease back."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        kept = sorted(await link.send("KEYS", "*"))

        class Interrupting:
            script = link.script

            def send(self, *args: Arg) -> asyncio.Future[Reply]:
                if args[0] == b"HLEN" and (task := asyncio.current_task()):
                    task.cancel()
                return link.send(*args)

        with pytest.raises(asyncio.CancelledError):
            await load_text(Interrupting(), csv_of(covered(500)), state=link)
        assert sorted(await link.send("KEYS", "*")) == kept

    with_redis(server, play)


def test_counted_bucket_by_bucket(server: RunningRedis) -> None:
    """One person too many here and one too few there is no load that stands."""

    async def play(link: Redis) -> None:
        class Misplacing:
            script = link.script
            counted = False

            def send(self, *args: Arg) -> asyncio.Future[Reply]:
                if args[0] == b"HLEN" and isinstance(args[1], bytes) and not self.counted:
                    self.counted = True
                    last = args[1][:-1] + b"2"
                    drops = "redis.call('HDEL', KEYS[1], redis.call('HKEYS', KEYS[1])[2])"
                    link.send("HSET", args[1], 999_999_999, "x")
                    link.send("EVAL", drops, 1, last)
                return link.send(*args)

        with pytest.raises(
            LoadFailed, match="holds 300 people where 300 were written, and 2 of 4 "
        ):
            await load_text(Misplacing(), csv_of(covered(300)), state=link)

    with_redis(server, play)


def test_saved(server: RunningRedis, tmp_path: Path) -> None:
    """When a load is over its people are on disk: a Redis started from there knows them all."""

    async def play(link: Redis) -> Loaded:
        loaded, _ = await load_text(link, csv_of(covered(700)))
        folder = Path((await link.send("CONFIG", "GET", "dir"))[1].decode())
        shutil.copy(folder / "dump.rdb", tmp_path)
        return loaded

    facts = with_redis(server, play).generation
    with running_redis("--dir", str(tmp_path)) as restarted:
        keys = [key.decode() for key in facts.layout.bucket_keys()]
        sizes = [int(restarted.ask("HLEN", key)[1:]) for key in keys]
        whole = [restarted.ask("HEXISTS", key, WHOLE.decode()).strip() for key in keys]
    assert set(whole) == {b":1"}
    assert sum(sizes) == 700 + len(keys)


def test_cannot_be_saved(server: RunningRedis, tmp_path: Path) -> None:
    """Where Redis cannot save the people, nothing is switched."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of([line(national(1), branch="77")]))
        before = (await link.send("CONFIG", "GET", "dir"))[1]
        (tmp_path / "gone").mkdir()
        await link.send("CONFIG", "SET", "dir", str(tmp_path / "gone"))
        (tmp_path / "gone").rmdir()
        try:
            with pytest.raises(LoadFailed, match="could not save"):
                await load_text(link, csv_of(covered(3)))
        finally:
            await link.send("CONFIG", "SET", "dir", before)
        assert (await verdict_on(link, national(1))).branch == 77

    with_redis(server, play)


def test_may_drop_people(server: RunningRedis) -> None:
    """A cache that drops keys when memory is short would make people unknown: it is refused."""

    async def play(link: Redis) -> None:
        await link.send("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(LoadFailed, match="noeviction"):
                await load_text(link, csv_of(covered(3)))
        finally:
            await link.send("CONFIG", "SET", "maxmemory-policy", "noeviction")

    with_redis(server, play)
