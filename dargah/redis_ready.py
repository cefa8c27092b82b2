"""Whether a role of Redis answers, each of its servers asked."""

import asyncio
from typing import NamedTuple

from dargah.http_routes import OK
from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.nodes import Nodes
from state.store import masters

AWAY = "does not answer"
READS_ONLY = "does not accept writes"


class Said(NamedTuple):
    """OK, READS_ONLY or AWAY, and after AWAY or READS_ONLY of some of several servers, of which."""

    word: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.word} ({self.where})" if self.where else self.word


async def answers(redis: Commands) -> Said:
    """What the worst of a role's servers says to a PING."""
    servers = masters(redis)
    said = await asyncio.gather(*map(_ping, servers.values()))
    for word in (AWAY, READS_ONLY):
        where = ", ".join(
            place for place, answer in zip(servers, said, strict=True) if answer == word
        )
        if word in said:
            return Said(word, where)
    if isinstance(redis, Nodes) and not redis.connected:
        return Said(AWAY, redis.reason)
    return Said(OK)


def people_answered(cache: Commands, said: Said) -> Said:
    """What the cache role `said`, as those who ask about people find it.

    They are looked up all the same where a server takes no writes, and in a copy that may be read
    where a master is away.
    """
    if said.word == READS_ONLY or (isinstance(cache, Nodes) and cache.all_readable):
        return Said(OK)
    return said


async def _ping(server: Commands) -> str:
    try:
        await server.send("PING")
    except ReplyError as error:
        # So Redis answers a PING too while it cannot write to its disk.
        return READS_ONLY if error.code == "MISCONF" else AWAY
    except Unavailable:
        return AWAY
    return OK
