"""
Many servers as one Redis: each command goes to the master of its key's slot.

    send(...) ──▶ slot ──▶ the table's link ──▶ that link's write of this turn
                  MOVED, ASK, TRYAGAIN ──▶ the same command again, a few times within its time-out
    a look at the topology, once a second and on every sign of change ──▶ the table

With Sentinel there is one master for all slots. What has no key is for `at(key)`, one node by a
key's slot, or `masters`, each of them; Nodes itself refuses it.
"""

import asyncio
from binascii import crc_hqx
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from state.address import Address
from state.commands import Arg, Commands, Reply, Script
from state.copies import Copies
from state.errors import Unavailable
from state.link import Redis, run_script
from state.slots import KEY_COMES_FIRST, SLOTS, slot_of, slot_of_command
from state.topology import Node, Topology
from state.wire import PassedOn, Wire, fail, failed

MOST_TRIES = 5
AGAIN_AFTER = 0.02
"""Seconds until a command is tried again where it would be of no use at once."""
ASKED_FOR = 5.0
"""Seconds for which a slot counts as moving after a node said so."""

NewLink = Callable[..., Redis]
"""Begins to connect to a node: (node, greeting=, pass_on=, lost=)."""


@dataclass(slots=True)
class _Tries:
    """A command that was passed on: how often it may be yet, and until when."""

    until: float
    left: int = MOST_TRIES


class Nodes:
    """Commands (state.commands.Commands) over the masters of a topology. See state/following.py.

    `new_link` opens links; `timeout` is in seconds a command; `look_soon` is told of every sign
    that the topology has changed.
    """

    def __init__(
        self,
        address: Address,
        new_link: NewLink,
        *,
        timeout: float,
        copies: Copies | None,
        look_soon: Callable[[], None],
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.topology: Topology | None = None
        self.why = f"the servers of {address} have not been found yet"
        self._new_link = new_link
        self._copies = copies
        self.look_soon = look_soon
        self._loop = asyncio.get_running_loop()
        self._links: dict[Node, Redis] = {}
        self._masters: dict[Node, Redis] = {}
        self._table: list[Redis | None] = [None] * SLOTS
        self._tries: dict[asyncio.Future[Reply], _Tries] = {}
        self._moving: dict[int, float] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Nodes({self.address}, {'up' if self.connected else 'down'})"

    @property
    def connected(self) -> bool:
        """Would a command be sent now, whatever its slot?"""
        return bool(self._masters) and all(
            link is not None and link.wire for link in set(self._table)
        )

    @property
    def all_readable(self) -> bool:
        """Would a read be answered now, whatever its slot: by the master, or by a copy?"""
        return bool(self._masters) and all(
            link is not None and (link.wire or self._copy_of(link)) for link in set(self._table)
        )

    def _copy_of(self, link: Redis) -> Wire | None:
        copy = self._copies.of(link) if self._copies else None
        return copy.wire if copy else None

    @property
    def reason(self) -> str:
        """What is missing, or was last: for logs and for who waits at the start."""
        if not self._masters:
            return self.why
        for link in self._masters.values():
            if link.wire is None:
                return link.reason
        return f"not every slot of {self.address} has a server"

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send. Raises NoSlot for a command without a key, or with keys of two slots.

        Fails with Unavailable also where the slot has no server, or is on its way between two.
        """
        key = args[1] if args[0] in KEY_COMES_FIRST else None
        if key.__class__ is bytes and b"{" not in key:
            slot = crc_hqx(key, 0) & 16_383
        else:
            slot = slot_of_command(args)
        link = self._table[slot]
        if link is None or link.wire is None:
            return self.away(slot)
        return link.wire.send(args)

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script; the keys lie in one slot."""
        return await run_script(self, script, keys, *args)

    def at(self, key: bytes | str) -> Commands:
        """The connection to the master of a key's slot, as it is now.

        For commands that have no key and belong to it. After what makes a WAIT of it useless (the
        slot has moved, or the connection is another) it is Unavailable.
        """
        return _Home(self, slot_of(key))

    @property
    def masters(self) -> Mapping[str, Commands]:
        """Each master by its address, for what is to be asked of all."""
        return {str(node): link for node, link in self._masters.items()}

    def replica(self, key: bytes | str) -> Commands | None:
        """Who has a copy of a key's slot that is new enough; None where nobody has."""
        link = self._table[slot_of(key)]
        return self._copies.of(link) if self._copies and link else None

    def away(self, slot: int) -> asyncio.Future[Reply]:
        """A command that cannot be sent now."""
        link = self._table[slot]
        why = link.reason if link else self.reason
        return failed(self._loop, Unavailable(why))

    def master_of(self, slot: int) -> Node | None:
        """Who has a slot now."""
        link = self._table[slot]
        return next((node for node, other in self._links.items() if other is link), None)

    def link_of(self, slot: int) -> Redis | None:
        """The link to who has a slot now."""
        return self._table[slot]

    def is_moving(self, slot: int) -> bool:
        """Did a node say so a short while ago?"""
        return self._loop.time() - self._moving.get(slot, -ASKED_FOR) < ASKED_FOR

    def answering(self) -> list[tuple[Node, Commands]]:
        """Nodes that we have a link to, masters first."""
        found: list[tuple[Node, Commands]] = [
            (node, link) for node, link in self._links.items() if link.wire
        ]
        return found + (self._copies.answering() if self._copies else [])

    async def follow(self, topology: Topology, within: float) -> None:
        """Send to these masters from now on, once they are connected or `within` seconds are over.

        Until then everything goes where it went: to fail there, or to be read from a copy.
        """
        masters = {shard.master: self._open(shard.master) for shard in topology.shards}
        await _connected(masters.values(), within)
        table: list[Redis | None] = [None] * SLOTS
        for shard in topology.shards:
            for first, last in shard.slots:
                table[first : last + 1] = [masters[shard.master]] * (last + 1 - first)
        self._table, self._masters, self.topology = table, masters, topology
        if self._copies:
            await self._copies.follow(topology, masters, min(within, self.timeout))
        for node in self._links.keys() - masters.keys():
            self._retire(self._links.pop(node))

    def well(self) -> bool:
        """Whether every master has its link."""
        return bool(self._masters) and all(link.wire for link in self._masters.values())

    async def close(self) -> None:
        """End all connections; what is outstanding fails with Unavailable. Harmless twice."""
        links, self._links = list(self._links.values()), {}
        self._masters, self._table = {}, [None] * SLOTS
        self.why = f"the connections to {self.address} are closed"
        if self._copies:
            await self._copies.close()
        await asyncio.gather(*(link.close() for link in links), *self._retiring)

    def _open(self, node: Node) -> Redis:
        link = self._links.get(node)
        if link is None:
            link = self._links[node] = self._new_link(
                node, pass_on=lambda passed: self._passed_on(node, passed), lost=self.look_soon
            )
        return link

    def _retire(self, link: Redis) -> None:
        """Close a link when what was sent on it has been answered, or never will be."""

        async def close() -> None:
            await asyncio.sleep(self.timeout)
            await link.close()

        task = asyncio.create_task(close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _passed_on(self, by: Node, passed: PassedOn) -> None:
        future = passed.future
        tries = self._tries.get(future)
        if tries is None:
            tries = self._tries[future] = _Tries(self._loop.time() + self.timeout)
            future.add_done_callback(lambda done: self._tries.pop(done, None))
        tries.left -= 1
        if passed.code in ("MOVED", "CLUSTERDOWN"):
            self.look_soon()
        if passed.code == "CLUSTERDOWN" or tries.left < 0:
            fail(future, Unavailable(f"Redis answers {passed.code}"))
        elif passed.code == "TRYAGAIN":
            self._loop.call_later(AGAIN_AFTER, self._again, passed, None)
        else:
            host, _, port = passed.place.rpartition(":")
            self._again(passed, Node(host or by.host, int(port)))

    def _again(self, passed: PassedOn, to: Node | None) -> None:
        """Send a command where it was told to go; a link that is new gets some time."""
        future = passed.future
        if future.done():
            return
        link = self._open(to) if to else self._table[slot_of_command(passed.args)]
        if link is not None and link.wire is not None:
            if passed.code == "ASK":
                self._moving[passed.slot] = self._loop.time()
            elif passed.code == "MOVED":
                self._table[passed.slot] = link
                self._moving.pop(passed.slot, None)
            link.wire.take_over(future, passed.args, asking=passed.code == "ASK")
        elif self._loop.time() < self._tries[future].until:
            self._loop.call_later(AGAIN_AFTER, self._again, passed, to)
        else:
            fail(future, Unavailable(f"Redis answers {passed.code}"))


class _Home:
    """The connection to the master of one slot, as long as it is that."""

    def __init__(self, nodes: Nodes, slot: int) -> None:
        self._nodes = nodes
        self._slot = slot
        link = nodes.link_of(slot)
        self._wire = link.wire if link else None

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send."""
        link = self._nodes.link_of(self._slot)
        wire: Wire | None = link.wire if link else None
        if wire is None:
            return self._nodes.away(self._slot)
        if wire is not self._wire or self._nodes.is_moving(self._slot):
            # What is to be waited for was written on another connection: on this one there is
            # nothing to wait for, and WAIT would say that all is safe.
            return failed(asyncio.get_running_loop(), Unavailable("its slot has moved"))
        return wire.send(args)

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await run_script(self, script, keys, *args)


async def _connected(links: Iterable[Redis], within: float) -> None:
    """Until all are connected, or the time is over."""
    waits = [asyncio.ensure_future(link.wait_connected()) for link in links if link.wire is None]
    if waits:
        _, late = await asyncio.wait(waits, timeout=within)
        for wait in late:
            wait.cancel()
