"""
The embedded Redis of one data folder, as its users reach it: through a lease.

    free lock   ──▶ take it, start a keeper with it, connect
    held lock   ──▶ a keeper is there, or is just ending: connect, or try again until it has

See state/keeper.py for what happens on the other side.
"""

import asyncio
import fcntl
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from state.address import Address, connectable
from state.errors import Unavailable
from state.keeper import FOLDER, LOCK, LOG
from state.keeper import SOCKET as KEEPER_SOCKET
from state.roles import CACHE, SOCKET, STATE

LOOK_AGAIN = 0.02
LONGEST_LINE = 4096

# What the keeper needs of our environment; secrets that were passed to us by it stay here.
KEPT_ENVIRONMENT = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "TZ")


class Lease:
    """Both servers run for as long as this is held. Made by take_lease()."""

    def __init__(
        self, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.cache = Address(path=folder / CACHE.name / SOCKET)
        self.state = Address(path=folder / STATE.name / SOCKET)
        self._reader = reader
        self._writer = writer

    async def lost(self) -> None:
        """Until the keeper has ended. Cancel it to stop watching."""
        # The keeper says nothing to who has been told that Redis is ready.
        with suppress(OSError):
            while await self._reader.read(LONGEST_LINE):
                pass

    async def close(self) -> None:
        """Give it back: with the last one, Redis stops. Harmless twice."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def take_lease(data_folder: Path, deadline: float) -> Lease:
    """Join the Redis of a data folder, or start it, waiting at most `deadline` seconds.

    Raises Unavailable with one sentence: no redis-server, data of a newer version, or too slow.
    """
    last = _LastWord()
    folder = _folder(data_folder)
    try:
        async with asyncio.timeout(deadline):
            return await _join(folder, last)
    except TimeoutError:
        raise Unavailable(
            f"the embedded Redis in {folder} was not ready within {deadline:g} s: {last.text}"
        ) from None
    except OSError as error:
        raise Unavailable(
            f"the embedded Redis in {folder} cannot be started: {error.strerror or error}"
        ) from None


async def stopped(data_folder: Path, deadline: float) -> None:
    """Wait until nobody runs Redis in a data folder: its data is saved then, and it may be moved.

    Raises Unavailable if somebody still does after `deadline` seconds.
    """
    folder = _folder(data_folder)
    try:
        async with asyncio.timeout(deadline):
            while True:
                lock = _take_lock(folder)
                if lock is not None:
                    break
                await asyncio.sleep(LOOK_AGAIN)
    except FileNotFoundError:
        return
    except TimeoutError:
        raise Unavailable(f"the embedded Redis in {folder} is still in use") from None
    os.close(lock)


def _folder(data_folder: Path) -> Path:
    return data_folder.absolute() / FOLDER


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _take_lock(folder: Path) -> int | None:
    """A descriptor that holds keeper.lock, or None while a keeper does."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    return lock


class _LastWord:
    """What the keeper is waiting for, for the sentence if we can wait no longer."""

    text = "another command is stopping it"


async def _join(folder: Path, last: _LastWord) -> Lease:
    _make(folder)
    while True:
        sock = _connect(folder / KEEPER_SOCKET)
        if sock is not None:
            lease = await _be_told(folder, sock, last)
            if lease is not None:
                return lease
        # Nobody at the door: a keeper that is ending, or starting, holds the lock.
        lock = _take_lock(folder)
        if lock is None:
            await asyncio.sleep(LOOK_AGAIN)
        elif not await asyncio.to_thread(_start_keeper, folder.parent, lock):
            raise Unavailable(f"the keeper of Redis could not start; see {folder / LOG}")


def _connect(path: Path) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        with connectable(path) as short:
            sock.connect(short)
    except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
        # Not there, nobody behind it, or a full house: look again.
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


async def _be_told(folder: Path, sock: socket.socket, last: _LastWord) -> Lease | None:
    """Wait for "ready". None if the keeper ended before it said anything final."""
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LONGEST_LINE)
    held = False
    try:
        while line := await reader.readline():
            told = json.loads(line)
            if "error" in told:
                raise Unavailable(f"the embedded Redis cannot run: {told['error']}")
            if "ready" in told:
                held = True
                return Lease(folder, reader, writer)
            last.text = str(told.get("waiting", last.text))
        return None
    except (ConnectionError, ValueError):
        return None
    finally:
        if not held:
            writer.close()


def _start_keeper(data_folder: Path, lock: int) -> bool:
    """Start a keeper that inherits the lock; returns once it listens, or has failed to.

    Closes our copy of the lock itself: whoever awaits this thread may be cancelled before it ends.
    """
    here = str(Path(__file__).resolve().parent.parent)
    paths = [path for path in (os.environ.get("PYTHONPATH"), here) if path]
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    try:
        with open(data_folder / FOLDER / LOG, "ab") as log:
            ended = subprocess.run(
                # -P: what lies in the working directory is not the keeper's affair.
                [sys.executable, "-P", "-m", "state.keeper", str(data_folder), str(lock)],
                env={**kept, "PYTHONPATH": os.pathsep.join(paths)},
                pass_fds=(lock,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
    finally:
        os.close(lock)
    return ended.returncode == 0
