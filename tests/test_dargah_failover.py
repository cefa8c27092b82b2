"""
The people's servers fail under 2,000 lookups a second: what callers are told meanwhile.

Real redis-servers, killed and frozen. Times are printed and never asserted; the long form, with
every kind of fault again and again, is in tests/test_chaos_failover.py (`make chaos`).
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dargah.bench_failover import timeline
from dargah.failover_run import Box, Fault, Run, clock, failover, filled_box
from dargah.redis_box import ClusterBox
from dargah.steady import CANNOT_CHECK, PLAIN, STALE, Steady
from state.errors import Unavailable
from state.store import at, replica

RATE = 2000.0
PEOPLE = 3000


def with_box(
    test: Callable[[Box], Awaitable[None]], *, sentinel: bool, replica_answers: bool = True
) -> None:
    """Run a test over servers with people in them."""

    async def run() -> None:
        async with filled_box(
            sentinel=sentinel, people=PEOPLE, replica_answers=replica_answers
        ) as box:
            await test(box)

    asyncio.run(run())


def holds(run: Run, fault: Fault, allowed: set[str]) -> None:
    """No wrong answer; while the master is away only what is allowed; plain again in the end."""
    drawn = timeline(run, "", fault, RATE)
    print(f"{fault}: plain again after {drawn.back_after:g} s, p99 under 50 ms after", end=" ")
    print(f"{drawn.quick_after:g} s; told {drawn.told}")
    assert run.wrong == []
    kinds = {told.kind for told in run.told}
    assert kinds <= {PLAIN, *allowed}
    assert STALE in kinds or STALE not in allowed
    struck = run.events[0][0]
    back = next(at for at, what in run.events if what == "all answers plain")
    assert {told.kind for told in run.told if told.at < struck - 0.3} == {PLAIN}
    assert {told.kind for told in run.told if told.at > back} == {PLAIN}


def test_a_cluster_loses_a_master_and_nobody_is_told_wrong() -> None:
    """A master killed, then one that hangs and comes back: replicas answer, with their date."""

    async def test(box: Box) -> None:
        for fault in Fault:
            run = await failover(box, fault, RATE, before=0.6)
            # A replica that is made a master may be without a link for a moment.
            holds(run, fault, {STALE, CANNOT_CHECK})

    with_box(test, sentinel=False)


def test_with_sentinels_the_same() -> None:
    """A master killed, then the next one hangs: the line follows whom the Sentinels choose."""

    async def test(box: Box) -> None:
        run = await failover(box, Fault.HANG, RATE, before=0.6, rejoin=False)
        holds(run, Fault.HANG, {STALE, CANNOT_CHECK})

    with_box(test, sentinel=True)


def test_without_replicas_people_are_told_that_it_cannot_be_checked() -> None:
    """Where replicas may not answer, who is on the lost server is not told anything else."""

    async def test(box: Box) -> None:
        run = await failover(box, Fault.KILL, RATE, before=0.6)
        holds(run, Fault.KILL, {CANNOT_CHECK})
        assert CANNOT_CHECK in {told.kind for told in run.told}

    with_box(test, sentinel=False, replica_answers=False)


def test_a_slot_moves_under_load_and_no_answer_shows_it() -> None:
    """An operator reshards while people ask: every answer stays plain, right and prompt."""

    async def test(box: Box) -> None:
        loop = asyncio.get_running_loop()
        cluster = box.servers
        assert isinstance(cluster, ClusterBox)
        steady = Steady(box.cache, box.asked, RATE, clock)
        steady.start()
        asked = box.asked[0]

        async def the_same() -> None:
            for _ in range(20):
                verdict = await box.cache.verdict(asked.person, clock())
                assert (verdict.outcome, verdict.stale) == (asked.right.outcome, False)

        def moving() -> None:
            asyncio.run_coroutine_threadsafe(the_same(), loop).result(20)

        try:
            for target in await asyncio.to_thread(cluster.masters):
                if target is not await asyncio.to_thread(box.victim):
                    await asyncio.to_thread(cluster.move_slot, box.slot, target, moving)
            await the_same()
        finally:
            await steady.stop()
        assert steady.wrong == []
        assert steady.kinds() == {PLAIN}

    with_box(test, sentinel=False)


def test_a_replica_that_has_nothing_is_not_believed() -> None:
    """A copy that was emptied knows nobody: that is never told as "not found"."""

    async def test(box: Box) -> None:
        assert box.cache.current is not None
        key, _ = box.cache.current.layout.address(box.asked[0].person)
        victim = await asyncio.to_thread(box.victim)
        copy = replica(box.stores.cache, key)
        assert copy is not None
        assert await copy.send("EXISTS", key) == 1
        # The master loses the bucket, and its replica after it.
        await box.stores.cache.send("DEL", key)
        await at(box.stores.cache, key).send("WAIT", 1, 2000)
        assert await copy.send("EXISTS", key) == 0
        with pytest.raises(Unavailable):
            await box.cache.verdict(box.asked[0].person, clock())
        victim.stop_answering()
        with pytest.raises(Unavailable):
            await box.cache.verdict(box.asked[0].person, clock())
        victim.answer_again()

    with_box(test, sentinel=False)
