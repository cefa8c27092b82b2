"""
redis.asyncio as most programs use it: one await for each command, on its own pool.

Only a yardstick: the bench puts it beside our link in the same run.
"""

import asyncio
import time
from collections.abc import Sequence

from redis.asyncio import Redis as PlainRedis
from redis.asyncio import UnixDomainSocketConnection
from redis.asyncio.connection import BlockingConnectionPool

from state.address import Address

CONNECTIONS = 50
"""As many as a busy service would open; the best of 10, 50 and 500 when this was written."""


async def plain_lookups(
    address: Address, fields: Sequence[tuple[bytes, bytes]], in_flight: int, seconds: float
) -> float:
    """HGETs a second over (key, field) pairs, so many under way at once, for so long."""
    if address.path is not None:
        pool = BlockingConnectionPool(
            max_connections=min(in_flight, CONNECTIONS),
            timeout=None,
            connection_class=UnixDomainSocketConnection,
            path=str(address.path),
        )
    else:
        pool = BlockingConnectionPool.from_url(
            address.url, max_connections=min(in_flight, CONNECTIONS), timeout=None
        )
    redis = PlainRedis(connection_pool=pool)
    until = time.perf_counter() + seconds
    done = 0

    async def worker(first: int) -> None:
        nonlocal done
        n = first
        while True:
            key, field = fields[n % len(fields)]
            await redis.hget(key, field)
            done += 1
            n += in_flight
            if time.perf_counter() >= until:
                return

    began = time.perf_counter()
    await asyncio.gather(*(worker(first) for first in range(in_flight)))
    elapsed = time.perf_counter() - began
    await redis.aclose()
    await pool.disconnect()
    return done / elapsed
