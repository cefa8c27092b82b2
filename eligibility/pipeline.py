"""Many commands, a bounded number of them under way."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable

from state.commands import Arg, Commands, Reply

UNDER_WAY = 32
"""Bucket writes take some 0.1 ms each in Redis: this many hold up a lookup by a few ms at most."""


async def replies(
    redis: Commands, commands: Iterable[tuple[Arg, ...]], limit: int = UNDER_WAY
) -> AsyncGenerator[Reply, None]:
    """Send the commands and give their replies in order; `limit` are under way at most.

    Raises what Commands.send raises; whatever is under way then is abandoned. Close the generator
    (contextlib.aclosing) where it is left early.
    """
    waiting: deque[asyncio.Future[Reply]] = deque()
    try:
        for command in commands:
            waiting.append(redis.send(*command))
            if len(waiting) >= limit:
                for _ in range(limit // 2 or 1):
                    yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for future in waiting:
            future.cancel()


async def send_all(
    redis: Commands, commands: Iterable[tuple[Arg, ...]], limit: int = UNDER_WAY
) -> None:
    """Send the commands and wait for all of them. Raises what Commands.send raises."""
    async for _ in replies(redis, commands, limit):
        pass
