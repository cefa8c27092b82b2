"""Buckets that RESTORE makes are those that HSET would have made."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eligibility.buckets import TWELVE, WHOLE, Family
from eligibility.crc64 import crc64
from eligibility.fill import accepted_packing
from eligibility.payloads import LISTPACK, MOST_PEOPLE, ZIPLIST, Packing, payloads
from eligibility.spool import ROW, Buckets
from eligibility.verdict import Outcome
from state.commands import Arg, Reply
from state.errors import ReplyError
from state.link import Redis
from tests.loading import covered, csv_of, load_text, national, verdict_on, with_redis
from tests.redis_server import RunningRedis

FAMILY = Family(b"f:test:", TWELVE, TWELVE)

REDIS_7 = bytes.fromhex(
    "104080800000001000817702010101018a000102030405060708090b0d018a0a0b0c0d0e0f101112130bc12c02"
    "8a1415161718191a1b1c1d0bf18813038a1e1f20212223242526270bf2701101048a28292a2b2c2d2e2f30310b"
    "f380969800058a32333435363738393a3b0bf400e8764817000000098a3c3d3e3f4041424344450bff0a00"
    "e665f22bdf98aa0f"
)
"""What DUMP gave in Redis 7.0.15, compression off, of w 1 and seven people, each with a field of
another size."""


def buckets_of(people: list[dict[int, bytes]]) -> Buckets:
    """Buckets with these people, each with its fields rising."""
    fields = [field for bucket in people for field in sorted(bucket)]
    records = b"".join(bucket[field] for bucket in people for field in sorted(bucket))
    return Buckets(
        FAMILY,
        0,
        np.array([len(bucket) for bucket in people]),
        np.array(fields, np.uint64),
        np.frombuffer(records, ROW["record"]),
    )


PLACES = st.one_of(*(st.integers(0, (1 << bits) - 1) for bits in (4, 7, 12, 15, 23, 31, 39)))
RECORDS = st.binary(min_size=9, max_size=9).map(lambda rest: b"\x21" + rest)
BUCKET = st.dictionaries(PLACES, RECORDS, max_size=12)


async def compare_with_hset(link: Redis, packing: Packing, people: list[dict[int, bytes]]) -> None:
    """Write the same buckets by RESTORE and by HSET, and see that Redis holds the same bytes."""
    for bucket, payload in zip(people, payloads(buckets_of(people), packing), strict=True):
        pairs = [part for field in sorted(bucket) for part in (field, bucket[field])]
        await asyncio.gather(
            link.send("DEL", "set"),
            link.send("HSET", "set", WHOLE, 1, *pairs),
            link.send("RESTORE", "restored", 0, payload, "REPLACE"),
        )
        assert await link.send("DUMP", "restored") == await link.send("DUMP", "set")


def big(people: int) -> dict[int, bytes]:
    """A bucket with so many people."""
    return {field * 7: b"\x21" + field.to_bytes(9) for field in range(people)}


def on(server: RunningRedis, packing: Packing) -> None:
    """The comparison for any buckets, on one server."""

    @settings(max_examples=60, deadline=None)
    @given(st.lists(BUCKET, min_size=1, max_size=5))
    def any_buckets(people: list[dict[int, bytes]]) -> None:
        with_redis(server, lambda link: compare_with_hset(link, packing, people))

    any_buckets()
    sizes = (0, 1, 3, 4, 128, 200, MOST_PEOPLE)
    with_redis(server, lambda link: compare_with_hset(link, packing, [big(size) for size in sizes]))


def test_same_bytes_as_hset(server: RunningRedis) -> None:
    """A restored bucket is byte for byte what Redis itself would have made."""
    packing = with_redis(server, lambda link: accepted_packing(link, FAMILY))
    assert packing is not None
    on(server, packing)


def test_every_redis_from_6_reads_ziplists(server: RunningRedis) -> None:
    """The packing of Redis 6 is understood by it and by all that followed."""
    on(server, ZIPLIST)


def test_recorded_bytes_of_redis_7() -> None:
    """The packing of Redis 7 is, byte for byte, what a real one gave."""
    fields = (1, 13, 300, 5_000, 70_000, 10**7, 10**11)
    people = {field: bytes(range(10 * n, 10 * n + 10)) for n, field in enumerate(fields)}
    assert payloads(buckets_of([people]), LISTPACK) == [REDIS_7]


def test_sum() -> None:
    """The sums are Redis' own; zeros before a string change nothing."""
    rows = np.zeros((2, 24), np.uint8)
    rows[0, -9:] = np.frombuffer(b"123456789", np.uint8)
    assert crc64(rows).tolist() == [0xE9C6D914C4B8D9CA, 0]


class NoRestore:
    """A Redis whose user may not RESTORE, or that reads what is restored otherwise."""

    def __init__(self, link: Redis, *, refuses: bool) -> None:
        self._link, self._refuses = link, refuses
        self.script = link.script
        self.sent: set[Arg] = set()

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send; a RESTORE fails, or writes something else."""
        self.sent.add(args[0])
        if args[0] != b"RESTORE":
            return self._link.send(*args)
        if not self._refuses:
            return self._link.send("HSET", args[1], "w", 1, 3, "something else")
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        future.set_exception(ReplyError("NOPERM this user has no permissions"))
        return future


@pytest.mark.parametrize("refuses", [True, False])
def test_without_restore(server: RunningRedis, refuses: bool) -> None:
    """Where RESTORE is refused, or misread, everybody is loaded all the same."""

    async def play(link: Redis) -> None:
        cache = NoRestore(link, refuses=refuses)
        loaded, _ = await load_text(cache, csv_of(covered(300)), state=link)
        assert loaded.generation.people == 300
        assert {b"RESTORE", b"HSET"} <= cache.sent
        assert (await verdict_on(link, national(300))).outcome is Outcome.COVERED
        assert (await verdict_on(link, national(301))).outcome is Outcome.NOT_FOUND

    with_redis(server, play)
