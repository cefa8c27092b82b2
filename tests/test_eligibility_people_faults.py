"""Cache and registry failing, alone and together, in any order: nothing untrue is told."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import count as count_from
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from eligibility.national_id import NationalId
from eligibility.registry import FaultKind, RegistryFault
from eligibility.verdict import Kind, Outcome, Record, Source, Status, Verdict
from persian.jalali import tehran_date
from state.errors import ReplyError, Unavailable
from state.link import Redis
from tests.loading import NOW, load_text, with_redis
from tests.people_house import (
    COVERED,
    DAY,
    FRESHNESS,
    HOUR,
    LAPSED,
    MISSING,
    NEWS,
    NOBODY,
    OLD_NEWS,
    PENDING,
    PEOPLE,
    House,
    house,
)
from tests.redis_server import FailsAt, RunningRedis


async def told(own: House, person: NationalId) -> Verdict | None:
    """What somebody is told; None where an inquiry makes CANNOT_CHECK of it."""
    try:
        return await own.ask(person)
    except (Unavailable, ReplyError):
        return None


TRUTH = {
    COVERED: {Outcome.COVERED},
    PENDING: {Outcome.PENDING_PAYMENT, Outcome.COVERED},
    LAPSED: {Outcome.NOT_COVERED, Outcome.COVERED},
    MISSING: {Outcome.NOT_FOUND, Outcome.COVERED},
    NOBODY: {Outcome.NOT_FOUND},
}
"""What may be told of each: by the export, or by what the registry has learned since."""


@pytest.mark.parametrize("person", list(TRUTH))
@pytest.mark.parametrize("faulty", [False, True])
def test_each_call_failing(server: RunningRedis, person: NationalId, faulty: bool) -> None:
    """Whichever call to Redis fails, alone or with the registry, nothing untrue is told."""

    async def run(link: Redis) -> None:
        for n in count_from(1):
            await link.send("FLUSHALL")
            await load_text(link, PEOPLE)
            failing = FailsAt(link, n)
            own = await house(link, failing)
            own.clock.passed = 3 * DAY
            own.registry.people = {PENDING: NEWS, LAPSED: NEWS, MISSING: NEWS, COVERED: OLD_NEWS}
            own.registry.fault = Unavailable("gone") if faulty else None
            verdict = await told(own, person)
            if verdict and verdict.outcome is not Outcome.CANNOT_CHECK:
                assert verdict.outcome in TRUTH[person]
                assert verdict.stale or verdict.as_of != NOW
                if person is COVERED and verdict.source is Source.CACHE:
                    assert verdict.valid_until == date(2027, 3, 20)
            await own.guard.close()
            if not failing.tripped:
                break
        assert n > 1

    with_redis(server, run)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(list(TRUTH))),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 7.0, 61.0, 1801.0, HOUR, DAY, 9 * DAY])),
        st.tuples(st.just("registry"), st.sampled_from(["well", "away", "garbled", "surprise"])),
        st.tuples(st.just("redis"), st.integers(1, 6)),
        st.tuples(st.just("learns"), st.sampled_from([PENDING, LAPSED, MISSING])),
        st.tuples(st.just("empties"), st.none()),
        st.tuples(st.just("loads"), st.none()),
    ),
    max_size=25,
)
FAULTS: dict[str, Exception | None] = {
    "well": None,
    "away": Unavailable("gone"),
    "garbled": RegistryFault(FaultKind.UNREADABLE, "no record"),
    "surprise": RuntimeError("a library's"),
}


@given(STEPS)
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_any_order(server: RunningRedis, steps: list[tuple[str, Any]]) -> None:
    """Whatever fails in whatever order, nobody is told an outcome that was never true of them."""

    async def run(link: Redis) -> None:
        failing = FailsAt(link, 0)
        own = await house(link, failing)
        truth = {
            COVERED: {Outcome.COVERED},
            PENDING: {Outcome.PENDING_PAYMENT},
            LAPSED: {Outcome.NOT_COVERED},
            MISSING: {Outcome.NOT_FOUND},
            NOBODY: {Outcome.NOT_FOUND},
        }
        base = Record(Status.ACTIVE, date(2027, 3, 20), Kind.MAIN, 12, NOW - timedelta(days=20))
        own.registry.people = {
            COVERED: base,
            PENDING: replace(base, status=Status.PENDING, valid_until=None),
            LAPSED: replace(base, valid_until=date(2026, 10, 22)),
        }
        for what, value in steps:
            now = own.clock.now()
            if what == "ask":
                verdict = await told(own, value)
                if verdict is None or verdict.outcome is Outcome.CANNOT_CHECK:
                    continue
                if verdict.outcome is Outcome.NOT_COVERED and now > NOW + timedelta(days=110):
                    continue  # the day has come
                assert verdict.outcome in truth[value]
                assert verdict.as_of is not None
                assert now - verdict.as_of <= FRESHNESS.usable_for
                if not verdict.stale:
                    assert now - verdict.as_of <= FRESHNESS.fresh_for
                assert verdict.valid_until is None or verdict.valid_until >= tehran_date(now)
            elif what == "wait":
                own.clock.passed += value
            elif what == "registry":
                own.registry.fault = FAULTS[value]
            elif what == "redis":
                failing.fail_at(value)
            elif what == "learns":
                own.registry.people[value] = replace(NEWS, updated_at=now)
                truth[value].add(Outcome.COVERED)
            elif what == "empties":
                await link.send("FLUSHALL")
            else:
                await load_text(link, PEOPLE)
        await own.guard.close()

    with_redis(server, run)
