"""
The keeper of one data folder's Redis: `python -m state.keeper DATA_DIR`.

Whoever uses the data folder connects to redis/keeper.sock and stays connected: that is a lease.

    user    ── connects ──▶ keeper            the first lease starts both servers
    user    ◀── {"waiting": "..."} ──         while they start, or load their data
    user    ◀── {"ready": true}               or {"error": "one sentence"}, and the end
    kernel  ── closes ──▶ keeper              the user has ended, by whatever death

When the last lease has gone the servers are shut down and the keeper ends. It holds redis/
keeper.lock from before it starts (the user who starts it takes the lock and hands it down) until
the servers have ended, so there is never a second one. Should it be killed, the kernel sends the
servers SIGTERM, and the users see their leases end.

It starts with every command of an operator, so it imports the standard library alone.
"""

import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from state.binary import NoServer, find_server
from state.roles import ROLES
from state.server import Phase, Server
from state.server_log import trim

FOLDER = "redis"
SOCKET = "keeper.sock"
LOCK = "keeper.lock"
LOG = "keeper.log"

FIRST_LEASE = 10.0
"""Seconds that it waits for its first user, who may have died in the meantime."""
LOOK_STARTING = 0.005
LOOK_STEADY = 1.0
SAVE_PATIENCE = 150.0
MOST_LEASES = 500


class Keeper:
    """Leases on one side, servers on the other. The working directory is the data's `redis`."""

    def __init__(self, listener: socket.socket, wakeup: socket.socket) -> None:
        self._listener = listener
        self._wakeup = wakeup
        self._leases: dict[socket.socket, str] = {}  # each with what it was told last
        self._servers: list[Server] = []
        self._failure = ""
        self._stop = False
        self._had_lease = False
        try:
            binary = find_server()
            self._servers = [Server(role, binary, log) for role in ROLES]
            log(f"keeper: started with {binary.path}")
        except NoServer as error:
            self._failure = str(error)

    def stop(self) -> None:
        """From a signal: end in good order, whoever still holds a lease."""
        self._stop = True

    def run(self) -> None:
        """Until the last lease has gone."""
        give_up = time.monotonic() + FIRST_LEASE
        while not self._stop:
            self._wait()
            now = time.monotonic()
            if self._leases and not self._failure:
                for server in self._servers:
                    server.advance(now)
                    self._failure = self._failure or server.failure
            self._tell()
            if not self._leases and (self._had_lease or now > give_up) and not self._accept():
                break
        self._end()

    def _wait(self) -> None:
        steady = all(server.phase is Phase.UP for server in self._servers)
        look = LOOK_STEADY if steady or not self._leases else LOOK_STARTING
        watched = [self._wakeup, *self._leases]
        if len(self._leases) < MOST_LEASES:
            watched.append(self._listener)
        poll = select.poll()
        for sock in watched:
            poll.register(sock, select.POLLIN)
        by_number = {sock.fileno(): sock for sock in watched}
        for number, _ in poll.poll(look * 1000):
            sock = by_number[number]
            if sock is self._listener:
                self._accept()
            elif sock is self._wakeup:
                with suppress(BlockingIOError):
                    sock.recv(4096)
            else:
                self._hear(sock)

    def _accept(self) -> bool:
        """Take in who is waiting at the door; was there anybody?"""
        any_came = False
        while len(self._leases) < MOST_LEASES:
            try:
                lease, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                break
            lease.setblocking(False)
            self._leases[lease] = ""
            any_came = self._had_lease = True
        return any_came

    def _hear(self, lease: socket.socket) -> None:
        """A user never says anything: either the lease has ended, or it is not one of ours."""
        try:
            said = lease.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._drop(lease)

    def _drop(self, lease: socket.socket) -> None:
        self._leases.pop(lease, None)
        lease.close()

    def _tell(self) -> None:
        if self._failure:
            message: dict[str, str | bool] = {"error": self._failure}
        elif all(server.phase is Phase.UP for server in self._servers):
            message = {"ready": True}
        else:
            doing = next(s.doing for s in self._servers if s.phase is not Phase.UP)
            message = {"waiting": doing}
        line = json.dumps(message) + "\n"
        for lease, last in list(self._leases.items()):
            # Who has been told that it is ready hears no more: a restart is not their affair.
            if last == line or '"ready"' in last:
                continue
            self._leases[lease] = line
            try:
                lease.sendall(line.encode())
            except OSError:
                self._drop(lease)
        if self._failure and self._leases:
            log(f"keeper: gave up: {self._failure}")
            for lease in list(self._leases):
                self._drop(lease)

    def _end(self) -> None:
        """Close the door first: who comes now waits for the lock, and starts the next keeper."""
        with suppress(FileNotFoundError):
            os.unlink(SOCKET)
        self._listener.close()
        for lease in list(self._leases):
            self._drop(lease)
        for server in self._servers:
            server.ask_to_end()
        for server in self._servers:
            server.wait_end(SAVE_PATIENCE)
        log("keeper: ended")


def log(line: str) -> None:
    """Append a line to keeper.log, which standard error is."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):
        os.write(2, f"{moment} {line}\n".encode())


def _take_lock(handed_down: int | None) -> bool:
    """Hold keeper.lock until this process ends."""
    if handed_down is not None:
        os.set_inheritable(handed_down, False)
        return True
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _listen() -> socket.socket:
    """The path is relative: a data folder may lie deeper than a socket address reaches."""
    with suppress(FileNotFoundError):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(SOCKET)
    finally:
        os.umask(before)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def _leave_the_starter() -> int:
    """Become nobody's child, without a terminal.

    Gives a descriptor to write an octet to once all stands: the starter waits for that, and ends
    with 1 if it never comes.
    """
    hears, tells = os.pipe()
    if os.fork():
        os.close(tells)
        os._exit(0 if os.read(hears, 1) else 1)
    os.close(hears)
    os.setsid()
    trim(LOG)
    null = os.open(os.devnull, os.O_RDWR)
    logfile = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(logfile, 2)
    return tells


def main(arguments: list[str]) -> None:
    """`DATA_DIR`, and optionally the number of a descriptor that holds the lock."""
    folder = os.path.join(arguments[0], FOLDER)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chdir(folder)
    if not _take_lock(int(arguments[1]) if len(arguments) > 1 else None):
        sys.exit("another keeper has this data folder")
    tells = _leave_the_starter()
    with suppress(ImportError):
        from setproctitle import setproctitle

        setproctitle("dargah-redis-keeper")
    wakeup, ring = socket.socketpair()
    wakeup.setblocking(False)
    ring.setblocking(False)
    keeper = Keeper(_listen(), wakeup)
    signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.stop())
    os.write(tells, b".")
    os.close(tells)
    keeper.run()


if __name__ == "__main__":
    main(sys.argv[1:])
