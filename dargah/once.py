"""
One inquiry through every route, for every outcome, compared.

    for each outcome:   USSD by menu ─┐
                        USSD dialled  ├─▶ the same outcome, the same day, valid codes
                        provider API ─┘

Each route is played from outside, through the gateway's real ports, and what it shows is read
back as a person would read it. CANNOT_CHECK is played by freezing the real cache for a moment.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from dargah.commands.dial import show
from dargah.handset import Handset, Screen
from dargah.provider import Provider
from dargah.screen_reader import Seen, read_back
from dialogue.phrases import Phrases
from dialogue.tree import Tree
from eligibility.population import Example
from eligibility.tracking_code import is_code
from eligibility.verdict import Outcome
from persian.jalali import jalali_date
from state.link import Redis


@dataclass(frozen=True, slots=True)
class Case:
    """What to type, and what must come of it. `person` is how the transcript shows the ID."""

    typed: str
    person: str
    outcome: Outcome
    day: date | None


@dataclass(frozen=True, slots=True)
class Route:
    """A way to ask: gives what was seen, having printed what was shown."""

    name: str
    play: Callable[[Case], Seen | None]


def cases(people: list[Example]) -> list[Case]:
    """One for each kind of answer; an ID with a wrong check digit; and a frozen cache."""
    known = [
        Case(example.national_id.digits, str(example.national_id), example.outcome, example.day)
        for example in people
    ]
    first = people[0].national_id
    wrong = first.digits[:-1] + str((int(first.digits[-1]) + 1) % 10)
    return [
        *known,
        Case(wrong, f"…{wrong[-3:]}", Outcome.INVALID_ID, None),
        Case(first.digits, str(first), Outcome.CANNOT_CHECK, None),
    ]


def routes(gateway: str, key: str, tree: Tree, phrases: Phrases, secret: str = "") -> list[Route]:
    """Every route that there is."""

    def by_menu(case: Case) -> Seen | None:
        handset = Handset(gateway, "+989121110001", secret)
        _print("dials *4*1420#")
        show(handset.dial("*4*1420#"))
        _print("types 1")
        show(handset.reply("1"))
        _print(f"types {case.person}")
        return read(handset.reply(case.typed))

    def dialled(case: Case) -> Seen | None:
        _print(f"dials *4*1420*1*{case.person}#")
        return read(Handset(gateway, "+989121110002", secret).dial(f"*4*1420*1*{case.typed}#"))

    def english(case: Case) -> Seen | None:
        handset = Handset(gateway, "+989121110003", secret)
        _print("dials *1666#, types 9 for English, 1")
        handset.dial("*1666#")
        handset.reply("9")
        show(handset.reply("1"))
        _print(f"types {case.person}")
        return read(handset.reply(case.typed))

    def read(screen: Screen) -> Seen | None:
        show(screen)
        return read_back(tree, phrases, screen.text)

    def api(case: Case) -> Seen | None:
        _print(f'posts {{"national_id": "{case.person}"}} to /v1/eligibility')
        answer = Provider(gateway, key).ask(case.typed)
        for name, value in answer.items():
            print(f"│ {name}: {'-' if value is None else value}")
        day = answer["valid_until"] or answer["not_covered_since"]
        return Seen(
            outcome=Outcome(answer["outcome"]),
            day=jalali_date(date.fromisoformat(day)) if day else None,
            code=answer["tracking_code"],
            stale=answer["stale"],
        )

    return [
        Route("HTTP USSD, by menu", by_menu),
        Route("HTTP USSD, dialled whole", dialled),
        Route("HTTP USSD, *1666# in English", english),
        Route("provider API", api),
    ]


async def play_all(people: list[Example], ways: list[Route], cache: Redis) -> list[str]:
    """Play every case on every route; what was wrong, one sentence each."""
    wrong = []
    for case in cases(people):
        day = f", {jalali_date(case.day)}" if case.day else ""
        print(f"\n══ {case.outcome}{day} ══")
        for route in ways:
            print(f"\n── {route.name}")
            if case.outcome is Outcome.CANNOT_CHECK:
                print("   (the cache is frozen for this one)")
                async with _frozen(cache):
                    seen = await asyncio.to_thread(route.play, case)
            else:
                seen = await asyncio.to_thread(route.play, case)
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
async def _frozen(cache: Redis) -> AsyncIterator[None]:
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


def _print(what: str) -> None:
    print(f"   {what}")
