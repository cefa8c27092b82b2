"""A connection of one user's own that goes where a key is: for who waits on it, as a consumer."""

import asyncio
from collections.abc import Callable, Sequence

from state.commands import Arg, Commands, Reply, Script
from state.errors import Unavailable
from state.link import Redis, run_script
from state.nodes import Nodes
from state.slots import slot_of, slot_of_command
from state.topology import Node
from state.wire import PassedOn, fail


class OwnLink:
    """One connection, to the master of the slot that was asked for last.

    It is for keys of one slot: another's commands would make it move to and fro. `new_link` as in
    Nodes; a new connection gets `patience` seconds.
    """

    def __init__(self, nodes: Nodes, new_link: Callable[..., Redis], *, patience: float) -> None:
        self._nodes = nodes
        self._new_link = new_link
        self._patience = patience
        self._node: Node | None = None
        self._link: Redis | None = None

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send. Raises NoSlot."""
        slot = slot_of_command(args)
        return asyncio.ensure_future(self._send(slot, args))

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await run_script(self, script, keys, *args)

    def at(self, key: bytes | str) -> Commands:
        """This connection, once it is at the master of a key's slot: CLIENT ID is asked of it."""
        return _Here(self, slot_of(key))

    async def close(self) -> None:
        """End it."""
        link, self._link, self._node = self._link, None, None
        if link is not None:
            await link.close()

    async def _send(self, slot: int, args: tuple[Arg, ...]) -> Reply:
        node = self._nodes.master_of(slot)
        if node is None:
            return await self._nodes.away(slot)
        if node != self._node or self._link is None:
            await self.close()
            self._node, self._link = node, self._new_link(node, pass_on=self._passed_on)
        link = self._link
        if link.wire is None:
            try:
                async with asyncio.timeout(self._patience):
                    await link.wait_connected()
            except TimeoutError:
                raise Unavailable(link.reason) from None
        return await link.send(*args)

    def _passed_on(self, passed: PassedOn) -> None:
        self._nodes.look_soon()
        fail(passed.future, Unavailable(f"Redis answers {passed.code}"))


class _Here:
    def __init__(self, own: OwnLink, slot: int) -> None:
        self._own = own
        self._slot = slot

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send."""
        return asyncio.ensure_future(self._own._send(self._slot, args))

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await run_script(self, script, keys, *args)
