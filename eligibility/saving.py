"""Have the cache written to disk and to its replicas, every server of it, and wait for it."""

import asyncio
import os
from collections.abc import Iterator
from typing import Final

from eligibility.load_errors import LoadFailed
from state.commands import Commands
from state.errors import ReplyError
from state.store import masters

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.25
"""Seconds between two looks at a save: a small one is over at once, a country's takes minutes."""

_COPY_TRIES: Final = 600
_COPY_WAIT_MS: Final = 500
"""Five minutes in which a replica that was filled anew catches up, half a second at a time."""

_TRIES: Final = 20
"""Other saves that may begin just before ours."""


async def save(cache: Commands) -> None:
    """Have the cache written to disk and, where it has replicas, to them.

    Every server of it, all at once. A save that began before ours is waited for first: it lacks
    what we wrote. A replica that took over without all people would know some no more. Raises
    LoadFailed, Unavailable, ReplyError.
    """
    saves = (_save(server, place) for place, server in servers(cache))
    for failed in await asyncio.gather(*saves, return_exceptions=True):
        if failed:
            raise failed


def servers(cache: Commands) -> Iterator[tuple[str, Commands]]:
    """Every server, after " at HOST:PORT" where it is one of several."""
    found = masters(cache)
    for place, server in found.items():
        yield f" at {place}" if len(found) > 1 else "", server


async def _save(cache: Commands, place: str) -> None:
    for _ in range(_TRIES):
        await _saved(cache)
        try:
            await cache.send("BGSAVE")
            break
        except ReplyError:  # another save began at this moment
            await asyncio.sleep(_FIRST_PAUSE)
    else:
        raise LoadFailed(f"The cache's Redis{place} does not begin to save; see its log.")
    await _copied(cache, place)
    if not await _saved(cache):
        raise LoadFailed(
            f"The cache's Redis{place} could not save the people{await _where(cache)}: "
            "is the disk full? Make room there, or see its log, and load again."
        )


async def _copied(server: Commands, place: str) -> None:
    """Wait until each replica that is linked has all that we wrote."""
    for _ in range(_COPY_TRIES):
        linked = int((await info(server, "replication")).get("connected_slaves", "0"))
        if not linked or await server.send("WAIT", linked, _COPY_WAIT_MS) >= linked:
            return
    raise LoadFailed(
        f"The replicas of the cache's Redis{place} do not keep up; see their logs, and load again."
    )


async def _where(cache: Commands) -> str:
    """ " to FOLDER", where Redis tells its folder."""
    try:
        _, folder = await cache.send("CONFIG", "GET", "dir")
    except (ReplyError, ValueError):
        return ""
    return f" to {os.fsdecode(folder)}"


async def _saved(cache: Commands) -> bool:
    """Wait until nothing is being saved; whether the last save went well."""
    pause = _FIRST_PAUSE
    while True:
        told = await info(cache, "persistence")
        if told.get("rdb_bgsave_in_progress") == "0":
            return told.get("rdb_last_bgsave_status") == "ok"
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def info(cache: Commands, section: str) -> dict[str, str]:
    """One section of INFO, by name. Raises Unavailable, ReplyError."""
    text: bytes = await cache.send("INFO", section)
    lines = text.decode("ascii", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
