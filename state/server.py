"""
One private redis-server, as the keeper's child.

    IDLE ─▶ STARTING ─▶ UP
     ▲          │        │
     └──────────┴────────┘ it died: again, after a pause; three quick deaths are a failure

A folder belongs to one server at a time. The server inherits a locked descriptor of `server.lock`,
so the lock lasts exactly as long as a server, or its child that saves, is at work in the folder:
whatever happened to the keeper. Imported by the keeper: the standard library alone.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from state.binary import Binary
from state.roles import CACHE, SOCKET, Role
from state.server_log import last_words, size, trim

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
QUICK_DEATHS = 3
"""So many deaths in a row before the first PING is answered, and it is not tried again."""
EARLIER_MAY_ANSWER = 0.5
"""Seconds in which a server notices the signal that its keeper's death sends it, and more."""
ANSWERS = (b"+PONG", b"-MISCONF")
"""How a server that is up answers a PING; the second one cannot write to its disk."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


class Phase(Enum):
    """What a server is doing, as the keeper sees it."""

    IDLE = auto()
    STARTING = auto()
    UP = auto()


def ask(path: str, command: bytes, patience: float) -> bytes:
    """One inline command and the first piece of its reply. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(patience)
        sock.connect(path)
        sock.sendall(command + b"\r\n")
        return sock.recv(65536)


class Server:
    """A role's server in the folder named like it, below the working directory.

    `log` takes one line for keeper.log. Times are in seconds, of one monotonic clock.
    """

    def __init__(self, role: Role, binary: Binary, log: Callable[[str], None]) -> None:
        self.role = role
        self.phase = Phase.IDLE
        self.failure = ""
        self.loading = False
        self._binary = binary
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = f"{role.name}/{SOCKET}"
        self._log_start = 0
        self._quick_deaths = 0
        self._pause = FIRST_PAUSE
        self._not_before = 0.0
        self._started = 0.0
        self._waits_since: float | None = None

    @property
    def doing(self) -> str:
        """What it is waited for, to end a sentence with."""
        if self.loading:
            return f"the {self.role.name} server is loading its data"
        if self._waits_since is not None:
            return f"an earlier {self.role.name} server is still saving its data"
        return f"the {self.role.name} server is starting"

    def advance(self, now: float) -> None:
        """See what has happened, and do what is next. Never waits for long."""
        if self._process is not None and self._has_ended(self._process):
            self._rx_death(now)
        if self.failure:
            return
        if self.phase is Phase.IDLE and now >= self._not_before:
            try:
                self._start(now)
            except OSError as error:
                self.failure = f"the {self.role.name} server cannot be started: {error.strerror}"
        elif self.phase is Phase.STARTING:
            self._see_whether_up()

    def _start(self, now: float) -> None:
        folder = self.role.name
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.path.isdir(f"{folder}/appendonlydir") and self._binary.version < (7, 0):
            # An older server would see no file of its own, and start empty.
            self.failure = self._too_new("Redis 7 or newer")
            return
        lock = os.open(f"{folder}/server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            self._wait_for_the_earlier(now)
            return
        self._waits_since = None
        trim(f"{folder}/redis.log")
        self._log_start = size(f"{folder}/redis.log")
        keeper = os.getpid()

        def die_with_the_keeper() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != keeper:
                os._exit(1)

        try:
            process = subprocess.Popen(
                [self._binary.path, "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                # Its own group, so that a child that saves can be ended with it.
                process_group=0,
                cwd=folder,
                env={"PATH": os.defpath},
                pass_fds=(lock,),
                preexec_fn=die_with_the_keeper,  # safe here: the keeper has one thread
            )
        finally:
            os.close(lock)
        assert process.stdin is not None
        try:
            process.stdin.write(self.role.settings.encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has died already; the next look at it says why
        self._process = process
        self._started = now
        self.loading = False
        self.phase = Phase.STARTING

    def _wait_for_the_earlier(self, now: float) -> None:
        """A killed keeper's server has been told to end, and saves first.

        If it answers still, it could not save, and has stayed (on a full disk, for one).
        """
        self._not_before = now + FIRST_PAUSE
        if self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since > EARLIER_MAY_ANSWER:
            self._waits_since = now
            with suppress(OSError):
                if ask(self._socket, b"PING", patience=0.2).startswith(ANSWERS):
                    self._log(f"{self.role.name}: ending an earlier server that has stayed")
                    self._tx_shutdown()

    def _see_whether_up(self) -> None:
        try:
            reply = ask(self._socket, b"PING", patience=0.5)
        except OSError:
            return
        self.loading = reply.startswith(b"-LOADING")
        if reply.startswith(ANSWERS):
            self.phase = Phase.UP
            self._quick_deaths = 0
            self._log(f"{self.role.name}: up")

    @staticmethod
    def _has_ended(process: subprocess.Popen[bytes]) -> bool:
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, process.pid, look) is None:
            return False
        # Before it is reaped, so that its number is surely still its own. A child that goes on
        # saving would keep the folder locked.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True

    def _rx_death(self, now: float) -> None:
        assert self._process is not None
        reason = self._reason(self._process.returncode)
        self._process = None
        if self.phase is Phase.UP and now - self._started > LONGEST_PAUSE:
            self._pause = FIRST_PAUSE
        elif self.phase is Phase.STARTING:
            self._quick_deaths += 1
        self.phase = Phase.IDLE
        self.loading = False
        self._log(f"{self.role.name}: ended: {reason}")
        if self._quick_deaths >= QUICK_DEATHS:
            self.failure = reason
            return
        self._not_before = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _reason(self, code: int) -> str:
        """One sentence from the end of the server's own log."""
        said, newer, damaged = last_words(f"{self.role.name}/redis.log", self._log_start)
        if newer:
            return self._too_new(f"a newer Redis ({newer})")
        if damaged:
            return self._damaged()
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"the {self.role.name} server ended with {ended}" + (f": {said}" if said else "")

    def _damaged(self) -> str:
        folder = os.path.abspath(self.role.name)
        if self.role is CACHE:
            return (
                f"{folder}/dump.rdb is damaged or cut short: move it away, and load the people "
                "again with `dargah load`"
            )
        file = f"{folder}/appendonly.aof"
        if os.path.isdir(f"{folder}/appendonlydir"):
            file = f"{folder}/appendonlydir/appendonly.aof.manifest"
        return (
            f"{file} is damaged: copy {folder} away, then mend it with "
            f"`redis-check-aof --fix {file}`, which drops what was written after the damage"
        )

    def _too_new(self, writer: str) -> str:
        major, minor = self._binary.version
        return (
            f"the data in redis/{self.role.name} was written by {writer}, and {self._binary.path} "
            f"is version {major}.{minor}: install a newer redis-server"
        )

    def kill(self) -> None:
        """Without ado: a server that cannot be shut down."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def ask_to_end(self) -> None:
        """SHUTDOWN, saving what a save would keep; returns when it has been asked, or has ended."""
        process = self._process
        if process is None or self._has_ended(process):
            self._process = None
            return
        if self.phase is not Phase.UP:
            process.terminate()
            return
        try:
            self._tx_shutdown()
        except OSError:
            process.terminate()

    def _tx_shutdown(self) -> None:
        """Returns once the server has closed the connection. Raises OSError."""
        saves = b"SHUTDOWN"
        if self.role is CACHE:
            saves = b"SHUTDOWN SAVE"
            # Saving 45 million people again, unchanged, would make every command slow to end.
            facts = ask(self._socket, b"INFO persistence", patience=5)
            if b"rdb_changes_since_last_save:0\r" in facts:
                saves = b"SHUTDOWN NOSAVE"
        refusal = ask(self._socket, saves, patience=120)
        if refusal:
            self._log(f"{self.role.name}: could not save its data; see redis.log")
            ask(self._socket, b"SHUTDOWN NOSAVE", patience=10)

    def wait_end(self, patience: float) -> None:
        """Until it has ended, and been reaped; after `patience` seconds by force."""
        if self._process is None:
            return
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._log(f"{self.role.name}: did not end when asked")
            self.kill()
            self._process.wait()
        self._process = None
