"""
Redis in a box: a Cluster, or a master watched by Sentinels, on loopback, to be mistreated.

For `dargah bench failover` and the tests. Nothing is saved that must last; everything ends with
the block. Made from whatever redis-server the gateway itself would find.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dargah.box_server import NODE_TIMEOUT, BoxServer, free_ports, redis_servers, wait_for
from state.binary import find_server
from state.slots import SLOTS


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
        for port in free_ports(3):
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
