"""
What Sentinels say: who is the master under a name, and who copies it.

All are asked, and who knows of the latest failover (the highest config-epoch) is believed, once
the server that it names says itself, by ROLE, that it is a master. See the Redis documentation,
"Guidelines for Redis clients with support for Redis Sentinel".
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.link import Redis
from state.slots import SLOTS
from state.topology import Connect, Node, Shard, Topology

FIRST_CONNECT = 1.0
"""Seconds that the first look waits for a Sentinel."""


class SentinelDiscovery:
    """Asks the Sentinels at `seeds`, by links that `new_link` begins and we keep.

    `connect_data` opens one to a data server, to see what it says itself.
    """

    replicas_need_readonly = False

    def __init__(
        self,
        seeds: Sequence[Node],
        name: str,
        new_link: Callable[[Node], Redis],
        connect_data: Connect,
    ) -> None:
        self._seeds = tuple(dict.fromkeys(seeds))
        self._name = name
        self._new_link = new_link
        self._connect_data = connect_data
        self._links: dict[Node, Redis] = {}
        self._proven: tuple[Node, int] | None = None

    async def look(self, answering: list[tuple[Node, Commands]]) -> Topology:
        """As Discovery.look."""
        said = await asyncio.gather(
            *(self._ask(seed) for seed in self._seeds), return_exceptions=True
        )
        views = [view for view in said if isinstance(view, Topology)]
        if not views:
            errors = [str(error) for error in said if isinstance(error, Unavailable | ReplyError)]
            why = errors[0] if errors else type(said[0]).__name__
            raise Unavailable(f"no Sentinel tells of {self._name}: {why}")
        best = max(views, key=lambda view: view.epoch)
        master = best.shards[0].master
        if self._proven != (master, best.epoch):
            await self._prove(master, dict(answering).get(master))
            self._proven = (master, best.epoch)
        return best

    async def _ask(self, seed: Node) -> Topology:
        link = self._links.get(seed)
        if link is None:
            link = self._links[seed] = self._new_link(seed)
            with suppress(TimeoutError):  # later ones find out at once whether it is there
                async with asyncio.timeout(FIRST_CONNECT):
                    await link.wait_connected()
        address, master, replicas = await asyncio.gather(
            link.send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name),
            link.send("SENTINEL", "MASTER", self._name),
            link.send("SENTINEL", "SLAVES", self._name),
        )
        return parse(address, master, replicas, seed)

    async def _prove(self, master: Node, link: Commands | None) -> None:
        opened = None
        try:
            if link is None:
                link = opened = await self._connect_data(master)
            role = await link.send("ROLE")
        finally:
            if opened is not None:
                await opened.close()
        if role[0] != b"master":
            raise Unavailable(f"{master}, which the Sentinels name, is not a master yet")

    async def close(self) -> None:
        """End the links to the Sentinels."""
        links, self._links = self._links, {}
        await asyncio.gather(*(link.close() for link in links.values()))


def parse(
    address: list[Any] | None, master: list[Any], replicas: list[list[Any]], asked: Node
) -> Topology:
    """Replies to SENTINEL GET-MASTER-ADDR-BY-NAME, MASTER and SLAVES. Raises Unavailable.

    During a failover the first one names the new master already, where the second has its epoch
    and still the address of the old.
    """
    try:
        if address is None:
            raise Unavailable(f"the Sentinel {asked} knows of no such master")
        chosen = Node(address[0].decode(), int(address[1]))
        facts = _facts(master)
        # Whatever a Sentinel thinks of its own link to a replica: ours may be well.
        others = [found for found in map(_facts, replicas) if found[b"ip"]]
        shard = Shard(
            chosen,
            tuple(sorted(node for node in map(_node, others) if node != chosen)),
            ((0, SLOTS - 1),),
        )
        return Topology((shard,), int(facts[b"config-epoch"]), frozenset({facts[b"name"]}))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise Unavailable(f"what the Sentinel {asked} says cannot be read") from error


def _facts(flat: list[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _node(facts: dict[bytes, bytes]) -> Node:
    return Node(facts[b"ip"].decode(), int(facts[b"port"]))
