"""`dargah demo --once` fails when a route is wrong: each way of being wrong, by its name."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from carrier.errors import NoReply
from config.settings import read_settings
from dargah import once
from dargah.commands import demo
from dargah.failures import Failure
from dargah.once import play_all
from dargah.routes import Case, Route
from dargah.screen_reader import Seen
from eligibility.national_id import NationalId
from eligibility.population import Example
from eligibility.verdict import Outcome
from persian.jalali import jalali_date
from state.errors import Unavailable
from state.link import Redis, open_redis
from tests.redis_server import RunningRedis

CODE = "48305172606"
BAD_CODE = "48305172607"
DAY = date(2027, 3, 20)
PEOPLE = [
    Example(NationalId.parse("0012345679"), Outcome.COVERED, DAY),
    Example(NationalId.parse("1234567891"), Outcome.NOT_COVERED, None),
    Example(NationalId.parse("0076229645"), Outcome.PENDING_PAYMENT, None),
    Example(NationalId.parse("1583250689"), Outcome.NOT_FOUND, None),
]

Play = Callable[[Case], Awaitable[Seen | None]]


def right(case: Case) -> Seen:
    """What a route that works shows."""
    code = None if case.outcome is Outcome.INVALID_ID else CODE
    return Seen(case.outcome, jalali_date(case.day) if case.day else None, code, stale=False)


def wrong_for(outcome: Outcome, change: Callable[[Seen], Seen | None]) -> Play:
    """A route that is wrong for one outcome alone."""

    async def play(case: Case) -> Seen | None:
        seen = right(case)
        return change(seen) if case.outcome is outcome else seen

    return play


def failing_with(error: Exception) -> Play:
    """A route that breaks for the covered."""

    async def play(case: Case) -> Seen | None:
        if case.outcome is Outcome.COVERED:
            raise error
        return right(case)

    return play


def played(server: RunningRedis, *plays: Play) -> list[str]:
    """What `play_all` finds wrong with routes named by numbers."""

    async def run() -> list[str]:
        cache = await open_redis(server.address, name="cache", timeout=5)
        try:
            ways = [Route(f"route {number}", play) for number, play in enumerate(plays)]
            return await play_all(PEOPLE, ways, cache)
        finally:
            await cache.close()

    return asyncio.run(run())


async def well(case: Case) -> Seen | None:
    """A route that works."""
    return right(case)


def other(outcome: Outcome) -> Outcome:
    """Any but this."""
    return next(each for each in Outcome if each is not outcome)


WRONG: dict[str, tuple[Play, str]] = {
    **{
        f"another outcome than {outcome}": (
            wrong_for(outcome, lambda seen: replace(seen, outcome=other(seen.outcome))),
            f"{outcome}, route 1: it tells {other(outcome)}.",
        )
        for outcome in Outcome
    },
    "a wrong day": (
        wrong_for(
            Outcome.COVERED, lambda seen: replace(seen, day=jalali_date(DAY + timedelta(days=1)))
        ),
        "COVERED, route 1: it tells the day 1406/01/01, not 1405/12/29.",
    ),
    "no day": (
        wrong_for(Outcome.COVERED, lambda seen: replace(seen, day=None)),
        "COVERED, route 1: it tells the day None, not 1405/12/29.",
    ),
    "a day where there is none": (
        wrong_for(Outcome.NOT_COVERED, lambda seen: replace(seen, day="1405/12/29")),
        "NOT_COVERED, route 1: it tells the day 1405/12/29, not None.",
    ),
    "no code": (
        wrong_for(Outcome.PENDING_PAYMENT, lambda seen: replace(seen, code=None)),
        "PENDING_PAYMENT, route 1: it has no valid tracking code.",
    ),
    "no code where nothing can be checked": (
        wrong_for(Outcome.CANNOT_CHECK, lambda seen: replace(seen, code=None)),
        "CANNOT_CHECK, route 1: it has no valid tracking code.",
    ),
    "a code with a bad check digit": (
        wrong_for(Outcome.NOT_FOUND, lambda seen: replace(seen, code=BAD_CODE)),
        "NOT_FOUND, route 1: it has no valid tracking code.",
    ),
    "a code for what is no ID": (
        wrong_for(Outcome.INVALID_ID, lambda seen: replace(seen, code=CODE)),
        "INVALID_ID, route 1: it has a tracking code, and must not.",
    ),
    "nothing that can be read": (
        wrong_for(Outcome.COVERED, lambda _: None),
        "COVERED, route 1: no outcome can be read from it.",
    ),
    "a gateway that fails": (
        failing_with(Failure("it is away.")),
        "COVERED, route 1: no outcome can be read from it.",
    ),
    "a carrier that fails": (
        failing_with(NoReply("nothing came")),
        "COVERED, route 1: no outcome can be read from it.",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_route_is_named(server: RunningRedis, what: str) -> None:
    """A route that tells something else is named with its case; those that are right are not."""
    play, sentence = WRONG[what]
    assert played(server, well, play, well) == [sentence]


def test_right_routes_are_not_complained_of(server: RunningRedis) -> None:
    """Where every route is right there is nothing to name."""
    assert played(server, well, well) == []


def test_a_route_that_never_answers_is_named(
    server: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is no answer: the route is named for every case, and the rest is played."""
    monkeypatch.setattr(once, "PATIENCE", 0.05)

    async def silent(_: Case) -> Seen | None:
        await asyncio.Event().wait()
        return None

    wrong = played(server, silent)
    expected = [*(each.outcome for each in PEOPLE), Outcome.INVALID_ID, Outcome.CANNOT_CHECK]
    assert wrong == [f"{each}, route 0: no outcome can be read from it." for each in expected]


def test_the_cache_is_really_frozen(server: RunningRedis) -> None:
    """CANNOT_CHECK is played while the cache stands still, and it runs again afterwards."""

    async def run() -> list[str]:
        cache = await open_redis(server.address, name="cache", timeout=5)
        reader = await open_redis(server.address, name="reader", timeout=0.2)

        async def asks(case: Case) -> Seen | None:
            if case.outcome is not Outcome.CANNOT_CHECK:
                return right(case)
            try:
                await reader.send("PING")
            except Unavailable:
                return right(case)
            return None

        try:
            found = await play_all(PEOPLE, [Route("asks", asks)], cache)
            assert await cache.send("PING") is not None
        finally:
            await reader.close()
            await cache.close()
        return found

    assert asyncio.run(run()) == []


@pytest.mark.parametrize(("play", "code"), [(well, 0), (WRONG["a wrong day"][0], 1)])
def test_the_demo_s_exit_code(
    server: RunningRedis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    play: Play,
    code: int,
) -> None:
    """`demo --once` ends with 1 where a route is wrong, and says which."""
    monkeypatch.setattr(demo, "routes", lambda *_: [Route("route 1", play)])

    async def run() -> int:
        cache: Redis = await open_redis(server.address, name="cache", timeout=5)
        served = SimpleNamespace(http="http://127.0.0.1:1", stores=SimpleNamespace(cache=cache))
        try:
            settings = replace(read_settings(None, {}), data_folder=tmp_path)
            return await demo._once(
                settings, cast("Any", served), cast("Any", Namespace()), "key", PEOPLE
            )
        finally:
            await cache.close()

    assert asyncio.run(run()) == code
    said = capsys.readouterr().out
    assert ("Not all routes agree" in said) == bool(code)
    assert ("  COVERED, route 1: it tells the day 1406/01/01" in said) == bool(code)
