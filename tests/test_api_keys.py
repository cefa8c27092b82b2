"""Keys of the providers' systems, in a real Redis."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.keys import DETAILS, ELIGIBILITY, ApiKeys
from state.errors import Unavailable
from state.link import Redis, open_redis
from tests.redis_server import FailsAt, RunningRedis

NOON = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
BOTH = frozenset({ELIGIBILITY, DETAILS})


@asynccontextmanager
async def emptied(server: RunningRedis) -> AsyncIterator[Redis]:
    """A connection to a Redis that holds nothing."""
    server.ask("FLUSHALL")
    link = await open_redis(server.address, name="test")
    try:
        yield link
    finally:
        await link.close()


def test_a_key_opens_until_it_is_revoked(server: RunningRedis) -> None:
    """A key is known by its name and scopes, and a revoked one is known as revoked."""

    async def main() -> None:
        async with emptied(server) as link:
            keys = ApiKeys(link)
            token = await keys.create("Pharmacy 12", BOTH, secrets.token_bytes, NOON)
            assert re.fullmatch(r"dg_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", token)
            key = await keys.check(f"Bearer {token}")
            assert key is not None
            assert (key.name, key.scopes, key.created, key.revoked) == (
                "Pharmacy 12",
                BOTH,
                NOON,
                None,
            )
            assert await keys.check(f"bearer   {token}  ") == key
            assert await keys.revoke(key.id, NOON + timedelta(hours=1))
            assert await keys.revoke(key.id, NOON + timedelta(hours=2))
            revoked = await keys.check(f"Bearer {token}")
            assert revoked is not None
            assert revoked.revoked == NOON + timedelta(hours=1)

    asyncio.run(main())


def test_only_the_whole_key_opens(server: RunningRedis) -> None:
    """Another secret, another scheme, a missing part or nothing at all opens nothing."""

    async def main() -> None:
        async with emptied(server) as link:
            keys = ApiKeys(link)
            token = await keys.create("a", [ELIGIBILITY], secrets.token_bytes, NOON)
            other = await keys.create("b", [ELIGIBILITY], secrets.token_bytes, NOON)
            crossed = token[:12] + other[12:]
            wrong = [None, "", "Bearer", "Bearer ", token, f"Basic {token}", f"Bearer {token[:-1]}"]
            wrong += [f"Bearer {token}x", f"Bearer {crossed}", f"Bearer dg_00000000_{token[12:]}"]
            wrong += [f"Bearer {token.upper()}", f"Bearer {token}\n", f"Bearer {token[:12]}"]
            for header in wrong:
                assert await keys.check(header) is None, header

    asyncio.run(main())


@given(st.text(max_size=80))
def test_any_header_is_a_key_or_none(header: str) -> None:
    """Whatever stands in the header, nothing is asked of Redis unless it looks like a key."""
    asked: list[object] = []

    class Nobody:
        def send(self, *args: object) -> asyncio.Future[object]:
            asked.append(args)
            raise AssertionError

        async def script(self, *args: object) -> object:
            raise AssertionError

    assert asyncio.run(ApiKeys(Nobody()).check(header)) is None
    assert not asked


def test_the_secret_is_nowhere_in_redis(server: RunningRedis) -> None:
    """Who reads all of Redis still cannot use a key, nor does a key show its secret."""

    async def main() -> None:
        async with emptied(server) as link:
            keys = ApiKeys(link)
            token = await keys.create("a", BOTH, secrets.token_bytes, NOON)
            secret = token[12:]
            held = await link.send("HGETALL", f"apikey:{token[3:11]}")
            assert hashlib.sha256(secret.encode()).hexdigest().encode() in held
            assert secret not in repr([held, await link.send("KEYS", "*")])
            assert secret not in repr(await keys.list())

    asyncio.run(main())


def test_keys_are_listed_oldest_first_the_revoked_too(server: RunningRedis) -> None:
    """The operator sees every key that was ever given out."""

    async def main() -> None:
        async with emptied(server) as link:
            keys = ApiKeys(link)
            assert await keys.list() == []
            for n in (2, 0, 1):
                at = NOON + timedelta(days=n)
                await keys.create(f"key {n}", [ELIGIBILITY], secrets.token_bytes, at)
            listed = await keys.list()
            assert [key.name for key in listed] == ["key 0", "key 1", "key 2"]
            assert await keys.revoke(listed[1].id, NOON)
            assert [key.revoked for key in await keys.list()] == [None, NOON, None]

    asyncio.run(main())


def test_an_unknown_key_cannot_be_revoked(server: RunningRedis) -> None:
    """A mistyped ID is said to be unknown, and makes no key."""

    async def main() -> None:
        async with emptied(server) as link:
            keys = ApiKeys(link)
            for key_id in ("00000000", "", "*", "dg_00000000", "0000000G"):
                assert not await keys.revoke(key_id, NOON)
            assert await link.send("DBSIZE") == 0

    asyncio.run(main())


def test_two_keys_never_share_an_id(server: RunningRedis) -> None:
    """Chance that gives the same ID twice does not overwrite the first key."""
    given_out = iter([b"\0" * 4, b"a" * 32, b"\0" * 4, b"b" * 32, b"\1" * 4, b"c" * 32])

    async def main() -> None:
        async with emptied(server) as link:
            keys = ApiKeys(link)
            first = await keys.create("a", BOTH, lambda _: next(given_out), NOON)
            second = await keys.create("b", BOTH, lambda _: next(given_out), NOON)
            assert (first[:12], second[:12]) == ("dg_00000000_", "dg_01010101_")
            found = await keys.check(f"Bearer {first}")
            assert found is not None
            assert found.name == "a"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        ("", BOTH),
        (" a", BOTH),
        ("a" * 65, BOTH),
        ("a\nb", BOTH),
        ("a", set()),
        ("a", {"everything"}),
        ("a", {ELIGIBILITY, "everything"}),
    ],
)
def test_a_key_without_a_name_or_with_odd_scopes_is_not_made(name: str, scopes: set[str]) -> None:
    """A slip of the pen makes no key."""
    with pytest.raises(ValueError, match=r"^a key's (name|scopes)"):
        asyncio.run(ApiKeys(None).create(name, scopes, secrets.token_bytes, NOON))  # type: ignore[arg-type]


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever call fails, no key opens that should not, and the list can be read again."""

    async def main() -> None:
        async with emptied(server) as link:
            for n in count(1):
                server.ask("FLUSHALL")
                failing = FailsAt(link, n)
                keys = ApiKeys(failing)
                token = None
                try:
                    token = await keys.create(f"key {n}", BOTH, secrets.token_bytes, NOON)
                    assert await keys.check(f"Bearer {token}")
                    assert await keys.list()
                    assert await keys.revoke(token[3:11], NOON)
                except Unavailable:
                    assert failing.tripped
                listed = {key.name: key for key in await ApiKeys(link).list()}
                assert (f"key {n}" in listed) == (token is not None)
                if not failing.tripped:
                    assert listed[f"key {n}"].revoked == NOON
                    break

    asyncio.run(main())
