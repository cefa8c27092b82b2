"""
One load at a time: a lease in the state role, renewed while the load runs.

A loader that dies leaves a lease that ends by itself. One that lost its lease (it was frozen, or
Redis was away for too long) can change nothing any more: every script that moves generations
asks for the lease's token first.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from state.commands import Commands, Script
from state.errors import ReplyError, Unavailable

LEASE_KEY = "{generations}:lease"
LASTS_MS = 60_000
RENEWED_EVERY = 10.0
"""Seconds. Five renewals may fail before the lease ends."""

_RENEW = Script(
    "renew_load_lease",
    """
    if redis.call('GET', KEYS[1]) == ARGV[1] then
      return redis.call('PEXPIRE', KEYS[1], ARGV[2])
    end
    return 0
    """,
)
_RELEASE = Script(
    "release_load_lease",
    """
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
    return 0
    """,
)


class LeaseTaken(Exception):
    """Another load is running."""


class LeaseLost(Exception):
    """The lease ended while the load ran; another load may have begun."""


@asynccontextmanager
async def load_lease(state: Commands, token: str) -> AsyncIterator[None]:
    """Hold the lease. Raises LeaseTaken, Unavailable or ReplyError.

    The lease is given back at the end, also of a load that failed; where Redis cannot be reached
    then, it ends within LASTS_MS.
    """
    if await state.send("SET", LEASE_KEY, token, "NX", "PX", LASTS_MS) is None:
        raise LeaseTaken("another load is running")
    renewing = asyncio.create_task(_renew(state, token), name="renew load lease")
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        with suppress(Unavailable, ReplyError):
            await state.script(_RELEASE, [LEASE_KEY], token)


async def _renew(state: Commands, token: str) -> None:
    while True:
        await asyncio.sleep(RENEWED_EVERY)
        with suppress(Unavailable, ReplyError):
            if not await state.script(_RENEW, [LEASE_KEY], token, LASTS_MS):
                return  # lost: the scripts that move generations will say so
