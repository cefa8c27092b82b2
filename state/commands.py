"""
What the rest of Dargah may ask of Redis: one command, or one script, at a time.

Commands sent in the same turn of the event loop travel in one write, so
callers never batch by hand: they send, and await what they need.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Arg = bytes | str | int | float
Reply = Any
"""bytes, int, None or a list of replies, as RESP2 has them."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script. Every key it touches lies in one hash slot, so it runs on a Cluster too."""

    name: str
    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


class Commands(Protocol):
    """One Redis, as its users see it. Tests stand in for it to make the n-th call fail."""

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """Join this turn's write; the future gives the reply.

        The future fails with Unavailable (no answer within the connection's timeout, or no
        connection) or ReplyError (an error reply).
        """
        ...

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """Run a script by its hash, sending its source where the server lacks it."""
        ...
