"""The carrier's control port, and the commands that people use it by."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrier.carrier import Carrier, start_carrier
from carrier.dialogue import Screen
from carrier.errors import CarrierError
from carrier.remote import Remote
from carrier.settings import LONGEST_LINE, CarrierSettings
from smpp.dialect import Kind
from smpp.pdu import ShortMessage
from smpp.ussd_tlv import UssdEvent
from tests.carrier_box import NUMBER, carrier, gateway, reply_to
from tests.gateway_process import ROOT, dargah, environment_of
from tests.smpp_service import PATIENCE, loop_reactor
from tests.test_carrier_calls import ONCE, fastagi, inquiry

ASK = "لطفاً کد ملی ۱۰ رقمی را وارد کنید."
ANSWER = "اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: 48305172606"


def told(_: ShortMessage) -> str:
    """A gateway that always says the same."""
    return ANSWER


def two_screens(event: UssdEvent) -> tuple[str, bool]:
    """Asks once, then answers."""
    return (ASK, True) if event.kind is Kind.BEGIN else (ANSWER, False)


def path_of(running: Carrier) -> Path:
    """Its control socket."""
    assert running.control_path is not None
    return running.control_path


def test_another_process_texts_and_dials() -> None:
    """Through the socket a text gets its reply, and a dialogue goes from screen to screen."""

    def other(path: Path) -> tuple[str, Screen, Screen]:
        with Remote(path) as remote:
            phone = remote.phone(NUMBER)
            return remote.text(NUMBER, "0012345679"), phone.dial("*4*1420#"), phone.reply("1")

    async def scenario() -> None:
        async with carrier(control=True) as running, gateway(running, text=told, ussd=two_screens):
            assert stat.S_IMODE(path_of(running).stat().st_mode) == 0o600
            text, first, last = await asyncio.to_thread(other, path_of(running))
            assert text == ANSWER
            assert (first, last) == (Screen(ASK, more=True), Screen(ANSWER, more=False))

    asyncio.run(scenario())


def test_another_process_switches_faults() -> None:
    """Faults, cuts and garbage are ordered from outside, and what came of them can be seen."""

    def other(path: Path) -> dict[str, Any]:
        with Remote(path) as remote:
            assert remote.switch(throttle=3, one_byte=True)["throttle"] == 3
            with pytest.raises(CarrierError, match="no such fault"):
                remote.switch(throttel=3)
            assert remote.ask("garbage", octets=8) == {}
            assert remote.ask("drop") == {}
            return remote.ask("state")

    async def scenario() -> None:
        async with carrier(control=True) as running, gateway(running):
            state = await asyncio.to_thread(other, path_of(running))
            assert state["counts"]["binds"] == 1
            assert (running.faults.throttle, running.faults.one_byte) == (3, True)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "wrong_order"),
        (b"[]", "wrong_order"),
        (b"{}", "wrong_order"),
        (b"[" * 50_000, "wrong_order"),
        (b'{"do": "text"}', "wrong_order"),
        (b'{"do": "text", "msisdn": "x", "text": "1"}', "not_an_msisdn"),
        (b'{"do": "text", "msisdn": "09121234567", "text": "\\ud800"}', "wrong_order"),
        (b'{"do": "text", "msisdn": "09121234567", "text": 1}', "wrong_order"),
        (b'{"do": "reply", "msisdn": "09121234567", "text": "1"}', "no_dialogue"),
        (b'{"do": "dial", "msisdn": "09121234567", "code": "*1#"}', "no_link"),
        (b'{"do": "dial", "msisdn": "09121234567", "code": "1", "within": NaN}', "wrong_order"),
        (b'{"do": "dial", "msisdn": "09121234567", "code": "1", "within": true}', "wrong_order"),
        (b'{"do": "text", "msisdn": "09121234567", "text": "1", "within": 0.01}', "no_reply"),
        (b'{"do": "faults", "switch": 1}', "wrong_order"),
        (b'{"do": "faults", "switch": {"delay": 1e999}}', "wrong_order"),
        (b'{"do": "garbage", "octets": -1}', "wrong_order"),
        (b"\xff", "wrong_order"),
    ],
)
def test_orders_that_cannot_be_done(line: bytes, error: str) -> None:
    """Whoever asks for nonsense is told so in a sentence without any number, and may ask again."""

    async def scenario() -> None:
        async with carrier(control=True) as running:
            reader, writer = await asyncio.open_unix_connection(path_of(running))
            writer.write(line + b'\n{"do": "state"}\n')
            async with asyncio.timeout(PATIENCE):
                answer = json.loads(await reader.readline())
                assert answer["error"] == error
                assert "9121234567" not in answer["message"]
                assert json.loads(await reader.readline())["binds"] == []
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


def test_who_leaves_in_a_dialogue() -> None:
    """When the other process goes away, its phones end their dialogues."""

    async def scenario() -> None:
        async with (
            carrier(control=True) as running,
            gateway(running, ussd=two_screens) as (_, seen),
        ):
            remote = Remote(path_of(running))
            await asyncio.to_thread(remote.phone(NUMBER).dial, "*4*1420#")
            remote.close()
            await seen.number(2)

    asyncio.run(scenario())


def test_who_hangs_up_while_waiting_for_a_reply() -> None:
    """A phone whose process was interrupted takes no reply from the same number's next text."""

    def other(path: Path) -> str:
        with Remote(path, within=PATIENCE) as remote:
            return remote.text(NUMBER, "Y")

    async def scenario() -> None:
        async with carrier(control=True) as running, gateway(running) as (service, seen):
            _, writer = await asyncio.open_unix_connection(path_of(running))
            writer.write(json.dumps({"do": "text", "msisdn": NUMBER, "text": "X"}).encode())
            writer.write(b"\n")
            await seen.number(1)
            writer.close()
            await writer.wait_closed()
            heard = asyncio.create_task(asyncio.to_thread(other, path_of(running)))
            async with asyncio.timeout(PATIENCE):
                while running.network.counts["delivered"] < 2:  # noqa: ASYNC110 - a plain count
                    await asyncio.sleep(0)
            for part in reply_to(seen[1], ANSWER):
                service.submit(part)
            assert await heard == ANSWER

    asyncio.run(scenario())


def test_a_text_without_an_answer() -> None:
    """Who waits in vain is told what may be the cause: no gateway, or a text sent twice."""

    def other(path: Path) -> str:
        with Remote(path, within=0.2) as remote, pytest.raises(CarrierError) as waited:
            remote.text(NUMBER, "X")
        return str(waited.value)

    async def scenario() -> None:
        async with carrier(control=True) as running:
            assert "is one bound" in await asyncio.to_thread(other, path_of(running))
            async with gateway(running):
                told_so = await asyncio.to_thread(other, path_of(running))
                assert "a repeated delivery" in told_so

    asyncio.run(scenario())


@given(st.lists(st.binary(max_size=300), max_size=6))
@settings(max_examples=50, deadline=None)
def test_random_octets(thrown: list[bytes]) -> None:
    """Whatever comes on the control port, it answers the next order; no descriptor stays open."""

    async def scenario() -> None:
        async with carrier(control=True) as running:
            for octets in thrown:
                await talk(path_of(running), octets)
            assert await talk(path_of(running), b'{"do": "state"}\n')

    baseline = len(os.listdir("/proc/self/fd"))
    asyncio.run(scenario())
    assert len(os.listdir("/proc/self/fd")) == baseline


def test_a_line_without_an_end() -> None:
    """Who sends a line over the limit is not listened to any longer."""

    async def scenario() -> None:
        async with carrier(control=True) as running:
            assert await talk(path_of(running), b"x" * (LONGEST_LINE * 3)) == b""

    asyncio.run(scenario())


async def talk(path: Path, octets: bytes) -> bytes:
    """Say something, and hear all that is said."""
    reader, writer = await asyncio.open_unix_connection(path)
    heard = b""
    with suppress(ConnectionError):
        writer.write(octets)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            heard = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return heard


def test_a_socket_left_behind() -> None:
    """The socket of a carrier that was killed is taken over; another file is left alone."""

    async def scenario(path: Path) -> None:
        async with loop_reactor() as reactor:
            running = await start_carrier(reactor, CarrierSettings(port=0, control_path=path))
            assert await talk(path, b'{"do": "state"}\n')
            await running.stop()

    async def refused(path: Path) -> None:
        async with loop_reactor() as reactor:
            with pytest.raises(OSError, match="in use"):
                await start_carrier(reactor, CarrierSettings(port=0, control_path=path))

    with tempfile.TemporaryDirectory(prefix="dargah-") as folder:
        left, file = Path(folder) / "left", Path(folder) / "file"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(left))
        asyncio.run(scenario(left))
        assert not left.exists()
        file.write_text("mine")
        baseline = len(os.listdir("/proc/self/fd"))
        asyncio.run(refused(file))
        assert len(os.listdir("/proc/self/fd")) == baseline
        assert file.read_text() == "mine"


def test_a_folder_that_lies_deep() -> None:
    """However long the path of the data folder, its carrier can be spoken to."""

    def state(path: Path) -> dict[str, Any]:
        with Remote(path) as remote:
            return remote.ask("state")

    async def scenario(path: Path) -> None:
        async with loop_reactor() as reactor:
            running = await start_carrier(reactor, CarrierSettings(port=0, control_path=path))
            assert (await asyncio.to_thread(state, path))["binds"] == []
            await running.stop()

    with tempfile.TemporaryDirectory(prefix="dargah-") as folder:
        deep = Path(folder, *["deep"] * 30)
        deep.mkdir(parents=True)
        asyncio.run(scenario(deep / "control"))
        assert not (deep / "control").exists()


# The commands


@contextmanager
def operator() -> Iterator[dict[str, str]]:
    """An operator's environment, its data folder empty."""
    with tempfile.TemporaryDirectory(prefix="dargah-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        empty = Path(folder) / "settings.toml"
        empty.touch()
        yield environment_of(data, empty)


def test_text_and_dial_in_the_terminal() -> None:
    """`dargah text` and `dargah dial --over smpp` show what a phone shows."""

    async def scenario(environment: dict[str, str]) -> None:
        async with carrier(control=True) as running, gateway(running, text=told, ussd=two_screens):
            control = ("--control", str(path_of(running)))
            done = await asyncio.to_thread(
                dargah, "text", "0012345679", *control, environment=environment
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert [line[2:] for line in done.stdout.splitlines()[1:-1]] == ANSWER.split("\n")
            dial = ("dial", "*4*1420#", "--over", "smpp", *control)
            done = await asyncio.to_thread(
                dargah, *dial, environment=environment, given="0012345679\n"
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert f"│ {ASK}\n" in done.stdout
            assert done.stdout.rstrip().endswith("(end)")

    with operator() as environment:
        asyncio.run(scenario(environment))


@pytest.mark.parametrize("given", [None, "1\n0012345679#\n\n"], ids=["--type", "typed"])
def test_a_call_in_the_terminal(given: str | None) -> None:
    """`dargah call` names the prompts as they are heard, and types by script or by hand."""

    async def scenario(environment: dict[str, str]) -> None:
        async with fastagi(inquiry) as (_, port):
            call = ["call", "--fastagi", f"127.0.0.1:{port}"]
            call += [] if given else ["--type", "1,0012345679#,hangup"]
            done = await asyncio.to_thread(
                dargah, *call, environment=environment, given=given or ""
            )
            assert (done.returncode, done.stderr) == (0, "")
            heard = [line[4:] for line in done.stdout.splitlines() if line.startswith("  ♪ ")]
            assert heard[-len(ONCE) :] == ONCE
            assert "(we hung up)" in done.stdout

    with operator() as environment:
        asyncio.run(scenario(environment))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("text", "1"), "no carrier is running on"),
        (("dial", "*4*1420#", "--over", "smpp"), "no carrier is running on"),
        (("carrier", "--state"), "no carrier is running on"),
        (("call",), "no gateway is running on"),
        (("call", "--fastagi", "127.0.0.1:1"), "no FastAGI server answers"),
        (("call", "--fastagi", "nowhere"), "HOST:PORT"),
        (("call", "--fastagi", "127.0.0.1:1", "--type", "one"), "a keypad has"),
        (("call", "--fastagi", "127.0.0.1:1", "--msisdn", "12"), "not a telephone number"),
        (("carrier", "--user", "dargah"), "SYSTEM_ID:PASSWORD"),
    ],
)
def test_commands_that_cannot(words: tuple[str, ...], why: str) -> None:
    """Each command says in one sentence what it lacks."""
    with operator() as environment:
        done = dargah(*words, environment=environment)
        assert done.returncode == 1
        assert done.stderr.startswith("dargah: ")
        assert why in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_carrier_alone() -> None:
    """`dargah carrier` takes binds, obeys `--switch`, shows no password, and ends when told to."""
    with operator() as environment:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dargah.main",
                "carrier",
                "--port",
                "0",
                "--user",
                "us:SeCrEt99",
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        try:
            said = ""
            while "Ctrl-C ends it" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            title = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            state = dargah("carrier", "--switch", "throttle=2", "--drop", environment=environment)
            assert json.loads(state.stdout)["faults"]["throttle"] == 2
            wrong = dargah("carrier", "--switch", "throttle=x", environment=environment)
            assert wrong.returncode == 1
        finally:
            process.send_signal(signal.SIGTERM)
            said += process.communicate(timeout=30)[0]
        assert process.returncode == 0, said
        assert "SeCrEt99" not in said
        assert b"SeCrEt99" not in title
        assert not (Path(environment["DARGAH_DATA"]) / "carrier.sock").exists()
