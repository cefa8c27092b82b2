"""
Keys of the providers' systems.

    dg_1f0c9a77_mZ2b...   dg_, eight hex digits of an ID, _, 43 characters of base64url

The secret part is 32 random bytes, so a plain SHA-256 of it is as good as a slow hash: nobody
can try them all. Only that digest is stored, and the whole key is shown once, when it is made.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from state.commands import Commands, Script

ELIGIBILITY = "eligibility"
"""May ask whether a person is covered."""

DETAILS = "details"
"""Is also told the kind of insurance and the branch."""

SCOPES = frozenset({ELIGIBILITY, DETAILS})

LIST = "apikeys"
KEY = re.compile(r"dg_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
KEY_ID = re.compile(r"[0-9a-f]{8}")
NAME = re.compile(r"[^\W_][\w .,()/-]{0,63}")

# Scripts, so that two operators at once can neither share an ID nor revive a revoked key.
CREATE = Script(
    "apikey_create",
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end "
    "redis.call('HSET', KEYS[1], unpack(ARGV)) return 1",
)
REVOKE = Script(
    "apikey_revoke",
    "if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end "
    "return redis.call('HSETNX', KEYS[1], 'revoked', ARGV[1])",
)


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about a key besides its secret. Times are aware."""

    id: str
    name: str
    scopes: frozenset[str]
    created: datetime
    revoked: datetime | None


class ApiKeys:
    """The keys in the state Redis, one hash each and a set of all their IDs.

    Every method raises Unavailable or ReplyError where Redis does not answer.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def create(
        self,
        name: str,
        scopes: Iterable[str],
        randomness: Callable[[int], bytes],
        now: datetime,
    ) -> str:
        """Make a key and return it whole: it can never be shown again.

        `randomness` gives that many bytes from a cryptographic source; `now` is aware. Raises
        ValueError for an empty or odd name, and for a scope that doesn't exist.
        """
        wanted = frozenset(scopes)
        if not NAME.fullmatch(name):
            raise ValueError("a key's name is 1 to 64 letters, digits, spaces or .,()/-")
        if not wanted or not wanted <= SCOPES:
            raise ValueError(f"a key's scopes are some of: {', '.join(sorted(SCOPES))}")
        while True:
            key_id = randomness(4).hex()
            secret = base64.urlsafe_b64encode(randomness(32)).decode().rstrip("=")
            # Listed first: a list that names a missing key is harmless, a key that nobody can
            # find to revoke it is not.
            await self._commands.send("SADD", LIST, key_id)
            facts = {
                "name": name,
                "sha256": _digest(secret),
                "scopes": json.dumps(sorted(wanted)),
                "created": now.isoformat(),
            }
            flat = [part for pair in facts.items() for part in pair]
            if await self._commands.script(CREATE, [_place(key_id)], *flat) == 1:
                return f"dg_{key_id}_{secret}"

    async def list(self) -> list[Key]:
        """Every key ever made, oldest first, the revoked ones too."""
        ids = sorted(raw.decode() for raw in await self._commands.send("SMEMBERS", LIST))
        replies = await asyncio.gather(
            *(self._commands.send("HGETALL", _place(key_id)) for key_id in ids)
        )
        named = zip(ids, replies, strict=True)
        keys = [key for key_id, reply in named if (key := _key(key_id, _fields(reply)))]
        return sorted(keys, key=lambda key: key.created)

    async def revoke(self, key_id: str, now: datetime) -> bool:
        """Refuse this key from now on; False if there is none. A second time changes nothing."""
        if not KEY_ID.fullmatch(key_id):
            return False
        done = await self._commands.script(REVOKE, [_place(key_id)], now.isoformat())
        return bool(done != -1)

    async def check(self, authorization: str | None) -> Key | None:
        """The key of an Authorization header, or None. A revoked key is given back as revoked."""
        scheme, _, token = (authorization or "").partition(" ")
        found = KEY.fullmatch(token.strip(" "))
        if scheme.lower() != "bearer" or found is None:
            return None
        key_id, secret = found.groups()
        fields = _fields(await self._commands.send("HGETALL", _place(key_id)))
        if not hmac.compare_digest(_digest(secret), fields.get("sha256", "")):
            return None
        return _key(key_id, fields)


def _place(key_id: str) -> str:
    return f"apikey:{key_id}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _fields(reply: list[bytes]) -> dict[str, str]:
    texts = [part.decode() for part in reply]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _key(key_id: str, fields: dict[str, str]) -> Key | None:
    if not fields:
        return None
    revoked = fields.get("revoked")
    return Key(
        id=key_id,
        name=fields["name"],
        scopes=frozenset(json.loads(fields["scopes"])),
        created=datetime.fromisoformat(fields["created"]),
        revoked=None if revoked is None else datetime.fromisoformat(revoked),
    )
