"""A real call: SIP, RTP, RFC 4733 and FastAGI, none of it ours but the last."""

import asyncio
import re
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

from dargah.running import find
from dialogue.check import load_dialogue
from dialogue.version import OneVersion
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.tracking_code import is_code
from eligibility.verdict import INVALID_ID, Outcome, Source, Verdict
from ivr.call import Calls, CallTimes
from ivr.errors import MissingPrompt
from ivr.fastagi import Environment
from ivr.line import Line
from ivr.pcm import from_wav
from ivr.server import CallLimits, FastAgiServer
from ivr.synthesiser import NoSynthesiser, find_synthesiser
from ivr.version import SpokenVersion
from ivr.voices import load_voices
from state.keyed_hash import KeyedHash
from telecom.channel import Channel
from tests import aloud
from tests.asterisk_run import Asterisk, start
from tests.asterisk_tree import NoAsterisk, asterisk_tree
from tests.gateway_process import (
    ANY_PORTS,
    GatewayProcess,
    dargah,
    environment_of,
    running_gateway,
)
from tests.telephone import Telephone

ID = "0012345679"
COVERED = Verdict(
    Outcome.COVERED,
    as_of=datetime(2026, 11, 21, tzinfo=UTC),
    source=Source.CACHE,
    valid_until=date(2027, 3, 20),
)
CODE = "48305172606"
CALLER = "09121234567"
"""The number that tests/telephone.py calls from."""

PEOPLE = f"""national_id,status,valid_until,kind,branch,updated_at
{ID},active,2090-03-20,main,7,2026-01-01T00:00:00+03:30
"""
TOLD = [
    "covered_until-1",
    "day/1",
    "month/1",
    "number/1000-o",
    "number/400-o",
    "number/60-o",
    "number/9",
    "covered_until-3",
    "tracking_code-1",
]
"""What is played for that row: covered until 1469/01/01."""

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
def data(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """An operator's data folder, its prompts built by the command."""
    folder = tmp_path_factory.mktemp("operator")
    try:
        find_synthesiser()
    except NoSynthesiser as reason:
        aloud.skip(pytestconfig, f"no prompts for a real call: {reason}")
    settings = folder / "settings.toml"
    settings.write_text(ANY_PORTS)
    environment = environment_of(folder / "data", settings)
    built = dargah("prompts", "--build", environment=environment)
    assert built.returncode == 0, built.stderr
    return folder / "data"


@pytest.fixture(scope="module")
def prompts(data: Path) -> Path:
    """The prompts as they are built for anybody."""
    return data / "prompts"


@asynccontextmanager
async def telephone_on(
    tree: Path, folder: Path, gateway: str, prompts: Path | None, *, verbose: int = 2
) -> AsyncIterator[tuple[Asterisk, Telephone]]:
    """A PBX with our dialplan, that finds FastAGI at `gateway`; and a telephone."""
    dialplan = (files("config") / "asterisk" / "extensions.conf").read_text("utf-8")
    dialplan = dialplan.replace("127.0.0.1:4573", gateway)
    pbx = await start(tree, folder / "pbx", extensions=dialplan, prompts=prompts, verbose=verbose)
    try:
        telephone = await Telephone.plugged_in(tree, folder / "phone", sip_port=pbx.sip_port)
        try:
            yield pbx, telephone
        finally:
            await telephone.unplug()
    finally:
        pbx.stop()


@asynccontextmanager
async def exchange(
    tree: Path, folder: Path, server: FastAgiServer, prompts: Path | None, *, up: bool = True
) -> AsyncIterator[tuple[Asterisk, Telephone]]:
    """The same with a FastAGI server of the test's own behind it, if that is up."""
    reactor = AsyncioSelectorReactor(asyncio.get_running_loop())
    port = reactor.listenTCP(0, server, interface="127.0.0.1")  # type: ignore[no-untyped-call]
    address = f"127.0.0.1:{port.getHost().port}"
    if not up:
        port.stopListening()
    try:
        async with telephone_on(tree, folder, address, prompts) as both:
            yield both
    finally:
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


def played(pbx: Asterisk) -> list[str]:
    """The recordings of ours that Asterisk opened and played, in order, by its own log."""
    return re.findall(r"Playing 'dargah/(fa/[^' ]+)\.\w+'", pbx.log())


def test_a_real_call(
    tree: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A caller with an ordinary telephone chooses before the menu has ended, types an ID, and
    hears that person's verdict, a code that the gateway knows, and a goodbye."""
    log = Log()
    csv = tmp_path / "people.csv"
    csv.write_text(PEOPLE)

    async def main(gateway: GatewayProcess) -> None:
        async with telephone_on(
            tree, tmp_path, find(gateway.folder).fastagi, gateway.folder / "prompts", verbose=3
        ) as (pbx, telephone):
            log("gateway, Asterisk and telephone are up")
            await telephone.dial("1420")
            over = telephone.hung_up()
            await telephone.hearing()
            log("answered, the menu is heard; typing 1 into it")
            await telephone.type("1")
            await telephone.quiet()
            asked, before = played(pbx), speech(telephone.sound())
            assert asked[-1] == "fa/ask_id"
            assert "fa/call/goodbye" not in asked
            log("question heard to its end; typing the ID")
            await telephone.type(ID + "#")
            log("ID typed")
            await asyncio.wait_for(over, 60)
            log("call over")
            assert "gateway: SUCCESS DONE" in pbx.log()
            told = played(pbx)[len(asked) :]
            log(f"played since the ID: {' '.join(name.removeprefix('fa/') for name in told)}")
            names = [f"fa/{name}" for name in TOLD]
            assert told[: len(names)] == names
            digits = [name for name in told[len(names) :] if name.startswith("fa/digit/")]
            assert told[len(names) + len(digits) + 2 :] == ["fa/call/repeat", "fa/call/goodbye"]
            code = "".join(name.removeprefix("fa/digit/")[0] for name in digits)
            assert is_code(code)
            inquiry = gateway.run("inquiry", code, "--msisdn", CALLER).stdout
            log(f"inquiry of that code: {' '.join(inquiry.split())}")
            for fact in ("channel    voice", "outcome    COVERED", "until      1469/01/01 "):
                assert fact in inquiry
            # And all of it was heard, not only begun.
            files = [(gateway.folder / "prompts" / f"{name}.wav").read_bytes() for name in told]
            whole = speech(sum((from_wav(file)[0] for file in files), array("h")))
            heard = speech(telephone.sound()) - before
            log(f"{heard:.1f} s of speech heard since, of {whole:.1f} s")
            assert whole - 1.5 < heard < whole + 3.0

    with running_gateway("serve", folder=data) as gateway:
        loaded = gateway.run("load", str(csv))
        assert loaded.returncode == 0, loaded.stderr
        asyncio.run(main(gateway))
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
