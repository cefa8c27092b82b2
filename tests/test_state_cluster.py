"""Commands over a real Cluster: each to its server, and after it when it moves."""

import asyncio
from collections.abc import Iterator

import pytest

from dargah.redis_box import ClusterBox, cluster_box
from state.address import Address
from state.commands import Script
from state.errors import ReplyError, Unavailable
from state.following import Following
from state.link import open_redis
from state.own_link import OwnLink
from state.slots import NoSlot, slot_of
from state.store import at, masters, open_own, open_store, replica
from tests.redis_cluster import store_of, tags_by_master, until, with_cluster

COUNT_BOTH = Script(
    "count_both", "return redis.call('INCR', KEYS[1]) + redis.call('INCR', KEYS[2])"
)


@pytest.fixture(scope="module")
def box() -> Iterator[ClusterBox]:
    """One Cluster for this file."""
    with cluster_box() as running:
        yield running


def test_each_key_is_on_its_own_server(box: ClusterBox) -> None:
    """What is spread over many servers is written and read as on one."""

    async def test(store: Following) -> None:
        keys = [f"key:{number}" for number in range(300)]
        await asyncio.gather(*(store.send("SET", key, key) for key in keys))
        assert await asyncio.gather(*(store.send("GET", key) for key in keys)) == [
            key.encode() for key in keys
        ]
        assert await store.send(b"GET", b"key:7") == b"key:7"
        sizes = [await one.send("DBSIZE") for one in masters(store).values()]
        assert len(sizes) == 3
        assert all(sizes)
        assert sum(sizes) == 300

    with_cluster(box, test)


def test_a_script_runs_where_its_keys_are(box: ClusterBox) -> None:
    """A script of one slot runs on the server that has it, also the first time."""

    async def test(store: Following) -> None:
        for tag in tags_by_master(box).values():
            keys = [f"{{{tag}}}:a", f"{{{tag}}}:b"]
            assert await store.script(COUNT_BOTH, keys) == 2
            assert await store.script(COUNT_BOTH, keys) == 4

    with_cluster(box, test)


def test_what_has_no_one_server_is_not_sent(box: ClusterBox) -> None:
    """A command without a key, or with keys of two servers, is refused before it is sent."""

    async def test(store: Following) -> None:
        for command in (("PING",), ("DEL", "a", "b"), ("FLUSHALL",)):
            with pytest.raises(NoSlot):
                store.send(*command)
        with pytest.raises(NoSlot):
            await store.script(COUNT_BOTH, ["a", "b"])

    with_cluster(box, test)


def test_waiting_for_replicas_is_on_the_server_of_the_key(box: ClusterBox) -> None:
    """That a message is safe is asked of the server that has it."""

    async def test(store: Following) -> None:
        for tag in tags_by_master(box).values():
            await store.send("SET", tag, "1")
            assert await at(store, tag).send("WAIT", 1, 2000) == 1

    with_cluster(box, test)


def test_a_replica_can_be_read(box: ClusterBox) -> None:
    """Each key has a copy on another server that answers reads, and refuses writes."""

    async def test(store: Following) -> None:
        for tag in tags_by_master(box).values():
            await store.send("SET", tag, tag)
            await at(store, tag).send("WAIT", 1, 2000)
            copy = replica(store, tag)
            assert copy is not None
            assert await copy.send("GET", tag) == tag.encode()
            with pytest.raises(Unavailable):
                await copy.send("SET", tag, "other")

    with_cluster(box, test)


def test_a_reader_of_a_stream_waits_on_the_server_that_has_it(box: ClusterBox) -> None:
    """Who waits for messages has a connection of its own, and can be woken on it."""

    async def test(store: Following) -> None:
        for tag in tags_by_master(box).values():
            own = await open_own(store, name="reader", timeout=5.0)
            assert isinstance(own, OwnLink)
            await store.send("XGROUP", "CREATE", tag, "g", "0", "MKSTREAM")
            number = await at(own, tag).send("CLIENT", "ID")
            reading = own.send(
                *("XREADGROUP", "GROUP", "g", "c", "BLOCK", 4000, "STREAMS", tag, ">")
            )
            await store.send("XADD", tag, "*", "m", "hello")
            assert (await reading)[0][0] == tag.encode()
            reading = own.send(
                *("XREADGROUP", "GROUP", "g", "c", "BLOCK", 4000, "STREAMS", tag, ">")
            )
            # Once the read has come to the server.
            await until(lambda: at(store, tag).send("CLIENT", "UNBLOCK", number))  # noqa: B023
            assert await reading is None
            await own.close()

    with_cluster(box, test)


def test_a_slot_that_moves_is_followed(box: ClusterBox) -> None:
    """While a slot moves from one server to another, and after, its keys are found and written."""

    async def test(store: Following) -> None:
        loop = asyncio.get_running_loop()
        tag = next(iter(tags_by_master(box).values()))
        slot = slot_of(tag)
        keys = [f"{{{tag}}}:{number}" for number in range(6)]
        await asyncio.gather(*(store.send("SET", key, "0") for key in keys))
        seen: list[bytes] = []
        before = at(store, tag)
        assert await before.send("WAIT", 1, 2000) == 1

        async def use() -> None:
            for _ in range(3):
                seen.extend(await asyncio.gather(*(store.send("GET", key) for key in keys)))
                await asyncio.gather(*(store.send("INCR", key) for key in keys))
            with pytest.raises(Unavailable, match="TRYAGAIN"):
                # One of the two is still here, the other there already.
                await store.script(COUNT_BOTH, [*halves])

        source, target = (
            box.master_of(slot),
            next(server for server in box.masters() if server is not box.master_of(slot)),
        )
        order = source.told("CLUSTER", "GETKEYSINSLOT", slot, 10)
        halves = [order[0].decode(), order[-1].decode()]

        def moving() -> None:
            asyncio.run_coroutine_threadsafe(use(), loop).result(20)

        await asyncio.to_thread(box.move_slot, slot, target, moving)
        assert seen == [b"%d" % n for n in range(3) for _ in keys]
        assert await asyncio.gather(*(store.send("GET", key) for key in keys)) == [b"3"] * 6
        assert await store.script(COUNT_BOTH, halves) == 8
        assert int(await at(store, tag).send("DBSIZE")) >= 6
        assert box.master_of(slot) is target
        # What was written there before cannot be waited for here.
        with pytest.raises(Unavailable, match="has moved"):
            await before.send("WAIT", 1, 2000)
        assert await at(store, tag).send("WAIT", 1, 2000) == 1

    with_cluster(box, test, timeout=0.5)


def test_one_that_hangs_harms_no_other(box: ClusterBox) -> None:
    """A server that hangs costs one time-out; then it is known to be away. The others answer."""

    async def test(store: Following) -> None:
        tags = tags_by_master(box)
        port, tag = next(iter(tags.items()))
        others = [other for other in tags.values() if other != tag]

        async def others_answer() -> bool:
            return await asyncio.gather(*(store.send("GET", other) for other in others)) == [
                None,
                None,
            ]

        hung = box.by_port(port)
        hung.stop_answering()
        try:
            first = [store.send("GET", tag) for _ in range(20)]
            assert (
                await asyncio.gather(*(store.send("GET", other) for other in others)) == [None] * 2
            )
            for outcome in await asyncio.gather(*first, return_exceptions=True):
                assert isinstance(outcome, Unavailable)
            # Judged at once from here on: the future has failed before anybody waits.
            assert isinstance(store.send("GET", tag).exception(), Unavailable)
            assert not store.connected
            assert str(port) in store.reason
            assert (
                await asyncio.gather(*(store.send("GET", other) for other in others)) == [None] * 2
            )
        finally:
            hung.answer_again()
        async with asyncio.timeout(30):
            await store.wait_connected()
        assert await others_answer()

    with_cluster(box, test, timeout=0.2)


def test_a_node_addressed_as_one_redis_says_what_it_is(box: ClusterBox) -> None:
    """Who gives the URL of one node where a Cluster is gets told which URL to give."""

    async def run() -> None:
        server = box.servers[0]
        link = await open_redis(Address(f"redis://127.0.0.1:{server.port}"), name="test")
        try:
            refused = None
            for tag in tags_by_master(box).values():
                try:
                    await link.send("GET", tag)
                except ReplyError as error:
                    refused = error
            assert refused is not None
            assert "redis+cluster://" in refused.remedy
        finally:
            await link.close()

    asyncio.run(run())


def test_where_no_node_answers_the_start_says_so() -> None:
    """A gateway that cannot reach its Cluster says which, and no password."""

    async def run() -> None:
        address = Address("redis+cluster://u:secret@127.0.0.1:1,127.0.0.1:2")
        with pytest.raises(Unavailable) as error:
            await open_store(address, name="test", deadline=0.5)
        assert "127.0.0.1:" in str(error.value)
        assert "secret" not in str(error.value)

    asyncio.run(run())


def test_a_closed_store_answers_nobody(box: ClusterBox) -> None:
    """Once a gateway has ended its connections, every command fails at once."""

    async def run() -> None:
        store = await store_of(box)
        await store.close()
        with pytest.raises(Unavailable):
            await store.send("GET", "somebody")
        await store.close()

    asyncio.run(run())


def test_every_node_is_logged_in_to() -> None:
    """The password of the URL opens every node, and is shown nowhere."""

    async def run(box: ClusterBox) -> None:
        url = box.url.replace("://", "://:letmein@")
        store = await open_store(Address(url), name="test", deadline=20, replicas=True)
        try:
            for tag in tags_by_master(box).values():
                assert await store.send("SET", tag, tag) == b"OK"
                await at(store, tag).send("WAIT", 1, 2000)
                copy = replica(store, tag)
                assert copy is not None
                assert await copy.send("GET", tag) == tag.encode()
            shown = f"{store} {store!r} {masters(store)} {store.reason} {store.address}"
            assert "letmein" not in shown
        finally:
            await store.close()
        with pytest.raises(Unavailable) as refused:
            await open_store(Address(box.url), name="test", deadline=1)
        assert "letmein" not in str(refused.value)

    with cluster_box(password="letmein") as locked:
        asyncio.run(run(locked))
