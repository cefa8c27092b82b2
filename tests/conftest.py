"""
A time limit for each test, and the servers that many of them ask for.

A hang ends the run, with the test's name and every stack. A thread watches, so that what the test
had started can be ended too: an orphan that holds the run's output open would leave
`make test | tee` hanging in its place. Where no thread gets its turn (a loop in C), pytest's own
faulthandler_timeout (pyproject.toml) ends the run a little later.
"""

import contextlib
import faulthandler
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres_server import RunningPostgres, running_postgres
from tests.redis_server import RunningRedis, running_redis

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("dargah", deadline=None)
settings.load_profile("dargah")

LIMIT = "seconds_a_test"
_output = pytest.StashKey[int]()
_watch = pytest.StashKey[threading.Timer]()


@pytest.fixture(scope="module")
def server() -> Iterator[RunningRedis]:
    """One Redis for a file, whose tests empty it; it notices the end of a save sooner."""
    with running_redis("--hz", "200") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[RunningPostgres]:
    """One PostgreSQL for all: who needs it empty empties it, others take tables of their own."""
    with running_postgres() as running:
        yield running


def pytest_addoption(parser: pytest.Parser) -> None:
    """The limit is a setting in pyproject.toml."""
    parser.addini(LIMIT, "seconds after which a test counts as hanging", default="600")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real standard error: during a test, pytest holds it back."""
    config.stash[_output] = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give it back."""
    os.close(config.stash[_output])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """One test with its fixtures, under the limit."""
    limit = float(item.config.getini(LIMIT))
    watch = threading.Timer(limit, _end, (item.nodeid, limit, item.config.stash[_output]))
    watch.daemon = True
    item.config.stash[_watch] = watch
    watch.start()
    try:
        return (yield)
    finally:
        watch.cancel()


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Who is at the debugger has all the time there is."""
    config.stash[_watch].cancel()


def _end(name: str, limit: float, output: int) -> None:
    os.write(output, f"\n{name} HANGS: no end after {limit:g} s. Every stack:\n".encode())
    faulthandler.dump_traceback(output)
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os._exit(1)


def _descendants(pid: int) -> Iterator[int]:
    """The processes that this one began, and theirs, deepest first."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name may hold anything, parentheses too; the parent is the second after it.
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                yield from _descendants(int(path.parent.name))
                yield int(path.parent.name)
