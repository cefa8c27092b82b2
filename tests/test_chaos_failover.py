"""
Masters killed and hung again and again under load (`make chaos`).

Beside the lookups everything else that a gateway keeps is written: conversations, codes, and
messages that are acknowledged once a replica has them. Of those none may be lost.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest

from dargah.bench_failover import timeline
from dargah.box_server import wait_for
from dargah.failover_run import Box, Fault, clock, failover, filled_box
from dargah.redis_box import ClusterBox
from dargah.steady import CANNOT_CHECK, PLAIN, STALE, Steady
from eligibility.ledger import Budget, Ledger, Refused
from state.address import Address
from state.errors import Unavailable
from state.following import Following
from state.sessions import SessionStore
from state.store import open_store
from state.streams import Durability, Stream
from tests.chaos import ROUNDS, drawing

pytestmark = pytest.mark.chaos

RATE = 2000.0
PEOPLE = 20_000
STREAMS = 6


@dataclass
class Writing:
    """A gateway's writes, going on through everything; what was acknowledged, and what failed."""

    store: Following
    acknowledged: list[tuple[str, bytes]] = field(default_factory=list)
    away: int = 0
    done: int = 0
    stopping: bool = False

    async def run(self) -> None:
        """All kinds at once, until `stopping`."""
        async with asyncio.TaskGroup() as group:
            for number in range(STREAMS):
                group.create_task(self._messages(number))
            group.create_task(self._rest())

    async def _messages(self, number: int) -> None:
        key = f"{{chaos{number}}}:in"
        stream = Stream(
            self.store,
            key,
            group="g",
            consumer="c",
            limit=1_000_000,
            durability=Durability(replicas=1, within=0.1),
        )
        count = 0
        while not self.stopping:
            count += 1
            value = b"%d" % count
            try:
                await stream.put(value, mark=f"{{chaos{number}}}:{count}", mark_seconds=600)
                self.acknowledged.append((key, value))
            except Unavailable:
                self.away += 1
            await asyncio.sleep(0.01)

    async def _rest(self) -> None:
        hour = timedelta(hours=1)
        sessions = SessionStore(self.store)
        ledger = Ledger(self.store, repeat_for=hour, retry_for=hour, keep_for=hour)
        while not self.stopping:
            self.done += 1
            key, code = f"ussd:{self.done}", f"{self.done:011}"
            try:
                await sessions.create_or_replace(key, b"screen", 60)
                held = await sessions.load(key)
                # A failover may forget the last moment; it never gives another's.
                assert held is None or held.blob == b"screen"
                opened = await ledger.open(f"a{self.done}", "p", code, Budget(5, 5), clock())
                assert not isinstance(opened, Refused)
                assert opened.code == code
            except Unavailable:
                self.away += 1
            await asyncio.sleep(0.005)

    async def lost(self) -> list[tuple[str, bytes]]:
        """What was acknowledged and is not there."""
        there = set()
        for number in range(STREAMS):
            key = f"{{chaos{number}}}:in"
            for _, flat in await self.store.send("XRANGE", key, "-", "+"):
                there.add((key, flat[1]))
        return [one for one in self.acknowledged if one not in there]


async def writing_of(box: Box) -> Writing:
    """Writes over connections of their own, as a gateway's messages have them."""
    store = await open_store(
        Address(box.servers.url), name="chaos", timeout=0.5, deadline=20, refresh=0.5
    )
    assert isinstance(store, Following)
    return Writing(store)


@pytest.mark.parametrize("sentinel", [False, True], ids=["cluster", "sentinel"])
def test_whatever_fails_nobody_is_told_wrong_and_no_message_is_lost(sentinel: bool) -> None:
    """Through every failover: only right answers, and every acknowledged message is still there."""
    draw = drawing(f"failover {'sentinel' if sentinel else 'cluster'}")

    async def run() -> None:
        async with filled_box(sentinel=sentinel, people=PEOPLE) as box:
            writing = await writing_of(box)
            try:
                writes = asyncio.create_task(writing.run())
                for number in range(1, ROUNDS + 1):
                    fault = draw.choice(list(Fault))
                    turn = draw.randrange(len(box.asked))
                    chosen = Box(
                        box.servers, box.stores, box.cache, box.asked[turn:] + box.asked[:turn]
                    )
                    play = await failover(chosen, fault, RATE, before=draw.uniform(0.5, 1.5))
                    drawn = timeline(play, "", fault, RATE)
                    print(
                        f"{number:>3} {fault:<5} plain after {drawn.back_after:5.2f} s, p99 under "
                        f"50 ms after {drawn.quick_after:5.2f} s, {drawn.told}, "
                        f"{len(writing.acknowledged):,} messages, {writing.away} refused"
                    )
                    assert play.wrong == []
                    assert {told.kind for told in play.told} <= {PLAIN, STALE, CANNOT_CHECK}
                writing.stopping = True
                await writes
                assert len(writing.acknowledged) > 100
                assert await writing.lost() == []
            finally:
                await writing.store.close()

    asyncio.run(run())


def test_slots_move_while_masters_fail() -> None:
    """Slots move to and fro under load, and now and then a master is killed between two moves."""
    draw = drawing("resharding")

    async def run() -> None:
        async with filled_box(sentinel=False, people=PEOPLE) as box:
            steady = box.steady(RATE)
            steady.start()
            for number in range(4 * ROUNDS):
                await asyncio.to_thread(_move_some, box, draw)
                if number % 8 == 7:
                    await _fail_one(box, draw, steady)
            await steady.until_plain(0.5, 30)
            await steady.stop()
            assert steady.wrong == []
            assert steady.kinds() <= {PLAIN, STALE, CANNOT_CHECK}

    asyncio.run(run())


def _move_some(box: Box, draw: Random) -> None:
    cluster = box.servers
    assert isinstance(cluster, ClusterBox)
    slot = draw.randrange(16_384)
    source = cluster.master_of(slot)
    target = draw.choice([server for server in cluster.masters() if server is not source])
    cluster.move_slot(slot, target, lambda: None)


async def _fail_one(box: Box, draw: Random, steady: Steady) -> None:
    cluster = box.servers
    assert isinstance(cluster, ClusterBox)
    victim = draw.choice(await asyncio.to_thread(cluster.masters))
    victim.kill()

    def another() -> bool:
        return victim not in cluster.masters()

    await asyncio.to_thread(wait_for, another, "another master")
    await asyncio.to_thread(victim.start)
    await asyncio.to_thread(wait_for, cluster.settled, "all in step")
    await steady.until_plain(0.5, 30)
