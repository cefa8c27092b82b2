"""
Sessions: a small blob under a key, with a version and an end.

A network may ask twice at once, or repeat itself late. Whoever loaded a session may only save it
over the very version that they loaded. A session's first version is the server's clock in
microseconds, so that a late writer never takes a new session under an old key for their own.
"""

from dataclasses import dataclass, field

from state.commands import Arg, Commands, Script

LARGEST_BLOB = 16 * 1024

# KEYS[1] the session, KEYS[2] what is kept beside it, if anything.
# ARGV: what must be held ("" for nothing, "any"), blob, milliseconds; then blob and milliseconds of
# what is kept beside, an empty blob to drop it.
# The answer is the version that is held now, or 0 when it was another than expected.
_SAVE = Script(
    "session_save",
    """
local held = redis.call('HGET', KEYS[1], 'v') or ''
if ARGV[1] ~= 'any' and ARGV[1] ~= held then return 0 end
local next
if ARGV[1] ~= 'any' and held ~= '' then
    next = tonumber(held) + 1
else
    local clock = redis.call('TIME')
    next = clock[1] * 1000000 + clock[2]
    if held ~= '' then next = math.max(next, tonumber(held) + 1) end
end
redis.call('HSET', KEYS[1], 'v', string.format('%.0f', next), 'b', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if KEYS[2] then
    if ARGV[4] == '' then
        redis.call('DEL', KEYS[2])
    else
        redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
    end
end
return next
""",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What was saved last, and the version to save over it with."""

    version: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class Beside:
    """What is written in the same step as a session, or not at all; an empty blob drops it.

    Its key shares the session's hash slot: both have the same words in braces.
    """

    key: str
    blob: bytes = field(default=b"", repr=False)
    ttl_seconds: float = 0.0


class SessionStore:
    """Sessions in Redis. Keys come ready made, without a number or an ID in clear.

    Every method raises Unavailable where Redis cannot answer.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def load(self, key: str) -> Stored | None:
        """The session under a key; None if there is none, or it has ended."""
        version, blob = await self._commands.send("HMGET", key, "v", "b")
        if version is None or blob is None:
            return None
        return Stored(int(version), blob)

    async def beside(self, key: str) -> bytes | None:
        """What was kept beside a session; None if nothing is, or it has ended."""
        blob: bytes | None = await self._commands.send("GET", key)
        return blob

    async def save(
        self,
        key: str,
        expected_version: int,
        blob: bytes,
        ttl_seconds: float,
        beside: Beside | None = None,
    ) -> bool:
        """Save over `expected_version`, which becomes one higher; with 0, where there is none.

        False, and nothing is changed, if another version is held. Raises ValueError for a blob
        that is too large.
        """
        expected = str(expected_version) if expected_version else ""
        return await self._save(key, expected, blob, ttl_seconds, beside) != 0

    async def create_or_replace(self, key: str, blob: bytes, ttl_seconds: float) -> int:
        """Begin anew, whatever was there; the version to save over. Raises as save() does."""
        return await self._save(key, "any", blob, ttl_seconds)

    async def drop(self, key: str) -> None:
        """End a session; nothing happens if there is none."""
        await self._commands.send("DEL", key)

    async def _save(
        self,
        key: str,
        expected: str,
        blob: bytes,
        ttl_seconds: float,
        beside: Beside | None = None,
    ) -> int:
        for each in (blob, beside.blob if beside is not None else b""):
            if len(each) > LARGEST_BLOB:
                raise ValueError(f"a session of {len(each)} octets; {LARGEST_BLOB} at most")
        keys = [key]
        args: list[Arg] = [expected, blob, _milliseconds(ttl_seconds)]
        if beside is not None:
            keys.append(beside.key)
            args += [beside.blob, _milliseconds(beside.ttl_seconds)]
        return int(await self._commands.script(_SAVE, keys, *args))


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
