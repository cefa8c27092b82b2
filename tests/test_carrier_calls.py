"""The Asterisk stand-in on real connections, against our own FastAGI server."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from carrier.caller import HANG_UP, Script
from carrier.pbx import CallRecord, Pbx
from ivr.fastagi import Environment
from ivr.line import Line
from ivr.server import CallLimits, FastAgiServer
from ivr.server import Script as AgiScript
from tests.smpp_service import PATIENCE, loop_reactor

NUMBER = "09121234567"
FAST = 1000.0


@asynccontextmanager
async def fastagi(
    script: AgiScript, limits: CallLimits | None = None
) -> AsyncIterator[tuple[FastAgiServer, int]]:
    """Our server with a script, on a free port."""
    async with loop_reactor() as reactor:
        server = FastAgiServer(script, peers=[ip_network("127.0.0.0/8")], limits=limits)
        listening = reactor.listenTCP(0, server, backlog=1024, interface="127.0.0.1")  # type: ignore[no-untyped-call]
        try:
            yield server, listening.getHost().port
        finally:
            await listening.stopListening().asFuture(asyncio.get_running_loop())
            await server.drain(PATIENCE)


async def inquiry(line: Line, environment: Environment) -> None:
    """A menu, an ID of ten or twelve digits, the answer, and once more on 1."""
    await line.answer()
    menu = await line.ask(["dargah/fa/menu"], max_digits=1, seconds=8)
    await line.set_variable("MENU", menu.text)
    digits = await line.ask(["dargah/fa/ask", "dargah/fa/id"], max_digits=10, seconds=8)
    more = await line.ask((), max_digits=2, seconds=2)
    await line.set_variable("ID", digits.text + more.text)
    await line.set_variable("CALLER", environment["callerid"])
    answer = ["dargah/fa/covered", *(f"dargah/fa/digits/{n}" for n in "483")]
    await line.play(answer)
    if (await line.ask(["dargah/fa/repeat"], max_digits=1, seconds=4)).text == "1":
        await line.play(answer)
    await line.play(["dargah/fa/goodbye"])


ONCE = ["dargah/fa/covered", *(f"dargah/fa/digits/{n}" for n in "483"), "dargah/fa/repeat"]
BEFORE = ["dargah/fa/menu", "dargah/fa/ask", "dargah/fa/id"]


def called(*entries: str, barge_in: bool = True) -> CallRecord:
    """One whole call."""

    async def scenario() -> CallRecord:
        async with fastagi(inquiry) as (_, port), asyncio.timeout(PATIENCE):
            pbx = Pbx("127.0.0.1", port, speed=FAST)
            return await pbx.call(Script(entries, barge_in=barge_in), msisdn=NUMBER)

    return asyncio.run(scenario())


@pytest.mark.parametrize("barge_in", [True, False])
@pytest.mark.parametrize("typed", ["0012345679", "0012345679#", "123456789012"])
def test_a_whole_call(typed: str, barge_in: bool) -> None:
    """A caller types a choice and an ID of either length, and hears all prompts in order."""
    record = called("1", typed, barge_in=barge_in)
    assert record.status == "SUCCESS"
    assert list(record.heard) == [*BEFORE, *ONCE, "dargah/fa/goodbye"]
    assert record.variables["MENU"] == "1"
    assert record.variables["ID"] == typed.rstrip("#")
    assert record.variables["CALLER"] == NUMBER


def test_heard_again() -> None:
    """Who presses 1 at the end hears the answer twice."""
    record = called("1", "0012345679#", "1")
    assert list(record.heard) == [*BEFORE, *ONCE, *ONCE[:-1], "dargah/fa/goodbye"]


def test_a_silent_caller() -> None:
    """Who types nothing is waited for as long as was said, in the caller's time."""
    record = called()
    assert record.variables["ID"] == ""
    assert record.seconds >= 8 + 8 + 2 + 4


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_hang_up_at_each_question(at: int) -> None:
    """Wherever a caller hangs up, the call ends on both sides."""

    async def scenario() -> None:
        async with fastagi(inquiry) as (server, port), asyncio.timeout(PATIENCE):
            entries = [*["1", "0012345679#"][:at], HANG_UP]
            record = await Pbx("127.0.0.1", port, speed=FAST).call(Script(entries))
            assert record.status == "HANGUP"
            await server.drain(PATIENCE)
            assert server.ended["hangup"] == 1

    asyncio.run(scenario())


def test_nobody_listens() -> None:
    """Where no server answers, the call fails as AGISTATUS says it."""

    async def scenario() -> CallRecord:
        async with fastagi(inquiry) as (_, port):
            pass
        return await Pbx("127.0.0.1", port).call(Script())

    assert asyncio.run(scenario()).status == "FAILURE"


def test_prompts_take_their_time() -> None:
    """With real lengths a patient caller hears every prompt out, and a hasty one does not."""

    async def scenario() -> tuple[CallRecord, CallRecord]:
        async with fastagi(inquiry) as (_, port), asyncio.timeout(PATIENCE):
            pbx = Pbx("127.0.0.1", port, speed=FAST, sounds=lambda _: 30.0)
            slow, quick = await asyncio.gather(
                *(pbx.call(Script(["1", "0012345679#"], barge_in=hasty)) for hasty in (False, True))
            )
            return slow, quick

    slow, quick = asyncio.run(scenario())
    assert len(slow.heard) == len(quick.heard) + 1  # the ID's second prompt
    # The line's own time: never shorter than what was heard, however busy the machine is.
    assert slow.seconds >= 30.0 * len(slow.heard)


def test_a_withheld_number() -> None:
    """The gateway is told when a caller withholds the number."""
    told: list[str] = []

    async def script(line: Line, environment: Environment) -> None:
        told.append(environment["callingpres"])
        told.append(environment["callerid"])
        await line.answer()

    async def scenario() -> None:
        async with fastagi(script) as (_, port):
            await Pbx("127.0.0.1", port).call(Script(), callingpres=0x43)

    asyncio.run(scenario())
    assert told == ["67", "unknown"]


def test_a_keypad_has_twelve_keys() -> None:
    """A script with anything else is refused before the call."""
    with pytest.raises(ValueError, match="keypad"):
        Script(["1", "one"])


def test_five_hundred_calls_at_once() -> None:
    """All are heard out side by side, and no descriptor stays open."""

    async def scenario() -> None:
        async with fastagi(inquiry) as (server, port), asyncio.timeout(60):
            before = len(os.listdir("/proc/self/fd"))
            pbx = Pbx("127.0.0.1", port, speed=FAST)
            calls = [pbx.call(Script(["1", f"{n:010}"])) for n in range(500)]
            records = await asyncio.gather(*calls)
            assert {record.status for record in records} == {"SUCCESS"}
            assert [record.variables["ID"] for record in records] == [
                f"{n:010}" for n in range(500)
            ]
            assert server.ended["done"] == 500
            assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(scenario())
