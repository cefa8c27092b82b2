"""
Every way to ask, played from outside: through the gateway's real ports, as a person would.

Each route prints what is seen or heard, and reads it back. None knows the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date

from carrier.caller import Script, Telephone
from carrier.carrier import Carrier
from carrier.channel import Event, Heard
from carrier.pbx import Pbx
from dargah.call_reader import hear_back
from dargah.commands.dial import Shown, frame, show
from dargah.handset import Handset
from dargah.provider import Provider
from dargah.screen_reader import Seen, read_back
from dargah.serving import Serving
from eligibility.verdict import Outcome
from ivr.voices import Voices
from persian.jalali import jalali_date


def phone_of(route: int, case: int) -> str:
    """A phone of its own for each case and route: nobody repeats what was asked before."""
    return f"+98912111{case:02}{route:02}"


FASTER = 50.0
"""How fast the simulated call's clock runs: prompts are named, not listened to."""


@dataclass(frozen=True, slots=True)
class Case:
    """What to type, and what must come of it. `person` is how the transcript shows the ID."""

    number: int
    typed: str = field(repr=False)
    person: str
    outcome: Outcome
    day: date | None


@dataclass(frozen=True, slots=True)
class Line:
    """The gateway's ports, and who is at the other end of them."""

    served: Serving
    carrier: Carrier
    provider: Provider
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A way to ask: gives what was seen, having printed what was shown."""

    name: str
    play: Callable[[Case], Awaitable[Seen | None]]


def routes(line: Line, voices: Voices) -> list[Route]:
    """All of them."""
    tree, phrases = line.served.gateway.tree, line.served.gateway.phrases

    def read(screen: Shown) -> Seen | None:
        show(screen)
        return read_back(tree, phrases, screen.text)

    async def http_menu(case: Case) -> Seen | None:
        phone = Handset(line.served.http, phone_of(1, case.number), line.secret)
        _print("dials *4*1420#")
        screen = await asyncio.to_thread(phone.dial, "*4*1420#")
        show(screen)
        _print("types 1")
        screen = await asyncio.to_thread(phone.reply, "1")
        show(screen)
        _print(f"types {case.person}")
        screen = await asyncio.to_thread(phone.reply, case.typed)
        return read(screen)

    async def http_english(case: Case) -> Seen | None:
        phone = Handset(line.served.http, phone_of(2, case.number), line.secret)
        _print(f"dials *1666*9*1*1*{case.person}#: English, 1, the ID, in one string")
        screen = await asyncio.to_thread(phone.dial, f"*1666*9*1*1*{case.typed}#")
        return read(screen)

    async def http_latin(case: Case) -> Seen | None:
        phone = Handset(line.served.http, phone_of(6, case.number), line.secret)
        _print(f"dials *4*1420*9*2*1*{case.person}#: Persian in Latin letters, 1, the ID")
        screen = await asyncio.to_thread(phone.dial, f"*4*1420*9*2*1*{case.typed}#")
        return read(screen)

    async def smpp(case: Case) -> Seen | None:
        phone = line.carrier.handset(phone_of(3, case.number))
        _print("dials *4*1420*1#")
        screen = await phone.dial("*4*1420*1#")
        show(screen)
        _print(f"types {case.person}")
        screen = await phone.reply(case.typed)
        return read(screen)

    async def sms(case: Case) -> Seen | None:
        _print(f"texts {case.person} to 10001420")
        reply = await line.carrier.handset(phone_of(4, case.number)).text(case.typed)
        frame(reply)
        return read_back(tree, phrases, reply)

    async def call(case: Case) -> Seen | None:
        _print(f"calls 1420, types 1, then {case.person}#")
        host, _, port = line.served.fastagi.rpartition(":")
        heard = _Ears(Script(["1", f"{case.typed}#"]))
        pbx = Pbx(host, int(port), speed=FASTER)
        await pbx.call(heard, msisdn=phone_of(5, case.number)[1:])
        for name in heard.names:
            print(f"│ ♪ {name}")
        return hear_back(tree, voices, heard.names)

    async def api(case: Case) -> Seen | None:
        _print(f'posts {{"national_id": "{case.person}"}} to /v1/eligibility')
        answer = await asyncio.to_thread(line.provider.ask, case.typed)
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
        Route("USSD over HTTP, by menu", http_menu),
        Route("USSD over HTTP, in English", http_english),
        Route("USSD over HTTP, in Latin letters", http_latin),
        Route("USSD over SMPP", smpp),
        Route("SMS", sms),
        Route("telephone", call),
        Route("provider API", api),
    ]


class _Ears:
    """Notes the prompts that are heard, and lets the caller react."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.names: list[str] = []

    def noticed(self, event: Event, telephone: Telephone) -> None:
        if isinstance(event, Heard):
            self.names.append(event.name)
        self._script.noticed(event, telephone)


def _print(what: str) -> None:
    print(f"   {what}")
