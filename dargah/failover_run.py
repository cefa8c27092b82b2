"""
One failover under a steady load: people loaded into a box of Redis servers, a fault, and back.

    load ─▶ steady lookups ─▶ the fault ─▶ all answers plain again ─▶ the server comes back ─▶ end
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from config.redis_settings import RedisSettings
from dargah.box_server import BoxServer, wait_for
from dargah.redis_box import ClusterBox, SentinelBox, cluster_box, sentinel_box
from dargah.steady import Asked, Steady, Told, questions
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.load import LoadOptions, load
from eligibility.population_file import write_population
from persian.jalali import tehran_date
from state.slots import slot_of
from state.store import replica
from state.stores import Stores, open_stores

SEED: Final = 1420
AGES: Final = Freshness(timedelta(days=2), timedelta(days=30))
BACK_WITHIN: Final = 30.0
"""Seconds for a failover in the box; its servers take one for dead after half a second."""
QUIET: Final = 0.5
"""Seconds of plain answers that count as back to normal."""


class Fault(StrEnum):
    """What happens to the master."""

    KILL = "kill"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Run:
    """What was told, and when what happened: seconds since the start, and words."""

    told: list[Told]
    wrong: list[str]
    events: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Box:
    """A box with people in it, as a gateway sees it."""

    servers: ClusterBox | SentinelBox
    stores: Stores
    cache: Cache
    asked: list[Asked]

    def steady(self, rate: float) -> Steady:
        """Lookups at this rate, not yet begun."""
        return Steady(self.cache, self.asked, rate, clock)

    def victim(self) -> BoxServer:
        """The master to be mistreated: with a Cluster, that of the first person's bucket."""
        if isinstance(self.servers, ClusterBox):
            return self.servers.master_of(self.slot)
        master = self.servers.master()
        assert master is not None
        return master

    @property
    def slot(self) -> int:
        """The slot of the first person's bucket."""
        current = self.cache.current
        assert current is not None
        return slot_of(current.layout.address(self.asked[0].person)[0])


def clock() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@asynccontextmanager
async def filled_box(
    *, sentinel: bool, people: int, replica_answers: bool = True
) -> AsyncIterator[Box]:
    """A Cluster, or servers with Sentinels, with a population loaded by the ordinary loader."""
    manager: AbstractContextManager[ClusterBox | SentinelBox]
    manager = sentinel_box() if sentinel else cluster_box()
    servers: ClusterBox | SentinelBox = await asyncio.to_thread(manager.__enter__)
    try:
        settings = RedisSettings(
            cache_url=servers.url,
            state_url=servers.url,
            cache_replicas=replica_answers,
        )
        with tempfile.TemporaryDirectory(prefix="dargah-run-") as folder:
            now, today = clock(), tehran_date(clock())
            await _load(settings, Path(folder), people, now)
            await asyncio.to_thread(wait_for, servers.settled, "the replicas in step")
            stores = await open_stores(settings, Path(folder))
            copy_of = partial(replica, stores.cache)
            cache = Cache(stores.cache, stores.state, AGES, copy_of=copy_of)
            try:
                await cache.start()
                yield Box(servers, stores, cache, questions(people, SEED, today, now))
            finally:
                await cache.close()
                await stores.close()
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def _load(settings: RedisSettings, folder: Path, people: int, now: datetime) -> None:
    path = folder / "people.csv"
    write_population(path, people, SEED, tehran_date(now))
    stores = await open_stores(
        RedisSettings(cache_url=settings.cache_url, state_url=settings.state_url, timeout=10),
        folder,
    )
    try:
        options = LoadOptions(as_of=now)
        await load(path, stores.cache, stores.state, folder, clock=clock, options=options)
    finally:
        await stores.close()


async def failover(
    box: Box, fault: Fault, rate: float, *, before: float = 1.0, rejoin: bool = True
) -> Run:
    """Mistreat a master under lookups at `rate` a second, `before` seconds after they began.

    `rejoin`: go on until the old master is a replica in step; with Sentinels that takes 10 s.
    Raises TimeoutError or BoxFailed where it does not come to rest again.
    """
    steady = box.steady(rate)
    events: list[tuple[float, str]] = []

    def note(what: str) -> None:
        events.append((steady.now, what))

    steady.start()
    try:
        await asyncio.sleep(before)
        victim = await asyncio.to_thread(box.victim)
        act = {Fault.KILL: victim.kill, Fault.HANG: victim.stop_answering}[fault]
        note({Fault.KILL: "master killed (-9)", Fault.HANG: "master hangs (SIGSTOP)"}[fault])
        await asyncio.to_thread(act)
        await until_another(box, victim)
        note("a replica has taken over")
        await steady.until_plain(QUIET, BACK_WITHIN)
        note("all answers plain")
        await asyncio.to_thread(victim.start if fault is Fault.KILL else victim.answer_again)
        note("the old master is back")
        if rejoin:
            await asyncio.to_thread(wait_for, box.servers.settled, "all in step again")
            note("it is a replica in step")
        await steady.until_plain(QUIET, BACK_WITHIN)
    finally:
        await steady.stop()
    return Run(steady.told, steady.wrong, events)


async def until_another(box: Box, victim: BoxServer) -> None:
    """Until another server than this one is the master of what it had."""

    def another() -> bool:
        servers = box.servers
        now = servers.master_of(box.slot) if isinstance(servers, ClusterBox) else servers.master()
        return now is not None and now is not victim

    await asyncio.to_thread(_wait_beside, another)


def _wait_beside(true: Callable[[], bool]) -> None:
    wait_for(true, "another master")
