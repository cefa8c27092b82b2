"""
Replicas that may be read where a master does not answer.

A replica is asked only while it is known how far behind it is: the seconds since it last heard
from its master, told by INFO replication and counted on from there. One that is being filled
anew, or was never filled, is not asked.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.link import Redis
from state.topology import Node, Topology
from state.wire import PassedOn, fail


@dataclass(frozen=True, slots=True)
class _Lag:
    """So many seconds behind, at a moment of the loop's clock."""

    seconds: float
    at: float


class Copies:
    """Links to replicas; `new_link` as in Nodes, `greeting` what makes a connection read a copy.

    `behind` is how many seconds a replica that is read may be behind its master.
    """

    def __init__(
        self, new_link: Callable[..., Redis], *, greeting: tuple[str, ...], behind: float
    ) -> None:
        self._new_link = new_link
        self._greeting = greeting
        self._behind = behind
        self._loop = asyncio.get_running_loop()
        self._links: dict[Node, Redis] = {}
        self._of: dict[Redis, list[Redis]] = {}
        self._lags: dict[Redis, _Lag] = {}

    def of(self, master: Redis) -> Redis | None:
        """The newest copy of what a master has, of those that are near enough to it.

        One that answers goes before one that does not: its connections may have ended a moment
        ago, because it is being made the master.
        """
        near = [link for link in self._of.get(master, ()) if self._lag(link) <= self._behind]
        return min(near, key=lambda link: (link.wire is None, self._lag(link)), default=None)

    def answering(self) -> list[tuple[Node, Commands]]:
        """Replicas that we have a link to."""
        return [(node, link) for node, link in self._links.items() if link.wire]

    async def follow(
        self, topology: Topology, masters: Mapping[Node, Redis], within: float
    ) -> None:
        """Read from these replicas from now on; new links get `within` seconds to connect."""
        of = {
            masters[shard.master]: [self._open(node) for node in shard.replicas]
            for shard in topology.shards
        }
        self._of = of
        wanted = {node for shard in topology.shards for node in shard.replicas}
        old = [self._links.pop(node) for node in self._links.keys() - wanted]
        for link in old:
            self._lags.pop(link, None)
        await asyncio.gather(*(link.close() for link in old))
        waits = [
            asyncio.ensure_future(link.wait_connected())
            for link in self._links.values()
            if link.wire is None
        ]
        if waits:
            _, late = await asyncio.wait(waits, timeout=within)
            for wait in late:
                wait.cancel()

    async def measure(self) -> None:
        """Ask each replica how far behind it is. One that does not say keeps what it said last."""

        async def one(link: Redis) -> None:
            try:
                lag = lag_of(await link.send("INFO", "replication"))
            except (Unavailable, ReplyError):
                return
            if lag is not None:
                self._lags[link] = _Lag(lag, self._loop.time())

        await asyncio.gather(*map(one, self._links.values()))

    async def close(self) -> None:
        """End the links."""
        links, self._links, self._of = list(self._links.values()), {}, {}
        await asyncio.gather(*(link.close() for link in links))

    def _open(self, node: Node) -> Redis:
        link = self._links.get(node)
        if link is None:
            link = self._links[node] = self._new_link(
                node, greeting=self._greeting, pass_on=_no_copy
            )
        return link

    def _lag(self, link: Redis) -> float:
        lag = self._lags.get(link)
        return math.inf if lag is None else lag.seconds + self._loop.time() - lag.at


def lag_of(info: bytes) -> float | None:
    """Seconds since a replica heard from its master, of INFO replication; infinite: no copy.

    None from who says it is a master: promoted a moment ago, or a master that was away, has not
    heard that it is none any more, and would tell what was true then.
    """
    facts = dict(
        line.split(":", 1) for line in info.decode("ascii", "replace").split("\r\n") if ":" in line
    )
    if facts.get("role") == "master":
        return None
    if facts.get("master_sync_in_progress") != "0":
        return math.inf
    if facts.get("master_link_status") == "up":
        return max(0.0, float(facts.get("master_last_io_seconds_ago", "0")))
    since = float(facts.get("master_link_down_since_seconds", "-1"))
    return since if since >= 0 else math.inf


def _no_copy(passed: PassedOn) -> None:
    fail(passed.future, Unavailable("the replica has no copy of this slot any more"))
