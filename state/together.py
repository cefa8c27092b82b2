"""What is asked for in one turn of the loop, done by one call (DESIGN decision 6, for scripts)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from state.errors import ReplyError, Unavailable

T = TypeVar("T")
R = TypeVar("R")

MOST = 100
"""Items of one call: Redis does nothing else meanwhile, and Lua hands over 8,000 values at most."""


class Together(Generic[T, R]):
    """Gathers items. `call` gets those of one turn and gives a result for each, in their order.

    Where it fails, each of them fails.
    """

    def __init__(self, call: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._call = call
        self._items: list[tuple[T, asyncio.Future[R]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    def add(self, item: T) -> "asyncio.Future[R]":
        """The result of this item. Fails with Unavailable or ReplyError."""
        loop = asyncio.get_running_loop()
        if not self._items:
            loop.call_soon(self._flush)
        future: asyncio.Future[R] = loop.create_future()
        self._items.append((item, future))
        return future

    def _flush(self) -> None:
        items, self._items = self._items, []
        for start in range(0, len(items), MOST):
            call = asyncio.ensure_future(self._do(items[start : start + MOST]))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _do(self, items: list[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._call([item for item, _ in items])
        except (Unavailable, ReplyError) as error:
            for _, future in items:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # seen, where nobody waits any longer
            return
        for (_, future), result in zip(items, results, strict=True):
            if not future.done():
                future.set_result(result)
