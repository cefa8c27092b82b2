"""What an operator reads when the store is damaged, or its disk is full."""

import asyncio
import errno
import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eligibility.generations import INVENTORY_KEY, Generations
from eligibility.load import load
from eligibility.load_errors import LoadFailed
from state.commands import Arg, Reply, Script
from state.errors import ReplyError, Unavailable
from state.link import Redis, open_redis
from state.wire import failed
from tests.gateway_process import ANY_PORTS, dargah, environment_of, running_gateway
from tests.loading import NOW, covered, csv_of, load_text, with_redis
from tests.redis_server import RunningRedis, running_redis

SET = Script("set", "return redis.call('SET', KEYS[1], ARGV[1])")
FULL = "Redis cannot write to its disk and takes nothing more: is the disk full?"


@pytest.fixture
def full(tmp_path: Path) -> Iterator[RunningRedis]:
    """A Redis that refuses writes, because it could not save."""
    gone = tmp_path / "gone"
    with running_redis() as running:

        async def play(link: Redis) -> None:
            gone.mkdir()
            await link.send("CONFIG", "SET", "dir", str(gone))
            gone.rmdir()
            await link.send("CONFIG", "SET", "save", "900 1")
            await link.send("BGSAVE")
            async with asyncio.timeout(20):
                while b"rdb_last_bgsave_status:err" not in await link.send("INFO", "persistence"):
                    pass  # another process's end; each look is an answer of Redis

        with_redis(running, play)
        yield running


def settings_of(redis: RunningRedis) -> str:
    """Settings of a gateway on this Redis, in both roles."""
    url = f'"unix://{redis.address.path}"'
    return f"{ANY_PORTS}[redis]\ncache_url = {url}\nstate_url = {url}\n"


def test_a_redis_that_cannot_write_is_still_read(full: RunningRedis) -> None:
    """A new connection to a Redis with a full disk reads, and its refusal to write has words."""

    async def play() -> None:
        link = await open_redis(full.address, name="test", timeout=5)
        try:
            assert await link.send("GET", "x") is None
            for refused in (link.send("SET", "x", "1"), link.script(SET, ["x"], "1")):
                with pytest.raises(ReplyError) as caught:
                    await refused
                assert caught.value.code == "MISCONF"
                assert caught.value.remedy.startswith(FULL)
        finally:
            await link.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("OOM in answer to SET", "at its memory limit: raise its maxmemory"),
        ("ERR in answer to HELLO", "is it Redis 6.0 or newer?"),
        ("NOPERM in answer to EVAL", "by ACL"),
    ],
)
def test_every_refusal_has_a_remedy(said: str, words: str) -> None:
    """Whatever Redis refuses, the operator reads what to do, and Redis's own code."""
    remedy = ReplyError(said).remedy
    assert words in remedy
    assert remedy.endswith(f"({said})")


def test_a_gateway_on_a_full_disk_says_so(full: RunningRedis, tmp_path: Path) -> None:
    """/readyz names the role that accepts no writes; `key create` and `load` say what to do."""
    csv = tmp_path / "people.csv"
    csv.write_text(csv_of(covered(3)))
    with running_gateway(settings=settings_of(full)) as gateway:
        place = urlsplit(gateway.http)
        connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
        connection.request("GET", "/readyz")
        components = json.loads(connection.getresponse().read())["components"]
        connection.close()
        assert components["state"] == "does not accept writes"
        assert components["cache"] == "ok"
        assert components["cache servers"] == "does not accept writes"
        for words in (("key", "create", "Razi"), ("load", str(csv))):
            done = gateway.run(*words)
            assert done.returncode == 1
            assert done.stdout == ""
            assert FULL in done.stderr
            assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("role", ["cache", "state"])
def test_damaged_data_are_named_with_the_remedy(tmp_path: Path, role: str) -> None:
    """A file that Redis cannot read is named with its path and what to do about it."""
    settings = tmp_path / "settings.toml"
    settings.write_text(ANY_PORTS)
    data = tmp_path / "data"
    environment = environment_of(data, settings)
    csv = tmp_path / "people.csv"
    csv.write_text(csv_of(covered(300)))
    assert dargah("load", str(csv), environment=environment).returncode == 0
    file = data / "redis" / "cache" / "dump.rdb"
    remedy = f"{file} is damaged or cut short: move it away, and load the people again"
    if role == "state":
        file = next((data / "redis" / "state").rglob("appendonly.aof*"))
        if file.is_dir():
            file = next(file.rglob("*.incr.aof"))
        remedy = "redis-check-aof --fix"
    raw = file.read_bytes()
    half = len(raw) // 2
    file.write_bytes(raw[:half] if role == "cache" else raw[:half] + b"\r\n*?\r\n" + raw[half:])
    done = dargah("generations", environment=environment)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert remedy in done.stderr
    assert str(data / "redis" / role) in done.stderr
    if role == "cache":
        file.unlink()
        assert dargah("load", str(csv), environment=environment).returncode == 0


class FailingFrom:
    """Commands that fail so often from the first HLEN on, when all people are written."""

    def __init__(self, link: Redis, error: ReplyError | Unavailable, times: int) -> None:
        self._link = link
        self._error = error
        self._left = times
        self._began = False
        self.script = link.script

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send."""
        self._began = self._began or args[0] == b"HLEN"
        if self._began and self._left:
            self._left -= 1
            return failed(asyncio.get_running_loop(), self._error)
        return self._link.send(*args)


def test_no_list_has_a_load_that_failed() -> None:
    """A load that failed leaves no generation in the list, whatever became of the cache."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(3)))
        for error, times in (
            (ReplyError("MISCONF in answer to HLEN"), 10_000),
            (Unavailable("no answer"), 3),
        ):
            cache = FailingFrom(link, error, times)
            with pytest.raises(LoadFailed, match="The load stopped"):
                await load_text(cache, csv_of(covered(30)), state=link)
            assert len(await Generations(link, link).known()) == 1
        # What the first left in a cache that refused was freed by the second, and that one's own
        # at once, when the cache was back.
        assert await link.send("HKEYS", INVENTORY_KEY) == [b"1"]

    with running_redis("--hz", "200") as running:
        with_redis(running, play)


def test_a_full_disk_stops_a_load_in_a_sentence(tmp_path: Path) -> None:
    """Where the rows on their way find no room, the folder on the full disk is named."""

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "people.csv"
    path.write_text(csv_of(covered(3)))

    async def play(link: Redis) -> None:
        with pytest.raises(LoadFailed, match=f"the disk of {tmp_path} is full; make room there"):
            await load(path, link, link, tmp_path / "spools", clock=lambda: NOW, progress=no_room)
        assert await Generations(link, link).known() == []

    with running_redis() as running:
        with_redis(running, play)
