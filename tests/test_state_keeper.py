"""The embedded Redis: one per data folder, there while it is used, gone afterwards."""

import asyncio
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.redis_settings import RedisSettings
from state.address import Address, connectable
from state.binary import NoServer, candidates, find_server
from state.embedded import stopped, take_lease
from state.errors import Unavailable
from state.link import Redis, open_redis
from state.store import Store
from state.stores import Stores, open_stores

DEADLINE = 30.0
SETTINGS = RedisSettings(timeout=5.0, start_deadline=DEADLINE)

# A user of the data folder: says which servers it sees, and holds on until its input ends.
USER = """
import asyncio, sys
from pathlib import Path
from config.redis_settings import RedisSettings
from state.store import Store
from state.stores import open_stores

async def main():
    stores = await open_stores(RedisSettings(timeout=10.0), Path(sys.argv[1]))
    info = [await role.send("INFO", "server") for role in (stores.cache, stores.state)]
    pids = [text.partition(b"process_id:")[2].split()[0].decode() for text in info]
    print(*pids, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await stores.close()

asyncio.run(main())
"""


def start_user(folder: Path) -> subprocess.Popen[str]:
    """A process of its own that uses the data folder."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )


@asynccontextmanager
async def using(folder: Path) -> AsyncIterator[Stores]:
    """Both roles, closed afterwards, and the servers seen off."""
    stores = await open_stores(SETTINGS, folder)
    try:
        yield stores
    finally:
        await stores.close()


async def pid_of(redis: Store) -> int:
    """The process of the server behind a link."""
    info: bytes = await redis.send("INFO", "server")
    return int(info.partition(b"process_id:")[2].split()[0])


def keeper_of(folder: Path) -> int:
    """The process that listens for leases."""
    with socket.socket(socket.AF_UNIX) as sock:
        with connectable(folder / "redis" / "keeper.sock") as short:
            sock.connect(short)
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, _, _ = struct.unpack("3i", credentials)
    return int(pid)


def title_of(pid: int) -> bytes:
    """What ps shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ")


class Watch:
    """Processes whose end is waited for, by descriptors that survive their numbers."""

    def __init__(self, *pids: int) -> None:
        self._numbers = [os.pidfd_open(pid) for pid in pids]

    def wait_end(self) -> None:
        """Until all have ended; fails the test after half a minute."""
        for number in self._numbers:
            poll = select.poll()
            poll.register(number, select.POLLIN)
            assert poll.poll(DEADLINE * 1000), "a process was left behind"
            os.close(number)


async def eventually(redis: Store, *command: str) -> bytes:
    """The reply, as soon as the link is up again."""
    async with asyncio.timeout(DEADLINE):
        while True:
            await redis.wait_connected()
            try:
                reply: bytes = await redis.send(*command)
            except Unavailable:
                continue
            return reply


def test_second_command_finds_the_running_one(tmp_path: Path) -> None:
    """Two commands on one data folder share one Redis, and the last to end stops it."""

    async def main() -> None:
        async with using(tmp_path) as first:
            keeper = keeper_of(tmp_path)
            async with using(tmp_path) as second:
                for mine, theirs in ((first.cache, second.cache), (first.state, second.state)):
                    assert await pid_of(mine) == await pid_of(theirs)
                assert keeper_of(tmp_path) == keeper
            assert await first.state.send("PING") == b"PONG"
            watch = Watch(keeper, await pid_of(first.cache), await pid_of(first.state))
        watch.wait_end()
        await stopped(tmp_path, DEADLINE)

    asyncio.run(main())
    assert not (tmp_path / "redis" / "keeper.sock").exists()


def test_data_is_kept_and_an_unchanged_cache_is_not_saved_again(tmp_path: Path) -> None:
    """What was stored is there after a stop; a stop without changes does not write it anew."""
    saved: list[int] = []

    async def main(write: bool) -> None:
        async with using(tmp_path) as stores:
            for role in (stores.cache, stores.state):
                if write:
                    await role.send("SET", "kept", "yes")
                assert await role.send("GET", "kept") == b"yes"
        await stopped(tmp_path, DEADLINE)
        saved.append((tmp_path / "redis" / "cache" / "dump.rdb").stat().st_mtime_ns)

    asyncio.run(main(write=True))
    asyncio.run(main(write=False))
    assert saved[0] == saved[1]


def test_only_the_owner_gets_in(tmp_path: Path) -> None:
    """Redis listens on no network, and its folders and sockets are the owner's alone."""

    async def main() -> None:
        async with using(tmp_path) as stores:
            for role in (stores.cache, stores.state):
                assert await role.send("CONFIG", "GET", "port") == [b"port", b"0"]
                assert role.address.path is not None
                assert role.address.path.stat().st_mode & 0o777 == 0o600
                assert role.address.path.parent.stat().st_mode & 0o777 == 0o700
            assert (tmp_path / "redis").stat().st_mode & 0o777 == 0o700
            assert (tmp_path / "redis" / "keeper.sock").stat().st_mode & 0o777 == 0o600
            assert title_of(keeper_of(tmp_path)) == b"dargah-redis-keeper"
            policies = await stores.cache.send("CONFIG", "GET", "hash-max-ziplist-entries")
            assert policies[1] == b"512"
        await stopped(tmp_path, DEADLINE)

    asyncio.run(main())


def test_user_killed(tmp_path: Path) -> None:
    """A gateway that is killed outright leaves no Redis behind."""
    user = start_user(tmp_path)
    with user:
        assert user.stdout is not None
        servers = [int(pid) for pid in user.stdout.readline().split()]
        watch = Watch(keeper_of(tmp_path), *servers)
        user.kill()
    watch.wait_end()
    asyncio.run(stopped(tmp_path, DEADLINE))


def test_keeper_killed(tmp_path: Path) -> None:
    """If the keeper is killed its servers end with it, and a new one serves the same data."""

    async def main() -> None:
        async with using(tmp_path) as stores:
            await stores.state.send("SET", "kept", "yes")
            await stores.cache.send("SET", "kept", "too")
            before = keeper_of(tmp_path)
            watch = Watch(before, await pid_of(stores.cache), await pid_of(stores.state))
            os.kill(before, signal.SIGKILL)
            await asyncio.to_thread(watch.wait_end)
            assert await eventually(stores.state, "GET", "kept") == b"yes"
            assert await eventually(stores.cache, "GET", "kept") == b"too"
            after = keeper_of(tmp_path)
            assert after != before
            watch = Watch(after, await pid_of(stores.cache), await pid_of(stores.state))
        watch.wait_end()
        await stopped(tmp_path, DEADLINE)

    asyncio.run(main())


def test_keeper_killed_and_the_disk_full(tmp_path: Path) -> None:
    """A server that cannot save, and so stays behind a killed keeper, is ended by the next one."""

    async def main() -> None:
        async with using(tmp_path) as stores:
            await stores.cache.send("SET", "lost", "yes")
            before = await pid_of(stores.cache)
            # Where a full disk would stop the save: its draft cannot be written.
            (tmp_path / "redis" / "cache" / f"temp-{before}.rdb").mkdir()
            watch = Watch(before)
            os.kill(keeper_of(tmp_path), signal.SIGKILL)
            await asyncio.to_thread(watch.wait_end)
            assert not await eventually(stores.cache, "EXISTS", "lost")
            assert await pid_of(stores.cache) != before
        await stopped(tmp_path, DEADLINE)

    asyncio.run(main())
    assert "an earlier server that has stayed" in (tmp_path / "redis" / "keeper.log").read_text()


@pytest.mark.parametrize("role", ["cache", "state"])
def test_server_killed(tmp_path: Path, role: str) -> None:
    """A redis-server that dies is started again; nothing of the state is lost."""

    async def main() -> None:
        async with using(tmp_path) as stores:
            redis: Redis = getattr(stores, role)
            await redis.send("SET", "kept", "yes")
            if role == "cache":
                await redis.send("SAVE")
            before = await pid_of(redis)
            watch = Watch(before)
            os.kill(before, signal.SIGKILL)
            await asyncio.to_thread(watch.wait_end)
            assert await eventually(redis, "GET", "kept") == b"yes"
            assert await pid_of(redis) != before
        await stopped(tmp_path, DEADLINE)

    asyncio.run(main())
    assert f"{role}: ended" in (tmp_path / "redis" / "keeper.log").read_text()


def test_twenty_commands_start_at_once(tmp_path: Path) -> None:
    """However many commands start together, there is one Redis, and none once they have ended."""
    users = [start_user(tmp_path) for _ in range(20)]
    seen = set()
    for user in users:
        assert user.stdout is not None
        seen.add(user.stdout.readline())
    assert len(seen) == 1
    servers = [int(pid) for pid in seen.pop().split()]
    watch = Watch(keeper_of(tmp_path), *servers)
    for user in users:
        user.communicate()
        assert user.returncode == 0
    watch.wait_end()
    asyncio.run(stopped(tmp_path, DEADLINE))


def test_ending_and_starting_at_the_same_moment(tmp_path: Path) -> None:
    """A command that starts as the last one ends gets a Redis that works."""

    async def user(n: int) -> None:
        for _ in range(4):
            lease = await take_lease(tmp_path, DEADLINE)
            redis = await open_redis(lease.state, name="test", timeout=5.0)
            assert await redis.send("INCR", "turns") > 0
            await redis.close()
            await lease.close()

    async def main() -> None:
        for _ in range(3):
            await asyncio.gather(*(user(n) for n in range(3)))
        async with using(tmp_path) as stores:
            assert await stores.state.send("GET", "turns") == b"36"
        await stopped(tmp_path, DEADLINE)

    asyncio.run(main())


def test_long_data_folder(tmp_path: Path) -> None:
    """A data folder may lie deeper than the path of a Unix socket can be."""
    folder = tmp_path / ("d" * 100) / ("e" * 100)

    async def main() -> None:
        async with using(folder) as stores:
            assert await stores.cache.send("PING") == await stores.state.send("PING")
        await stopped(folder, DEADLINE)

    asyncio.run(main())


def test_data_of_a_newer_redis(tmp_path: Path) -> None:
    """Data that a newer Redis wrote is refused in one sentence, and left as it is."""
    dump = tmp_path / "redis" / "cache" / "dump.rdb"
    dump.parent.mkdir(parents=True)
    dump.write_bytes(b"REDIS0999" + b"\xff" + bytes(8))
    with pytest.raises(Unavailable) as caught:
        asyncio.run(open_stores(SETTINGS, tmp_path))
    assert "written by a newer Redis (RDB version 999)" in str(caught.value)
    assert "install a newer redis-server" in str(caught.value)
    assert "\n" not in str(caught.value)
    asyncio.run(stopped(tmp_path, DEADLINE))
    assert dump.read_bytes().startswith(b"REDIS0999")


@pytest.mark.skipif(find_server().version >= (7, 0), reason="this server reads such a folder")
def test_append_only_folder_of_a_newer_redis(tmp_path: Path) -> None:
    """An old Redis does not start empty beside the state that a newer one has kept."""
    (tmp_path / "redis" / "state" / "appendonlydir").mkdir(parents=True)
    with pytest.raises(Unavailable, match="written by Redis 7 or newer"):
        asyncio.run(open_stores(SETTINGS, tmp_path))
    asyncio.run(stopped(tmp_path, DEADLINE))


def test_earlier_server_still_saving(tmp_path: Path) -> None:
    """While an earlier server still saves no second one touches the folder, and it is said so."""
    folder = tmp_path / "redis" / "cache"
    folder.mkdir(parents=True)
    with open(folder / "server.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="earlier cache server is still saving"):
            asyncio.run(take_lease(tmp_path, 1.0))
    asyncio.run(stopped(tmp_path, DEADLINE))
    assert not (folder / "redis.log").exists()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """Where Redis cannot be kept the operator reads why, or where it is written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be started: Not a directory"):
        asyncio.run(take_lease(tmp_path / "file", DEADLINE))
    (tmp_path / "other" / "redis").mkdir(parents=True)
    (tmp_path / "other" / "redis" / "state").write_text("")
    with pytest.raises(Unavailable, match="the state server cannot be started: File exists"):
        asyncio.run(take_lease(tmp_path / "other", DEADLINE))
    asyncio.run(stopped(tmp_path / "other", DEADLINE))
    (tmp_path / "data" / "redis" / "keeper.sock").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"could not start; see \S+keeper\.log"):
        asyncio.run(take_lease(tmp_path / "data", DEADLINE))
    assert "IsADirectoryError" in (tmp_path / "data" / "redis" / "keeper.log").read_text()


def test_no_server_or_an_old_one(tmp_path: Path) -> None:
    """Without a Redis that is new enough the operator is told what to install."""
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    new = tmp_path / "new"
    new.write_text("#!/bin/sh\necho 'Valkey server v=8.1.0 sha=0'\n")
    for script in (old, new):
        script.chmod(0o700)
    with pytest.raises(NoServer, match="apt install redis-server"):
        find_server([])
    with pytest.raises(NoServer, match=r"old is version 5\.0"):
        find_server([str(tmp_path / "missing"), str(old)])
    assert find_server([str(old), str(new)]).version == (8, 1)
    assert list(candidates())


def test_one_redis_for_both_roles(tmp_path: Path) -> None:
    """With the same URL twice there is one connection, and no embedded server is started."""

    async def main() -> None:
        lease = await take_lease(tmp_path / "other", DEADLINE)
        url = f"unix://{lease.state.path}"
        same = RedisSettings(cache_url=url, state_url=url, timeout=5.0)
        stores = await open_stores(same, tmp_path / "unused")
        assert stores.cache is stores.state
        assert stores.cache.address == Address(url)
        await stores.close()
        half = RedisSettings(cache_url=url, timeout=5.0, start_deadline=DEADLINE)
        stores = await open_stores(half, tmp_path)
        assert await pid_of(stores.cache) != await pid_of(stores.state)
        await stores.close()
        await stores.close()
        await lease.close()
        await stopped(tmp_path, DEADLINE)
        await stopped(tmp_path / "other", DEADLINE)

    asyncio.run(main())
    assert not (tmp_path / "unused").exists()
