"""Sessions by compare-and-set, and the hashes that stand for people in keys."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.errors import Unavailable
from state.keyed_hash import KeyedHash, load_or_create_key
from state.link import Redis, open_redis
from state.sessions import LARGEST_BLOB, Beside, SessionStore, Stored
from tests.redis_server import FailsAt, RunningRedis


@asynccontextmanager
async def emptied(server: RunningRedis) -> AsyncIterator[Redis]:
    """A link to an empty Redis."""
    redis = await open_redis(server.address, name="test", timeout=5.0)
    await redis.send("FLUSHALL")
    try:
        yield redis
    finally:
        await redis.close()


def test_a_session_from_start_to_end(server: RunningRedis) -> None:
    """A session is kept as it was saved last, and is gone when it is dropped."""

    async def main() -> None:
        async with emptied(server) as redis:
            store = SessionStore(redis)
            assert await store.load("s") is None
            assert await store.save("s", 0, b"\x00one", 60)
            first = await store.load("s")
            assert first is not None
            assert first.blob == b"\x00one"
            assert await store.save("s", first.version, b"two", 60)
            assert await store.load("s") == Stored(first.version + 1, b"two")
            await store.drop("s")
            await store.drop("s")
            assert await store.load("s") is None

    asyncio.run(main())


def test_what_is_kept_beside_a_session(server: RunningRedis) -> None:
    """It is written and dropped in the step that saves the session, or not at all."""

    async def main() -> None:
        async with emptied(server) as redis:
            store = SessionStore(redis)
            assert await store.beside("{s}:b") is None
            assert await store.save("{s}", 0, b"one", 60, Beside("{s}:b", b"1", 30))
            assert await store.beside("{s}:b") == b"1"
            assert 29_000 < await redis.send("PTTL", "{s}:b") <= 30_000
            for beside in (Beside("{s}:b", b"2", 30), Beside("{s}:b")):
                assert not await store.save("{s}", 0, b"late", 60, beside)
            assert await store.beside("{s}:b") == b"1"
            first = await store.load("{s}")
            assert first is not None
            large = Beside("{s}:b", bytes(LARGEST_BLOB + 1), 30)
            with pytest.raises(ValueError, match="at most"):
                await store.save("{s}", first.version, b"two", 60, large)
            assert await store.save("{s}", first.version, b"two", 60, Beside("{s}:b"))
            assert await store.beside("{s}:b") is None

    asyncio.run(main())


def test_of_two_at_once_one_is_kept(server: RunningRedis) -> None:
    """When a network asks twice at once, one request goes through and the other is told."""

    async def main() -> None:
        async with emptied(server) as redis:
            store = SessionStore(redis)
            begun = await asyncio.gather(*(store.save("s", 0, b"%d" % n, 60) for n in range(5)))
            assert sorted(begun) == [False] * 4 + [True]
            held = await store.load("s")
            assert held is not None
            assert held.blob == b"%d" % begun.index(True)
            saves = (store.save("s", held.version, b"%d" % n, 60) for n in range(5))
            again = await asyncio.gather(*saves)
            assert sorted(again) == [False] * 4 + [True]
            assert await store.load("s") == Stored(held.version + 1, b"%d" % again.index(True))

    asyncio.run(main())


def test_a_late_request_of_an_earlier_session(server: RunningRedis) -> None:
    """A request that is late by a whole session changes nothing in the new one."""

    async def main() -> None:
        async with emptied(server) as redis:
            store = SessionStore(redis)
            old = await store.create_or_replace("s", b"old", 60)
            await store.drop("s")
            new = await store.create_or_replace("s", b"new", 60)
            assert new > old
            assert not await store.save("s", old, b"late", 60)
            assert await store.load("s") == Stored(new, b"new")
            newer = await store.create_or_replace("s", b"newer", 60)
            assert newer > new
            assert not await store.save("s", new, b"late", 60)
            await store.drop("s")
            assert not await store.save("s", newer, b"late", 60)
            assert await store.load("s") is None

    asyncio.run(main())


def test_a_session_ends_by_itself(server: RunningRedis) -> None:
    """Every save sets anew when the session is forgotten."""

    async def main() -> None:
        async with emptied(server) as redis:
            store = SessionStore(redis)
            version = await store.create_or_replace("s", b"x", 20)
            assert 19_000 < await redis.send("PTTL", "s") <= 20_000
            assert await store.save("s", version, b"y", 90.5)
            assert 89_000 < await redis.send("PTTL", "s") <= 90_500

    asyncio.run(main())


def test_a_session_has_a_largest_size(server: RunningRedis) -> None:
    """A session cannot grow without end."""

    async def main() -> None:
        async with emptied(server) as redis:
            store = SessionStore(redis)
            assert await store.save("s", 0, bytes(LARGEST_BLOB), 60)
            with pytest.raises(ValueError, match="16385 octets"):
                await store.create_or_replace("s", bytes(LARGEST_BLOB + 1), 60)

    asyncio.run(main())


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever call to Redis fails, the session is either as before or as saved."""

    async def main() -> None:
        async with emptied(server) as redis:
            for n in count(1):
                fails = FailsAt(redis, n)
                store = SessionStore(fails)
                await redis.send("DEL", "s")
                try:
                    assert await store.save("s", 0, b"one", 60)
                    held = await store.load("s")
                    assert held is not None
                    assert await store.save("s", held.version, b"two", 60)
                except Unavailable:
                    assert fails.tripped
                left = await SessionStore(redis).load("s")
                assert left is None or left.blob in {b"one", b"two"}
                if not fails.tripped:
                    assert n == 4
                    break

    asyncio.run(main())


@given(st.text(), st.text(), st.text(), st.text())
def test_hashes_tell_kinds_and_values_apart(
    kind: str, value: str, other_kind: str, other_value: str
) -> None:
    """A number has one hash for each thing it is used for, and shares it with no other."""
    hashes = KeyedHash(bytes(32))
    same = (kind, value) == (other_kind, other_value)
    assert (hashes.of(kind, value) == hashes.of(other_kind, other_value)) is same


def test_hashes_need_the_key() -> None:
    """Another installation's hash of the same number is another one, and shows neither."""
    mine, theirs = KeyedHash(b"m" * 32), KeyedHash(b"t" * 32)
    assert mine.of("msisdn", "989121234567") != theirs.of("msisdn", "989121234567")
    assert len(mine.of("msisdn", "989121234567")) == 32
    assert "mmm" not in repr(mine)
    with pytest.raises(ValueError, match="too short"):
        KeyedHash(b"")


def test_one_key_for_all_who_start_together(tmp_path: Path) -> None:
    """Processes that start together on a new data folder agree on one key, which is kept."""
    path = tmp_path / "secrets" / "hash.key"
    keys: list[bytes] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        keys.append(load_or_create_key(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len({*keys, load_or_create_key(path)}) == 1
    assert len(keys[0]) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    """A key file that was cut short is reported: a new key would forget every hash made."""
    path = tmp_path / "hash.key"
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="does not hold a key"):
        load_or_create_key(path)
    assert path.read_bytes() == b"short"
