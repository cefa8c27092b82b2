"""A private Redis for tests, and a Redis that fails when told to."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from state.address import Address
from state.binary import find_server
from state.commands import Arg, Commands, Reply, Script
from state.errors import Unavailable


@dataclass(frozen=True, slots=True)
class RunningRedis:
    """A redis-server of the test's own: nothing saved, one Unix socket."""

    address: Address
    pid: int

    def stop_answering(self) -> None:
        """Freeze the server: it accepts, and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def answer_again(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def ask(self, *words: str) -> bytes:
        """One command on a connection of its own, blocking; the raw reply."""
        assert self.address.path is not None
        return _ask(self.address.path, *words)


def _ask(path: Path, *words: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall((" ".join(words) + "\r\n").encode())
        return sock.recv(65536)


@contextmanager
def running_redis(
    *settings: str, environment: Mapping[str, str] | None = None
) -> Iterator[RunningRedis]:
    """Start a redis-server in a folder of its own; end it, and the folder, afterwards.

    `settings` are further words of its command line, such as "--requirepass", "secret";
    `environment` is its own, None for ours.
    """
    folder = Path(tempfile.mkdtemp(prefix="dargah-redis-"))
    path = folder / "redis.sock"
    command = [find_server().path, "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--hash-max-ziplist-entries", "512"]
    server = subprocess.Popen(
        [*command, *settings],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    try:
        _wait_for(path, server)
        yield RunningRedis(Address(path=path), server.pid)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(path: Path, server: subprocess.Popen[bytes]) -> None:
    """Until it answers anything at all, an error included."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"redis-server ended with {server.returncode}")
        try:
            if _ask(path, "PING"):
                return
        except OSError:
            time.sleep(0.002)  # the process is another one: there is nothing to wait on
    raise RuntimeError("redis-server did not answer in ten seconds")


class FailsAt:
    """Commands whose n-th call (from 1) finds Redis gone; `tripped` says whether it came to that.

    A script counts as one call. Calls before and after go through to the real one.
    """

    def __init__(self, commands: Commands, n: int) -> None:
        self._commands = commands
        self._left = n
        self.tripped = False

    def fail_at(self, n: int) -> None:
        """Fail at the n-th call from now on."""
        self._left = n

    def _fails(self) -> bool:
        self._left -= 1
        if self._left == 0:
            self.tripped = True
            return True
        return False

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send, but for the n-th."""
        if not self._fails():
            return self._commands.send(*args)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        future.set_exception(Unavailable("failed by the test"))
        future.exception()  # seen: one that is never awaited makes no noise
        return future

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script, but for the n-th."""
        if self._fails():
            raise Unavailable("failed by the test")
        return await self._commands.script(script, keys, *args)
