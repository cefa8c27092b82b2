"""What servers say of who is whose master, and what is believed of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dargah.box_server import BoxServer, redis_servers
from dargah.redis_box import SentinelBox, sentinel_box
from state.address import Address
from state.cluster import parse
from state.commands import Commands
from state.copies import lag_of
from state.errors import Unavailable
from state.following import Following
from state.link import Redis
from state.sentinel import parse as parse_sentinel
from state.slots import SLOTS
from state.store import masters, open_store
from state.topology import Node, Shard, Topology

ASKED = Node("asked", 7)


def slots_of(*shards: tuple[int, int, list[Any], list[Any]]) -> list[Any]:
    """A reply to CLUSTER SLOTS."""
    return [[first, last, master, *others] for first, last, master, others in shards]


def line(name: str, flags: str, epoch: int) -> str:
    """A line of CLUSTER NODES."""
    return f"{name} 10.0.0.1:1@2 {flags} - 0 0 {epoch} connected"


def test_a_cluster_says_who_has_which_slots() -> None:
    """Names, unknown addresses and failed replicas are read as the Cluster means them."""
    slots = slots_of(
        (0, 8191, [b"db1.example", 7001, b"a", []], [[b"10.0.0.2", 7002, b"b", []]]),
        (8192, 16383, [b"", 7, b"c"], [[None, 8, b"d"], [b"gone", 9, b"e"]]),
    )
    nodes = "\n".join(
        [
            line("a", "master", 3),
            line("b", "slave", 3),
            line("c", "myself,master", 5),
            line("d", "slave,fail?", 5),
            line("e", "slave,fail", 5),
        ]
    )
    assert parse(slots, nodes.encode(), ASKED) == Topology(
        (
            Shard(Node("asked", 7), (Node("asked", 8),), ((8192, 16383),)),
            Shard(Node("db1.example", 7001), (Node("10.0.0.2", 7002),), ((0, 8191),)),
        ),
        5,
        frozenset({b"a", b"b", b"c", b"d", b"e"}),
    )


def test_a_node_that_was_forgotten_tells_of_no_cluster() -> None:
    """A node that has been taken out of the Cluster does not make every slot vanish."""
    with pytest.raises(Unavailable, match="no slots"):
        parse([], line("a", "myself,master", 1).encode(), ASKED)


@given(st.binary(max_size=60))
def test_whatever_a_server_says_of_nodes_is_read_or_refused(text: bytes) -> None:
    """Nothing that a server can say ends in anything but a topology or a refusal."""
    with suppress(Unavailable, ValueError, IndexError, TypeError):
        parse(slots_of((0, 5, [b"h", 1, b"a"], [])), text, ASKED)


def flat(**facts: str) -> list[bytes]:
    """A reply of fields and values by turns."""
    return [word.encode() for name, value in facts.items() for word in (name, value)]


def test_sentinels_name_the_new_master_first() -> None:
    """During a failover the address and the epoch are those of the server that takes over."""
    master = flat(name="people", ip="old", port="1", **{"config-epoch": "4"})
    replicas = [flat(ip="new", port="2"), flat(ip="old", port="1"), flat(ip="", port="0")]
    found = parse_sentinel([b"new", b"2"], master, replicas, ASKED)
    assert found.epoch == 4
    assert found.shards == (Shard(Node("new", 2), (Node("old", 1),), ((0, SLOTS - 1),)),)
    with pytest.raises(Unavailable, match="no such master"):
        parse_sentinel(None, master, replicas, ASKED)


@pytest.mark.parametrize(
    ("info", "lag"),
    [
        ("role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:3\r\n", 3.0),
        ("role:slave\r\nmaster_link_status:down\r\nmaster_link_down_since_seconds:40\r\n", 40.0),
        ("role:slave\r\nmaster_link_status:down\r\nmaster_link_down_since_seconds:-1\r\n", None),
        ("role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:1\r\n", None),
    ],
)
def test_how_far_a_replica_is_behind(info: str, lag: float | None) -> None:
    """A replica that is being filled, or never was, is endlessly far behind."""
    text = info if "sync" in info else info + "master_sync_in_progress:0\r\n"
    assert lag_of(text.encode()) == (float("inf") if lag is None else lag)


def test_one_that_says_it_is_a_master_says_nothing_of_its_lag() -> None:
    """A master that was away comes back believing it is one still: that makes it no fresh copy."""
    assert lag_of(b"role:master\r\n") is None


class Scripted:
    """A Discovery that says what it is told to."""

    replicas_need_readonly = False

    def __init__(self, first: Topology) -> None:
        self.says = first
        self.looks = 0

    async def look(self, answering: list[tuple[Node, Commands]]) -> Topology:
        self.looks += 1
        return self.says

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def two() -> Iterator[list[BoxServer]]:
    """Two servers that know nothing of each other."""
    with ExitStack() as ending:
        yield ending.enter_context(redis_servers(2))


def view(server: BoxServer, epoch: int, member: bytes = b"m") -> Topology:
    """A topology with this server alone."""
    shard = Shard(Node("127.0.0.1", server.port), (), ((0, SLOTS - 1),))
    return Topology((shard,), epoch, frozenset({member}))


def following(two: list[BoxServer], test: Callable[[Following, Scripted], Awaitable[None]]) -> None:
    """Run a test on what follows a scripted Discovery, which names the first server, epoch 5."""

    async def run() -> None:
        discovery = Scripted(view(two[0], 5))

        def new_link(node: Node, **more: Any) -> Redis:
            make = partial(Redis, Address(f"redis://{node}"), name="test", timeout=2.0)
            return make(in_flight=100, jitter=random.random, **more)

        store = Following(
            Address("redis+cluster://127.0.0.1"),
            discovery,
            new_link,
            timeout=2.0,
            refresh=0.1,
            replicas=False,
            behind=0,
        )
        try:
            async with asyncio.timeout(20):
                await store.wait_connected()
                await test(store, discovery)
        finally:
            await store.close()

    asyncio.run(run())


async def looked_at(discovery: Scripted) -> None:
    """Until it was asked two times more: the first answer has been acted on by then."""
    enough = discovery.looks + 2
    while True:
        if discovery.looks >= enough:
            return
        await asyncio.sleep(0.01)


def place_of(store: Following) -> list[str]:
    """Where commands go."""
    return list(masters(store))


def test_an_old_view_is_not_believed(two: list[BoxServer]) -> None:
    """Who has not heard of the failover yet, a master that was frozen say, changes nothing."""

    async def test(store: Following, discovery: Scripted) -> None:
        discovery.says = view(two[1], 4)
        store.look_soon()
        await looked_at(discovery)
        assert place_of(store) == [f"127.0.0.1:{two[0].port}"]
        discovery.says = view(two[1], 6)
        await looked_at(discovery)
        assert place_of(store) == [f"127.0.0.1:{two[1].port}"]

    following(two, test)


def test_a_cluster_that_was_made_anew_is_believed(two: list[BoxServer]) -> None:
    """Servers that were set up anew at the same addresses begin to count again."""

    async def test(store: Following, discovery: Scripted) -> None:
        discovery.says = view(two[1], 1, b"another")
        await looked_at(discovery)
        assert place_of(store) == [f"127.0.0.1:{two[1].port}"]

    following(two, test)


def test_slots_without_a_server_are_unavailable(two: list[BoxServer]) -> None:
    """A Cluster with a hole in it is said to have one, and answers for the rest."""

    async def test(store: Following, discovery: Scripted) -> None:
        shard = Shard(Node("127.0.0.1", two[0].port), (), ((0, 8191),))
        discovery.says = Topology((shard,), 7, frozenset({b"m"}))
        await looked_at(discovery)
        assert not store.connected
        assert "not every slot" in store.reason
        with pytest.raises(Unavailable, match="not every slot"):
            await store.send("GET", "foo")  # slot 12182
        assert await store.send("GET", "bar") is None  # slot 5061

    following(two, test)


@pytest.fixture(scope="module")
def watched() -> Iterator[SentinelBox]:
    """Sentinels and what they watch."""
    with sentinel_box() as box:
        yield box


def test_with_one_sentinel_left_the_master_is_found(watched: SentinelBox) -> None:
    """Any Sentinel is enough to begin; those that are away hold nothing up for long."""

    async def run() -> None:
        port = watched.sentinels[0].port
        address = Address(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/people")
        store = await open_store(address, name="test", deadline=10)
        try:
            assert await store.send("SET", "k", "v") == b"OK"
            master = watched.master()
            assert master is not None
            assert place_of(store) == [f"127.0.0.1:{master.port}"]  # type: ignore[arg-type]
        finally:
            await store.close()

    asyncio.run(run())


def test_a_name_that_no_sentinel_knows(watched: SentinelBox) -> None:
    """A wrong name for the master is said to be what is wrong."""

    async def run() -> None:
        port = watched.sentinels[0].port
        address = Address(f"redis+sentinel://127.0.0.1:{port}/peeple")
        with pytest.raises(Unavailable, match="peeple"):
            await open_store(address, name="test", deadline=2)

    asyncio.run(run())
