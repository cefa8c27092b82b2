"""
Following the topology: look, take it over, look again.

    every `refresh` seconds; at once on a sign of change, five times a second while a master is away
"""

import asyncio
from contextlib import suppress

import structlog

from state.address import Address
from state.copies import Copies
from state.errors import ReplyError, Unavailable
from state.nodes import NewLink, Nodes
from state.topology import Discovery, Topology

log = structlog.get_logger("state")

LEAST_PAUSE = 0.1
WHILE_AWAY = 0.2
"""Seconds between two looks at the least, and while a master has no link."""
CONNECT_WITHIN = 1.0
"""Seconds for a new master to be connected before its slots are given to it all the same."""
OLD_VIEW_FOR = 30.0
"""Seconds after which an older view is believed: the servers were set up anew."""


class Following(Nodes):
    """Nodes that follow what a Discovery finds. Made by open_store() (state/store.py).

    `replicas`: links to them are held too, and those at most `behind` seconds behind may be read.
    """

    def __init__(
        self,
        address: Address,
        discovery: Discovery,
        new_link: NewLink,
        *,
        timeout: float,
        refresh: float,
        replicas: bool,
        behind: float,
    ) -> None:
        copies = None
        if replicas:
            greeting = ("READONLY",) if discovery.replicas_need_readonly else ()
            copies = Copies(new_link, greeting=greeting, behind=behind)
        self._soon = asyncio.Event()
        super().__init__(
            address, new_link, timeout=timeout, copies=copies, look_soon=self._soon.set
        )
        self._discovery = discovery
        self._refresh = refresh
        self._older_since: float | None = None
        self._found = asyncio.Event()
        self._away: bool | None = None
        self._task = asyncio.create_task(self._keep_looking(), name="follow redis")

    async def wait_connected(self) -> None:
        """Until every slot has a master with a link. The caller bounds the wait."""
        while not self.connected:
            self._found.clear()
            await self._found.wait()

    async def close(self) -> None:
        """As Nodes.close."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._discovery.close()
        await super().close()

    async def _keep_looking(self) -> None:
        while True:
            self._soon.clear()
            try:
                await self._look()
            except (Unavailable, ReplyError) as error:
                self.why = str(error)
            except Exception as error:
                # Our own bug, or a server that says what none should: who is followed stays.
                self.why = f"what the servers say cannot be understood ({type(error).__name__})"
                log.error("redis_topology_unread", reason=type(error).__name__)
            self._tell()
            self._found.set()
            await asyncio.sleep(LEAST_PAUSE)
            pause = self._refresh if self.well() else min(self._refresh, WHILE_AWAY)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause - LEAST_PAUSE):
                    await self._soon.wait()

    async def _look(self) -> None:
        found = await self._discovery.look(self.answering())
        if not self._is_old(found) and found != self.topology:
            await self.follow(found, CONNECT_WITHIN)
            log.info(
                "redis_topology",
                masters=[str(shard.master) for shard in found.shards],
                replicas=[str(node) for shard in found.shards for node in shard.replicas],
                epoch=found.epoch,
            )
        if self._copies:
            await self._copies.measure()

    def _tell(self) -> None:
        """Log, once, that a server is away, and that all are back."""
        away = not self.connected
        if away is self._away:
            return
        self._away = away
        if away:
            log.warning("redis_away", reason=self.reason)
        else:
            log.info("redis_connected", servers=str(self.address))

    def _is_old(self, found: Topology) -> bool:
        known = self.topology
        if known is None or found.epoch >= known.epoch or not found.members & known.members:
            self._older_since = None
            return False
        now = self._loop.time()
        if self._older_since is None:
            self._older_since = now
        return now - self._older_since < OLD_VIEW_FOR
