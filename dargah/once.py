"""
One inquiry through every route, for every outcome, compared.

    for each outcome:   USSD over HTTP ─┐
                        USSD over SMPP  │
                        SMS             ├─▶ the same outcome, the same day, valid codes
                        telephone       │
                        provider API   ─┘

Each route is played from outside, through the gateway's real ports, and what it shows is read
back as a person would read it. CANNOT_CHECK is played by freezing the real cache for a moment.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from carrier.errors import CarrierError
from dargah.failures import Failure
from dargah.routes import Case, Route
from dargah.screen_reader import Seen
from eligibility.population import Example
from eligibility.tracking_code import is_code
from eligibility.verdict import Outcome
from persian.jalali import jalali_date
from state.store import Store

PATIENCE = 30.0
"""Seconds for one route: longer than any network waits."""


def cases(people: list[Example]) -> list[Case]:
    """One for each kind of answer; an ID with a wrong check digit; and a frozen cache."""
    first = people[0].national_id
    wrong = first.digits[:-1] + str((int(first.digits[-1]) + 1) % 10)
    known = [
        (each.national_id.digits, str(each.national_id), each.outcome, each.day) for each in people
    ]
    return [
        Case(number, *case)
        for number, case in enumerate(
            (
                *known,
                (wrong, f"…{wrong[-3:]}", Outcome.INVALID_ID, None),
                (first.digits, str(first), Outcome.CANNOT_CHECK, None),
            )
        )
    ]


async def play_all(people: list[Example], ways: list[Route], cache: Store) -> list[str]:
    """Play every case on every route; what was wrong, one sentence each."""
    wrong = []
    for case in cases(people):
        day = f", {jalali_date(case.day)}" if case.day else ""
        print(f"\n══ {case.outcome}{day} ══")
        for route in ways:
            print(f"\n── {route.name}")
            seen = None
            try:
                async with asyncio.timeout(PATIENCE):
                    if case.outcome is Outcome.CANNOT_CHECK:
                        print("   (the cache is frozen for this one)")
                        async with _frozen(cache):
                            seen = await route.play(case)
                    else:
                        seen = await route.play(case)
            except (TimeoutError, Failure, CarrierError) as error:
                print(f"   {str(error) or 'no answer'}")
            if fault := _fault(case, seen):
                wrong.append(f"{case.outcome}, {route.name}: {fault}")
                print(f"   WRONG: {fault}")
    return wrong


def _fault(case: Case, seen: Seen | None) -> str | None:
    """What is wrong with what was seen, or None."""
    if seen is None:
        return "no outcome can be read from it."
    if seen.outcome is not case.outcome:
        return f"it tells {seen.outcome}."
    day = jalali_date(case.day) if case.day else None
    if seen.day != day:
        return f"it tells the day {seen.day}, not {day}."
    if case.outcome is Outcome.INVALID_ID:
        return None if seen.code is None else "it has a tracking code, and must not."
    if seen.code is None or not is_code(seen.code):
        return "it has no valid tracking code."
    return None


@asynccontextmanager
async def _frozen(cache: Store) -> AsyncIterator[None]:
    """The cache's server process stands still inside the block: a real fault, soon over."""
    info = (await cache.send("INFO", "server")).decode()
    pid = int(info.split("process_id:")[1].split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        # The link reconnects by itself; the next case must not meet it on the way.
        async with asyncio.timeout(10):
            await cache.wait_connected()
