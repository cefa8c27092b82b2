"""SMSCs that we did not write, installed by the tests into the user's cache and run on loopback."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

PEERS = Path(__file__).parent / "peers"
PATIENCE = 20.0
"""Seconds for anything a peer is asked to do; a limit, never a wait."""
INSTALLING = 90.0
"""Seconds for one step of an installation; where nothing can be fetched, it gives up sooner."""

SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

_tried: dict[str, Path | str] = {}
_told: set[str] = set()


def cache() -> Path:
    """Where what was installed once is found again."""
    home = os.environ.get("HOME")
    base = os.environ.get("XDG_CACHE_HOME") or (home and f"{home}/.cache")
    return Path(base or os.environ.get("DARGAH_DATA", "var")).absolute() / "dargah" / "peers"


def installed(name: str, install: Callable[[Path], list[list[str]]]) -> Path | str:
    """The folder of a peer, installed if it wasn't; or why it can't be. Tried once a run."""
    if name not in _tried:
        _tried[name] = _install(cache() / name, install)
    return _tried[name]


def _trusting() -> dict[str, str]:
    """Our environment; npm trusts what this machine trusts, not its own list alone."""
    return {"NODE_EXTRA_CA_CERTS": SYSTEM_CERTIFICATES, **os.environ}


def _install(folder: Path, install: Callable[[Path], list[list[str]]]) -> Path | str:
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        for argv in install(fresh):
            subprocess.run(
                argv, check=True, capture_output=True, timeout=INSTALLING, env=_trusting()
            )
        # Whole or not at all, whoever else is installing it.
        fresh.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        # Not its output: that would name where it fetches from.
        return folder if folder.is_dir() else f"its installation failed, {type(error).__name__}"
    return folder


def node_smsc(config: pytest.Config) -> list[str]:
    """How to start node-smpp's SMSC; skips aloud where npm is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        skip(config, "node-smpp as SMSC", "npm is not installed")
    options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    options += ["--fetch-retries=0", "--fetch-timeout=20000"]
    folder = installed(
        "node-smpp-0.5.1",
        lambda into: [[npm, "install", *options, "--prefix", str(into), "smpp@0.5.1"]],
    )
    if isinstance(folder, str):
        skip(config, "node-smpp as SMSC", folder)
    return [node, str(PEERS / "node_smsc" / "smsc.js"), str(folder)]


def twisted_smsc(config: pytest.Config) -> list[str]:
    """How to start smpp.twisted3's SMSC, in an environment of its own."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    pip += ["--retries=1", "--timeout=20"]
    folder = installed(
        f"smpp.twisted3-0.8-python{version}",
        lambda into: [
            [sys.executable, "-m", "venv", str(into)],
            [f"{into}/bin/python", *pip, "smpp.twisted3==0.8", "smpp.pdu3==0.6"],
        ],
    )
    if isinstance(folder, str):
        skip(config, "smpp.twisted3 as SMSC", folder)
    # -I: our own package of the name smpp must not be found.
    return [f"{folder}/bin/python", "-I", str(PEERS / "twisted_smsc.py")]


def skip(config: pytest.Config, what: str, why: str) -> NoReturn:
    """Skip, and say so once where it is seen."""
    if what not in _told:
        _told.add(what)
        _say(config, f"NOT PROVEN HERE: {what}: {why}")
    pytest.skip(why)


def _say(config: pytest.Config, line: str) -> None:
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{line}", flush=True)


class Peer:
    """A peer's process: orders in, what it saw out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def order(self, do: str, **more: Any) -> None:
        """Have it do something; what it saw before is passed over."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        await self.saw("done")

    async def saw(self, what: str) -> dict[str, Any]:
        """The next thing of this kind that it saw; what it saw before that is passed over."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := await self._process.stdout.readline():
                event: dict[str, Any] = json.loads(line)
                if event["saw"] == what:
                    return event
        raise AssertionError(f"the peer ended before {what}")


@asynccontextmanager
async def running(argv: list[str]) -> AsyncIterator[Peer]:
    """A peer that listens, ended by closing its standard input."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    peer = Peer(process)
    try:
        peer.port = (await peer.saw("listening"))["port"]
        yield peer
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
