"""A real call: SIP, RTP, RFC 4733 and FastAGI, none of it ours but the last."""

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path

import pytest
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from dialogue.check import load_dialogue
from dialogue.conversation import Conversation
from dialogue.version import OneVersion
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.verdict import INVALID_ID, Outcome, Source, Verdict
from ivr.build_prompts import build
from ivr.call import Calls, CallTimes
from ivr.errors import MissingPrompt
from ivr.fastagi import Environment
from ivr.line import Line
from ivr.pcm import from_wav
from ivr.prompts import Prompts
from ivr.server import CallLimits, FastAgiServer
from ivr.synthesiser import NoSynthesiser, find_synthesiser
from ivr.version import SpokenVersion
from ivr.voices import load_voices
from state.keyed_hash import KeyedHash
from telecom.channel import Channel
from tests import aloud
from tests.asterisk_run import Asterisk, start
from tests.asterisk_tree import NoAsterisk, asterisk_tree
from tests.telephone import Telephone

ID = "0012345679"
COVERED = Verdict(
    Outcome.COVERED,
    as_of=datetime(2026, 11, 21, tzinfo=UTC),
    source=Source.CACHE,
    valid_until=date(2027, 3, 20),
)
CODE = "48305172606"
TIMES = CallTimes(more_digits=1.0, repeat=1.0)
ENTRY = "*4*1420"
LOOPBACK = [ip_network("127.0.0.0/8")]


@dataclass
class Registry:
    """Answers COVERED for one ID and calls every other one invalid; remembers what was asked."""

    asked: list[tuple[str, bool, Channel]] = field(default_factory=list)

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """As eligibility/inquiry.py, from two facts."""
        self.asked.append((national_id, asker.known, channel))
        if national_id == ID:
            return Answer(COVERED, CODE)
        return Answer(INVALID_ID, None, wrong="check_digit")

    async def follow_up(self, code: str) -> Kept | None:
        """Nothing is known of any code."""
        return None


class Log:
    """What happened in a call, with times, for whoever reads the test's output."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.lines: list[str] = []

    def __call__(self, what: str) -> None:
        self.lines.append(f"{time.monotonic() - self._began:7.3f} s  {what}")


@pytest.fixture(scope="module")
def tree(pytestconfig: pytest.Config) -> Path:
    """The unpacked Asterisk; without one the test is skipped, and says so."""
    try:
        return asterisk_tree()
    except NoAsterisk as reason:
        aloud.skip(pytestconfig, f"no call through a real Asterisk: {reason}.")


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The prompts as they are built for anybody."""
    folder = tmp_path_factory.mktemp("prompts")
    try:
        build(load_voices(), folder, find_synthesiser())
    except NoSynthesiser as reason:
        aloud.skip(pytestconfig, f"no prompts for a real call: {reason}")
    return folder


@asynccontextmanager
async def exchange(
    tree: Path, folder: Path, server: FastAgiServer, prompts: Path | None, *, up: bool = True
) -> AsyncIterator[tuple[Asterisk, Telephone]]:
    """A PBX with our dialplan and our FastAGI server behind it, if that is up; a telephone."""
    reactor = AsyncioSelectorReactor(asyncio.get_running_loop())
    port = reactor.listenTCP(0, server, interface="127.0.0.1")  # type: ignore[no-untyped-call]
    dialplan = (files("config") / "asterisk" / "extensions.conf").read_text("utf-8")
    dialplan = dialplan.replace("127.0.0.1:4573", f"127.0.0.1:{port.getHost().port}")
    if not up:
        port.stopListening()
    pbx = await start(tree, folder / "pbx", extensions=dialplan, prompts=prompts)
    try:
        telephone = await Telephone.plugged_in(tree, folder / "phone", sip_port=pbx.sip_port)
        try:
            yield pbx, telephone
        finally:
            await telephone.unplug()
    finally:
        pbx.stop()
        port.stopListening()
        await server.drain(0)


def speech(samples: "array[int]") -> float:
    """Seconds of a recording that are not silence, counted in tenths."""
    tenths = [samples[at : at + 800] for at in range(0, len(samples), 800)]
    return sum(0.1 for tenth in tenths if max(map(abs, tenth)) > 1000)


def calls_for(registry: Registry) -> Calls:
    """The call as the gateway has it, on a registry."""
    tree, phrases = load_dialogue()
    return Calls(
        OneVersion(SpokenVersion(tree, phrases, load_voices())),
        registry,
        KeyedHash(b"k" * 32),
        entry="*4*1420",
        times=TIMES,
    )


async def expected(prompts: Path) -> float:
    """Seconds of speech in the question, the verdict, the offer to repeat it and the goodbye."""
    tree, phrases = load_dialogue()
    talk = Conversation(tree, Registry(), Asker("x"), Channel.VOICE, turn_seconds=5)
    said = Prompts(load_voices(), phrases)
    await talk.start(ENTRY)
    names = [*said.screen(await talk.reply("1")), *said.screen(await talk.reply(ID))]
    names += [said.own("fa", "repeat"), said.own("fa", "goodbye")]
    files = [prompts / f"{name.removeprefix('dargah/')}.wav" for name in names]
    return speech(sum((from_wav(file.read_bytes())[0] for file in files), array("h")))


def test_a_real_call(
    tree: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A caller with an ordinary telephone chooses before the menu has ended, types an ID, and
    hears all of the verdict, its code and a goodbye."""
    registry, log = Registry(), Log()
    calls = calls_for(registry)

    async def script(line: Line, environment: Environment) -> None:
        log(f"call taken, Asterisk {environment['version']}")
        await calls.take(line, environment)
        log("call served")

    async def main() -> None:
        server = FastAgiServer(script, peers=LOOPBACK)
        async with exchange(tree, tmp_path, server, prompts) as (_, telephone):
            log("Asterisk and telephone are up")
            await telephone.dial("1420")
            over = telephone.hung_up()
            await telephone.hearing()
            log("answered, the menu is heard; typing 1 into it")
            await telephone.type("1")
            await telephone.quiet()
            before = speech(telephone.sound())
            log("question heard to its end; typing the ID")
            await telephone.type(ID + "#")
            log("ID typed")
            await asyncio.wait_for(over, 60)
            total = speech(telephone.sound())
            log(f"call over; {total:.1f} s of speech heard")
            assert server.ended == {"done": 1}
            assert registry.asked == [(ID, True, Channel.VOICE)]
            whole = await expected(prompts)
            assert whole - 1.5 < total < whole + 3.0
            assert total > before + 8

    asyncio.run(main())
    with capsys.disabled():
        print("\n" + "\n".join(log.lines))


def test_a_real_hangup(tree: Path, prompts: Path, tmp_path: Path) -> None:
    """A caller who hangs up in the middle of a prompt leaves nothing behind."""

    async def main() -> None:
        server = FastAgiServer(calls_for(Registry()).take, peers=LOOPBACK)
        async with exchange(tree, tmp_path, server, prompts) as (pbx, telephone):
            await telephone.dial("1420")
            await telephone.hearing()
            assert server.calls == 1
            ami = await pbx.ami()
            gone = ami.expect(lambda event: event.get("Event") == "Hangup")
            await telephone.hang_up()
            # The PBX lets go of its channel only when we have closed the connection.
            await asyncio.wait_for(gone, 10)
            await ami.close()
            await server.drain(5)
            assert server.ended == {"hangup": 1}
            assert server.calls == 0

    asyncio.run(main())


def test_real_missing_prompts(tree: Path, tmp_path: Path) -> None:
    """Without prompts nothing is made up: the call ends as failed, and the dialplan goes on."""

    async def script(line: Line, environment: Environment) -> None:
        await line.answer()
        with pytest.raises(MissingPrompt):
            await line.play(["dargah/fa/no"])
        with pytest.raises(MissingPrompt):
            await line.play(["dargah/fa/no", "dargah/fa/neither"])
        with pytest.raises(MissingPrompt):
            await line.ask(["dargah/fa/no"], max_digits=1, seconds=1)
        with pytest.raises(MissingPrompt):
            await line.ask(["dargah/fa/no", "dargah/fa/neither"], max_digits=1, seconds=1)
        await calls_for(Registry()).take(line, environment)

    async def main() -> None:
        server = FastAgiServer(script, peers=LOOPBACK)
        async with exchange(tree, tmp_path, server, None) as (pbx, telephone):
            await telephone.dial("1420")
            await asyncio.wait_for(telephone.hung_up(), 20)
            assert server.ended == {"done": 1}
            # Asterisk calls the AGI itself failed after a missing file, whatever came later.
            assert "gateway: FAILURE FAILED" in pbx.log()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("calls", "logged"), [(1, "gateway: FAILURE \n"), (0, "gateway: SUCCESS \n")]
)
def test_gateway_away(tree: Path, prompts: Path, tmp_path: Path, calls: int, logged: str) -> None:
    """A caller hears so when the gateway is down or full, and is not left in silence."""

    async def main() -> None:
        limits = CallLimits(calls)
        server = FastAgiServer(calls_for(Registry()).take, peers=LOOPBACK, limits=limits)
        up = calls == 0
        async with exchange(tree, tmp_path, server, prompts, up=up) as (pbx, telephone):
            await telephone.dial("1420")
            await telephone.hearing()
            assert server.ended == ({"full": 1} if up else {})
            assert logged in pbx.log()

    asyncio.run(main())
