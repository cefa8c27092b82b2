"""Have the cache written to disk, and wait for it."""

import asyncio
import os
from typing import Final

from eligibility.load_errors import LoadFailed
from state.commands import Commands
from state.errors import ReplyError

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.25
"""Seconds between two looks at a save: a small one is over at once, a country's takes minutes."""

_TRIES: Final = 20
"""Other saves that may begin just before ours."""


async def save(cache: Commands) -> None:
    """Have the cache written to disk, and wait for it. Raises LoadFailed, Unavailable, ReplyError.

    A save that began before ours is waited for first: it lacks what we wrote.
    """
    for _ in range(_TRIES):
        await _saved(cache)
        try:
            await cache.send("BGSAVE")
            break
        except ReplyError:  # another save began at this moment
            await asyncio.sleep(_FIRST_PAUSE)
    else:
        raise LoadFailed("The cache's Redis does not begin to save; see its log.")
    if not await _saved(cache):
        raise LoadFailed(
            f"The cache's Redis could not save the people{await _where(cache)}: is the disk full? "
            "Make room there, or see its log, and load again."
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
