"""
Redis in a box: real servers on loopback, as a Cluster or watched by Sentinels, to be mistreated.

For `dargah bench failover` and the tests. Nothing is saved that must last; everything ends with
the block. Made from whatever redis-server the gateway itself would find.
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
from state.slots import SLOTS

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


@dataclass(frozen=True, slots=True)
class ClusterBox:
    """A Cluster: the first half were made masters, each with one of the others as its replica."""

    servers: tuple[BoxServer, ...]

    @property
    def url(self) -> str:
        """What goes into the settings."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in self.servers[:2])

    def masters(self) -> list[BoxServer]:
        """Those with slots, as a living one sees it."""
        return [self.by_port(port) for port in sorted(set(self.owners().values()))]

    def by_port(self, port: int) -> BoxServer:
        """A server by its port."""
        return next(server for server in self.servers if server.port == port)

    def master_of(self, slot: int) -> BoxServer:
        """Whoever has a slot now."""
        owners = self.owners()
        return self.by_port(next(port for (a, b), port in owners.items() if a <= slot <= b))

    def owners(self) -> dict[tuple[int, int], int]:
        """Slots and the port of their master, as whoever knows of the latest failover says."""
        best: tuple[int, dict[tuple[int, int], int]] = (-1, {})
        for server in self.servers:
            if not server.lives:
                continue
            best = max(best, _view(server), key=lambda view: view[0])
        return best[1]

    def settled(self) -> bool:
        """Whether every living server finds all well: each slot served, each replica in step."""
        living = [server for server in self.servers if server.lives]
        owning = set(self.owners().values())
        for server in living:
            said = server.info("CLUSTER", "INFO")
            if said.get("cluster_state") != "ok" or said.get("cluster_slots_fail") != "0":
                return False
            if not (server.is_master if server.port in owning else server.in_step):
                return False
        return True

    def id_of(self, server: BoxServer) -> str:
        """A node's name for CLUSTER commands."""
        return str(server.told("CLUSTER", "MYID").decode())

    def move_slot(self, slot: int, to: BoxServer, moving: Callable[[], None]) -> None:
        """Reshard one slot as redis-cli does; `moving` is called while half its keys have gone."""
        source = self.master_of(slot)
        to.told("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.told("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(to))
        count = source.told("CLUSTER", "COUNTKEYSINSLOT", slot)
        keys = source.told("CLUSTER", "GETKEYSINSLOT", slot, count)
        for number, key in enumerate(keys):
            if number == len(keys) // 2:
                moving()
            source.told("MIGRATE", "127.0.0.1", to.port, key.decode(), 0, 5000)
        if not keys:
            moving()
        for server in (to, source, *self.masters()):
            server.told("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(to))

        def agreed() -> bool:
            views = [_view(server)[1] for server in self.servers if server.lives]
            return all(
                any(a <= slot <= b for (a, b), p in view.items() if p == to.port) for view in views
            )

        # A source that died before its replica has heard of it would have no successor: the
        # others do not vote for who claims what another has with a higher epoch.
        wait_for(agreed, "all servers' agreement on a slot")


@dataclass(frozen=True, slots=True)
class SentinelBox:
    """One master, one replica, three Sentinels."""

    servers: tuple[BoxServer, ...]
    sentinels: tuple[BoxServer, ...]

    @property
    def url(self) -> str:
        """What goes into the settings."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.sentinels)
        return f"redis+sentinel://{hosts}/people"

    def master(self) -> BoxServer | None:
        """Whom most Sentinels name, if it says itself that it is a master."""
        ports = [
            int(said[1])
            for server in self.sentinels
            if (said := server.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "people"))
        ]
        for server in self.servers:
            named = ports.count(server.port) > len(self.sentinels) // 2
            if named and server.lives and server.is_master:
                return server
        return None

    def settled(self) -> bool:
        """Whether there is one master, and every other living server is in step with it."""
        master = self.master()
        living = [server for server in self.servers if server.lives]
        return master is not None and all(s is master or s.in_step for s in living)


@contextmanager
def cluster_box(masters: int = 3, password: str = "") -> Iterator[ClusterBox]:
    """A Cluster of so many masters with a replica each; ended, whatever state it is in."""
    with redis_servers(2 * masters, cluster=True, password=password) as servers:
        box = ClusterBox(tuple(servers))
        first, mains, copies = servers[0], servers[:masters], servers[masters:]
        for number, server in enumerate(mains):
            start, end = (n * SLOTS // masters for n in (number, number + 1))
            server.told("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            server.told("CLUSTER", "ADDSLOTS", *range(start, end))
        for server in servers[1:]:
            first.told("CLUSTER", "MEET", "127.0.0.1", server.port)
        wait_for(
            lambda: all(len(_nodes(server)) == len(servers) for server in servers), "the nodes"
        )
        for main, copy in zip(mains, copies, strict=True):
            main_id = box.id_of(main)
            wait_for(lambda c=copy, i=main_id: _agreed(c, i), "a replica's role")  # type: ignore[misc]
        wait_for(box.settled, "the Cluster's replicas in step")
        yield box


def _agreed(copy: BoxServer, main_id: str) -> bool:
    return bool(copy.ask("CLUSTER", "REPLICATE", main_id))


@contextmanager
def sentinel_box() -> Iterator[SentinelBox]:
    """A master and a replica, watched by three Sentinels under the name "people"."""
    with redis_servers(2) as servers, ExitStack() as ending:
        master, copy = servers
        copy.told("REPLICAOF", "127.0.0.1", master.port)
        sentinels = []
        for port in _free_ports(3):
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="sentinel-")))
            config = folder / "sentinel.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor people 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds people {NODE_TIMEOUT * 1000:.0f}\n"
                "sentinel failover-timeout people 3000\n"
            )
            command = [find_server().path, str(config), "--sentinel"]
            server = BoxServer(port, folder, command)
            ending.callback(server.kill)
            server.start()
            sentinels.append(server)
        box = SentinelBox(tuple(servers), tuple(sentinels))
        wait_for(lambda: box.settled() and all(map(_sees_all, sentinels)), "the Sentinels")
        yield box


def _sees_all(sentinel: BoxServer) -> bool:
    said = sentinel.ask("SENTINEL", "MASTER", "people") or []
    facts = dict(zip(said[::2], said[1::2], strict=True))
    return facts.get(b"num-other-sentinels") == b"2" and facts.get(b"num-slaves") == b"1"


@contextmanager
def redis_servers(
    number: int, *, cluster: bool = False, password: str = ""
) -> Iterator[list[BoxServer]]:
    """So many servers that know nothing of each other yet."""
    binary = find_server().path
    with ExitStack() as ending:
        servers = []
        for port in _free_ports(number):
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


def _view(server: BoxServer) -> tuple[int, dict[tuple[int, int], int]]:
    """The highest epoch that a server knows of, and slots with the port of their master."""
    epoch = 0
    found: dict[tuple[int, int], int] = {}
    for words in _nodes(server):
        epoch = max(epoch, int(words[6]))
        if "master" in words[2]:
            port = int(words[1].split("@")[0].rpartition(":")[2])
            for some in words[8:]:
                first, _, last = some.partition("-")
                if first.isdecimal():
                    found[int(first), int(last or first)] = port
    return epoch, found


def _nodes(server: BoxServer) -> list[list[str]]:
    """CLUSTER NODES, each line in words; without those that are only being met."""
    lines = (server.ask("CLUSTER", "NODES") or b"").decode().splitlines()
    return [words for line in lines if "handshake" not in (words := line.split())[2]]


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


def _free_ports(number: int) -> list[int]:
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
