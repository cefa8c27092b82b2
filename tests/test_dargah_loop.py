"""One loop for Twisted and asyncio, in a process of its own each time."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BEGIN = """
import asyncio, sys
from dargah.loop import install, run
reactor = install()
from twisted.internet import reactor as again
assert again is reactor
def ready(): print("ready", flush=True)
"""


def start(source: str) -> subprocess.Popen[str]:
    """A Python process that runs this main."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", BEGIN + source],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_exit_code_is_the_mains_and_nothing_is_left() -> None:
    """What main returns is the exit code; a child of its own is reaped, its tasks are ended."""
    process = start("""
left = []
async def leftover():
    try:
        await asyncio.Event().wait()
    finally:
        print("ended")
async def main(stopping):
    left.append(asyncio.create_task(leftover()))
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(5)")
    later = asyncio.get_running_loop().create_future()
    reactor.callLater(0, later.set_result, 2)
    return await child.wait() + await later
sys.exit(run(reactor, main))
""")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (7, "ended\n", "")


def test_what_main_raises_is_raised() -> None:
    """A start that fails is not taken for one that ended well."""
    process = start("""
async def main(stopping):
    raise ValueError("no port")
try:
    run(reactor, main)
except ValueError as error:
    sys.exit(str(error))
""")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (1, "", "no port\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_drain(number: signal.Signals) -> None:
    """SIGTERM, or Ctrl-C, lets main end in its own time and with its own exit code."""
    process = start("""
async def main(stopping):
    ready()
    await stopping.wait()
    print("drained")
    return 0
sys.exit(run(reactor, main))
""")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "drained" in out
    assert "Traceback" not in err


def test_a_second_signal_does_not_wait() -> None:
    """Who presses Ctrl-C twice is not kept waiting for a drain."""
    process = start("""
async def main(stopping):
    ready()
    await stopping.wait()
    ready()
    await asyncio.Event().wait()
sys.exit(run(reactor, main))
""")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    for _ in range(2):
        assert "ready\n" in lines  # passes over what was logged in between
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT, (out, err)
    assert "Traceback" not in err
