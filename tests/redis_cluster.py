"""Stores over a Cluster for tests; the servers come from dargah/redis_box.py."""

import asyncio
from collections.abc import Awaitable, Callable

from dargah.redis_box import ClusterBox
from state.address import Address
from state.following import Following
from state.slots import slot_of
from state.store import masters, open_store


def with_cluster(
    box: ClusterBox,
    test: Callable[[Following], Awaitable[None]],
    *,
    timeout: float = 3.0,
    empty: bool = True,
) -> None:
    """Run a test over a Cluster, emptied first."""

    async def run() -> None:
        store = await store_of(box, timeout)
        try:
            if empty:
                await asyncio.gather(*(one.send("FLUSHALL") for one in masters(store).values()))
            await test(store)
        finally:
            await store.close()

    asyncio.run(run())


async def store_of(box: ClusterBox, patience: float = 3.0) -> Following:
    """A Cluster's store; its commands may take `patience` seconds."""
    store = await open_store(
        Address(box.url), name="test", timeout=patience, deadline=20, replicas=True
    )
    assert isinstance(store, Following)
    return store


def tags_by_master(box: ClusterBox) -> dict[int, str]:
    """For each master's port a word whose slot it has."""
    found: dict[int, str] = {}
    owners = box.owners()
    for number in range(10_000):
        slot = slot_of(f"t{number}")
        port = next(port for (a, b), port in owners.items() if a <= slot <= b)
        found.setdefault(port, f"t{number}")
        if len(found) == len(set(owners.values())):
            break
    return found


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Until it is true; servers are at work, and say nothing of themselves."""
    async with asyncio.timeout(20):
        while True:
            if await true():
                return
            await asyncio.sleep(0.01)
