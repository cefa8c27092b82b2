"""The two roles of Redis, open: on embedded servers, on servers of the operator, or both."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from config.redis_settings import RedisSettings
from state.address import Address
from state.embedded import Lease, take_lease
from state.errors import Unavailable
from state.link import FIRST_PAUSE, LONGEST_PAUSE
from state.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Stores:
    """`cache` has the people, `state` the sessions, streams, codes and limits.

    They may be one and the same. Each one's `address` serves whoever needs connections of their
    own: the loader's commands take longer than a lookup may.
    """

    cache: Store
    state: Store
    _held: AsyncExitStack

    async def close(self) -> None:
        """Close the links, then give back the lease. Harmless twice."""
        await self._held.aclose()


async def open_stores(
    settings: RedisSettings,
    data_folder: Path,
    *,
    jitter: Callable[[], float] = random.random,
) -> Stores:
    """Connect to both roles, starting the embedded servers where a URL is empty.

    Raises Unavailable with one sentence after `settings.start_deadline` seconds at the latest.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + settings.start_deadline
    async with AsyncExitStack() as held:
        urls = {"cache": settings.cache_url, "state": settings.state_url}
        places = {role: Address(url) for role, url in urls.items() if url}
        if len(places) < len(urls):
            lease = await take_lease(data_folder, settings.start_deadline)
            keeping = _Keeping(lease, data_folder, settings.start_deadline, jitter)
            held.push_async_callback(keeping.close)
            places = {"cache": lease.cache, "state": lease.state, **places}

        async def connected(role: str) -> Store:
            store = await open_store(
                places[role],
                name=f"dargah-{role}",
                timeout=settings.timeout,
                in_flight=settings.in_flight,
                deadline=max(give_up - loop.time(), 0.1),
                refresh=settings.refresh,
                replicas=role == "cache" and settings.cache_replicas,
                behind=settings.behind,
                jitter=jitter,
            )
            held.push_async_callback(store.close)
            return store

        cache = await connected("cache")
        shared = places["cache"] == places["state"]
        state = cache if shared else await connected("state")
        return Stores(cache, state, held.pop_all())
    raise AssertionError("an exit stack does not swallow exceptions")


class _Keeping:
    """Holds a lease, and takes another when the keeper has been killed."""

    def __init__(
        self, lease: Lease, data_folder: Path, deadline: float, jitter: Callable[[], float]
    ) -> None:
        self._lease = lease
        self._data_folder = data_folder
        self._deadline = deadline
        self._jitter = jitter
        self._task = asyncio.create_task(self._keep(), name="redis lease")

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await self._lease.lost()
            await self._lease.close()
            # Every gateway of this folder has lost its lease at this moment.
            await asyncio.sleep(pause * self._jitter())
            try:
                self._lease = await take_lease(self._data_folder, self._deadline)
                pause = FIRST_PAUSE
            except Unavailable:
                # The links say that Redis is away, and why; we only go on trying.
                pause = min(pause * 2, LONGEST_PAUSE)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._lease.close()
