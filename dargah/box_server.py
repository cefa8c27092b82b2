"""
A redis-server of a box: a real process on loopback, to be killed, frozen and asked.

Its commands block, and go by a connection of their own: what is tested is not what tests.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from state.binary import find_server

PATIENCE = 30.0
"""Seconds for anything in the box to come about."""
NODE_TIMEOUT = 0.5
"""Seconds until a Cluster's nodes, or the Sentinels, take one of them for dead."""


class BoxFailed(Exception):
    """The servers did not come to what was asked of them; the text says what was waited for."""


@dataclass(slots=True)
class BoxServer:
    """One redis-server of the box, alive or not."""

    port: int
    folder: Path
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    frozen: bool = False
    password: str = field(default="", repr=False)

    def start(self) -> None:
        """Start it, or start it again with the data and the role that it had."""
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: self.ask("PING") is not None, f"an answer of {self.port}")

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process, self.frozen = None, False

    def stop_answering(self) -> None:
        """Freeze it: its connections stay open, and it says nothing."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        self.frozen = True

    def answer_again(self) -> None:
        """Let a frozen one go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)
        self.frozen = False

    def ask(self, *words: str | int) -> Any:
        """One command on a connection of its own; None for no answer, or an error."""
        try:
            return self.told(*words)
        except BoxFailed:
            return None

    def told(self, *words: str | int) -> Any:
        """As ask(); raises BoxFailed for an error or none."""
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 5) as sock,
                sock.makefile("rb") as replies,
            ):
                if self.password:
                    sock.sendall(_packed("AUTH", self.password))
                    _read(replies)
                sock.sendall(_packed(*words))
                return _read(replies)
        except (OSError, ValueError) as error:
            raise BoxFailed(f"{words[0]} on {self.port}: {error}") from None

    def info(self, *words: str) -> dict[str, str]:
        """A reply such as INFO's as a dictionary; empty where it does not answer."""
        lines = (self.ask(*(words or ("INFO", "replication"))) or b"").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @property
    def lives(self) -> bool:
        """Whether it runs, and may answer."""
        return self.process is not None and not self.frozen

    @property
    def is_master(self) -> bool:
        """Whether it says so itself."""
        return self.info().get("role") == "master"

    @property
    def in_step(self) -> bool:
        """Whether it is a replica that has all of its master's data and is linked to it."""
        facts = self.info()
        return facts.get("role") == "slave" and facts.get("master_link_status") == "up"


@contextmanager
def redis_servers(
    number: int, *, cluster: bool = False, password: str = ""
) -> Iterator[list[BoxServer]]:
    """So many servers that know nothing of each other yet."""
    binary = find_server().path
    with ExitStack() as ending:
        servers = []
        for port in free_ports(number):
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="redis-box-")))
            command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
            command += ["--save", "", "--appendonly", "no", "--hash-max-ziplist-entries", "512"]
            command += ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]
            command += ["--repl-ping-replica-period", "1"]
            if cluster:
                # A Cluster's bus has the port 10,000 above.
                command += ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
                # One shard without a master must not silence the others, nor its own replica.
                command += ["--cluster-require-full-coverage", "no"]
                command += ["--cluster-node-timeout", f"{NODE_TIMEOUT * 1000:.0f}"]
            if password:
                command += ["--requirepass", password, "--masterauth", password]
            server = BoxServer(port, folder, command, password=password)
            ending.callback(server.kill)
            server.start()
            servers.append(server)
        yield servers


def _packed(*words: str | int) -> bytes:
    """A command in RESP2."""
    octets = [str(word).encode() for word in words]
    pieces = [b"$%d\r\n%b\r\n" % (len(word), word) for word in octets]
    return b"*%d\r\n" % len(pieces) + b"".join(pieces)


def _read(replies: BinaryIO) -> Any:
    """One reply in RESP2. Raises ValueError for an error, or the end of the connection."""
    line = replies.readline().rstrip()
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else replies.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_read(replies) for _ in range(max(0, int(rest)))]
    raise ValueError(rest.decode() or "no answer")


def free_ports(number: int) -> list[int]:
    """Ports that are free, with the ones 10,000 above them."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < number:
            sock = held.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            if port > 55_000:
                # The system gives high ones: the pair is made of the one below.
                port -= 10_000
            bus = held.enter_context(socket.socket())
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                if port + 10_000 != sock.getsockname()[1]:
                    continue
            found.append(port)
    return found


def wait_for(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Until it is true; other processes are at work, so it is looked at again and again.

    Raises BoxFailed.
    """
    until = time.monotonic() + patience
    while not true():
        if time.monotonic() > until:
            raise BoxFailed(f"{what} did not come about within {patience:g} s")
        time.sleep(0.02)
