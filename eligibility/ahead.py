"""Work of numpy, zlib and the disk in a thread, one item ahead of the loop that uses them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import TypeVar

Item = TypeVar("Item")


async def ahead(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    """The items, each made in a thread while the one before is used. Raises what making them does.

    Close it (contextlib.aclosing) where it is left early: the thread has ended then.
    """
    loop = asyncio.get_running_loop()
    coming = loop.run_in_executor(None, _next, items)
    try:
        while made := await asyncio.shield(coming):
            coming = loop.run_in_executor(None, _next, items)
            yield made[0]
    finally:
        await asyncio.wait([coming])
        coming.exception()  # seen: whoever leaves early has no use for it


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    for item in items:
        return (item,)
    return None
