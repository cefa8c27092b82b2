"""
What a Cluster says of itself: CLUSTER SLOTS for the addresses, CLUSTER NODES for the epochs.

SLOTS gives every node the address that clients are to use (a name where the operator prefers
names, the TLS port on a TLS connection); NODES alone has the epochs by which an old view is told
from a new one: a master that was frozen goes on saying for a moment that it is one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.topology import Connect, Node, Shard, Topology

ASKED = 3
"""Linked nodes asked in one look before strangers are; one that is slow costs a time-out."""


class ClusterDiscovery:
    """Asks any node that answers: those that we have links to, else `seeds`, by `connect`."""

    replicas_need_readonly = True

    def __init__(self, seeds: Sequence[Node], connect: Connect) -> None:
        self._seeds = tuple(seeds)
        self._connect = connect
        self._known: tuple[Node, ...] = ()
        self._turn = 0

    async def look(self, answering: list[tuple[Node, Commands]]) -> Topology:
        """As Discovery.look: the newest of what some nodes say."""
        self._turn += 1
        start = self._turn % len(answering) if answering else 0
        asked = (answering[start:] + answering[:start])[:ASKED]
        views = await asyncio.gather(
            *(topology_of(commands, node) for node, commands in asked), return_exceptions=True
        )
        found = [view for view in views if isinstance(view, Topology)]
        why = "no node of the Cluster answers"
        for node in () if found else dict.fromkeys((*self._seeds, *self._known)):
            try:
                link = await self._connect(node)
                try:
                    found.append(await topology_of(link, node))
                finally:
                    await link.close()
                break
            except (Unavailable, ReplyError) as error:
                why = str(error)
        if not found:
            raise Unavailable(why)
        best = max(found, key=lambda view: view.epoch)
        self._known = tuple(
            node for shard in best.shards for node in (shard.master, *shard.replicas)
        )
        return best

    async def close(self) -> None:
        """Nothing is held between two looks."""


async def topology_of(commands: Commands, asked: Node) -> Topology:
    """What one node says. Raises Unavailable, also where it knows of no slots, and ReplyError."""
    slots, nodes = await asyncio.gather(
        commands.send("CLUSTER", "SLOTS"), commands.send("CLUSTER", "NODES")
    )
    try:
        return parse(slots, nodes, asked)
    except (ValueError, IndexError, TypeError) as error:
        raise Unavailable(f"what {asked} says of the Cluster cannot be read") from error


def parse(slots: list[Any], nodes: bytes, asked: Node) -> Topology:
    """The replies to CLUSTER SLOTS and CLUSTER NODES of the node that was asked.

    An address that the node itself does not know (of its own, say) is the one it was asked at.
    Raises Unavailable where there are no slots; ValueError, IndexError, TypeError.
    """
    members: set[bytes] = set()
    failed: set[bytes] = set()
    epochs: list[int] = []
    for line in nodes.splitlines():
        words = line.split()
        members.add(words[0])
        epochs.append(int(words[6]))
        if {b"fail", b"noaddr", b"handshake"} & set(words[2].split(b",")):
            failed.add(words[0])
    ranges: dict[Node, list[tuple[int, int]]] = defaultdict(list)
    replicas: dict[Node, tuple[Node, ...]] = {}
    for first, last, master, *others in slots:
        node = _node(master, asked)
        ranges[node].append((int(first), int(last)))
        replicas[node] = tuple(
            sorted(_node(other, asked) for other in others if other[2] not in failed)
        )
    if not ranges:
        raise Unavailable(f"{asked} knows of no slots: it is not part of a Cluster that works")
    shards = tuple(
        Shard(node, replicas[node], tuple(sorted(ranges[node]))) for node in sorted(ranges)
    )
    return Topology(shards, max(epochs), frozenset(members))


def _node(said: list[Any], asked: Node) -> Node:
    """[host, port, id, ...]; a host that is nil, empty or "?" is not known to who says it."""
    host = (said[0] or b"").decode()
    return Node(host if host not in ("", "?") else asked.host, int(said[1]))
