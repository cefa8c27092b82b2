"""Which server is the master of which slots, and who copies it: facts, however they were found."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from state.commands import Commands


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A server by the address that clients reach it at."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One master, its replicas, and its slots as (first, last) pairs."""

    master: Node
    replicas: tuple[Node, ...]
    slots: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """What one server said at one moment.

    `epoch` grows with every failover: who says a lower one has not heard of it yet. `members` tell
    one installation from another that came to the same addresses.
    """

    shards: tuple[Shard, ...]
    epoch: int
    members: frozenset[bytes]


class Discovery(Protocol):
    """Who knows the topology: the nodes of a Cluster, or Sentinels."""

    replicas_need_readonly: bool
    """Whether a replica answers reads only on a connection that has said READONLY."""

    async def look(self, answering: list[tuple[Node, Commands]]) -> Topology:
        """The newest topology that can be had now. `answering`: nodes that we have links to.

        Raises Unavailable.
        """
        ...

    async def close(self) -> None:
        """End the connections of its own."""
        ...


Connect = Callable[[Node], Awaitable["ShortLink"]]


class ShortLink(Commands, Protocol):
    """A connection for one look."""

    async def close(self) -> None:
        """End it."""
        ...
