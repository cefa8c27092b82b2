"""
What has been published, in the state role of Redis, for every process to read.

    {dialogue}        current         the digest in service; absent or empty: nobody's, each
                                      process speaks from its own files
                      times           how often anything was put in service, so that a process
                                      which refused a version tries again when it is put anew
                      bundle:DIGEST   the files (bundle.py)
                      facts:DIGEST    who published it, and when
                      before:DIGEST   what was in service before it
                      notice          the notice in force (notice.py)
    {dialogue}:kept   digests, the last in service first; what falls off its end is forgotten
    {dialogue}:log    every change, the newest first

All keys share one slot, so each change is one script on a Cluster too.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dialogue.bundle import DIGEST, BadBundle, Bundle, unpack
from dialogue.notice import Notice
from state.commands import Commands, Script

KEY, KEPT_KEY, LOG_KEY = "{dialogue}", "{dialogue}:kept", "{dialogue}:log"
MOST_KEPT = 20
MOST_LOGGED = 200
LONGEST_NAME = 64

SET, CLEARED = "set a notice", "cleared the notice"
PUBLISHED, WENT_BACK = "published", "went back"

_SERVE = """
local function serve(digest)
    redis.call('HSET', KEYS[1], 'current', digest)
    redis.call('HINCRBY', KEYS[1], 'times', 1)
    if digest ~= '' then
        redis.call('LREM', KEYS[2], 0, digest)
        redis.call('LPUSH', KEYS[2], digest)
    end
end
local function log(entry, most)
    redis.call('LPUSH', KEYS[3], entry)
    redis.call('LTRIM', KEYS[3], 0, most - 1)
end
"""
_PUBLISH = Script(
    "publish_dialogue",
    _SERVE
    + """
    -- ARGV digest, bundle, facts, log entry, most kept, most logged
    local current = redis.call('HGET', KEYS[1], 'current') or ''
    redis.call('HSET', KEYS[1], 'bundle:' .. ARGV[1], ARGV[2])
    if current == ARGV[1] then
        serve(ARGV[1])
        return 0
    end
    redis.call('HSET', KEYS[1], 'facts:' .. ARGV[1], ARGV[3], 'before:' .. ARGV[1], current)
    serve(ARGV[1])
    while redis.call('LLEN', KEYS[2]) > tonumber(ARGV[5]) do
        local old = redis.call('RPOP', KEYS[2])
        redis.call('HDEL', KEYS[1], 'bundle:' .. old, 'facts:' .. old, 'before:' .. old)
    end
    log(ARGV[4], tonumber(ARGV[6]))
    return 1
    """,
)
_GO_BACK = Script(
    "go_back_dialogue",
    _SERVE
    + """
    -- ARGV current as it was when this was decided, target, log entry, most logged
    if (redis.call('HGET', KEYS[1], 'current') or '') ~= ARGV[1] then return 0 end
    if ARGV[2] ~= '' and redis.call('HEXISTS', KEYS[1], 'bundle:' .. ARGV[2]) == 0 then
        return 0
    end
    serve(ARGV[2])
    log(ARGV[3], tonumber(ARGV[4]))
    return 1
    """,
)
_NOTICE = Script(
    "set_notice",
    _SERVE
    + """
    -- ARGV notice ('' for none), log entry, most logged
    if ARGV[1] == '' then
        if redis.call('HDEL', KEYS[1], 'notice') == 0 then return 0 end
    else
        redis.call('HSET', KEYS[1], 'notice', ARGV[1])
    end
    log(ARGV[2], tonumber(ARGV[3]))
    return 1
    """,
)


class NotPublished(Exception):
    """What was asked for cannot be put in service; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `did` is PUBLISHED, WENT_BACK, SET or CLEARED.

    `digest` is what was in service then; empty: the gateways' own files.
    """

    did: str
    digest: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """A version that is kept: who published it when, and what was in service before it."""

    digest: str
    by: str
    at: datetime
    before: str


@dataclass(frozen=True, slots=True)
class Now:
    """What is in service: a digest ("" for the gateways' own files), and the notice.

    `times` changes whenever anything is put in service, though it be the same.
    """

    digest: str
    notice: Notice | None
    times: str = ""


class Published:
    """Every method raises Unavailable or ReplyError where Redis does not do its part."""

    def __init__(self, state: Commands) -> None:
        self._state = state

    async def now(self) -> Now:
        """What is in service now. Raises BadBundle where the pointer is none of ours."""
        found = await self._state.send("HMGET", KEY, "current", "notice", "times")
        current, notice, times = found
        digest = (current or b"").decode("ascii", "replace")
        if digest and not DIGEST.fullmatch(digest):
            raise BadBundle("the pointer names no version.")
        said = None if notice is None else Notice.from_json(notice)
        return Now(digest, said, (times or b"").decode("ascii", "replace"))

    async def bundle(self, digest: str) -> Bundle | None:
        """The files of a version, None if they are not kept. Raises BadBundle."""
        packed = await self._state.send("HGET", KEY, f"bundle:{digest}")
        return None if packed is None else unpack(packed, digest)

    async def publish(self, bundle: Bundle, by: str, at: datetime) -> bool:
        """Put a proven bundle in service; False if it is already. Raises BadBundle.

        Processes that refused it then try it again.
        """
        facts = json.dumps({"by": by[:LONGEST_NAME], "at": at.isoformat()})
        done = await self._state.script(
            _PUBLISH,
            [KEY, KEPT_KEY, LOG_KEY],
            bundle.digest,
            bundle.pack(),
            facts,
            _entry(Change(PUBLISHED, bundle.digest, by, at)),
            MOST_KEPT,
            MOST_LOGGED,
        )
        return bool(done)

    async def go_back(self, by: str, at: datetime, digest: str | None = None) -> str:
        """Put an earlier version in service: the one before, or the one named.

        Gives its digest, "" for the gateways' own files. Raises NotPublished, BadBundle.
        """
        current = (await self.now()).digest
        if digest is None:
            if not current:
                raise NotPublished("no published version is in service, so none came before it.")
            before = await self._state.send("HGET", KEY, f"before:{current}")
            digest = (before or b"").decode("ascii", "replace")
        if digest == current:
            raise NotPublished(f"{digest} is in service already.")
        keys, entry = [KEY, KEPT_KEY, LOG_KEY], _entry(Change(WENT_BACK, digest, by, at))
        if digest and await self.bundle(digest) is None:
            raise NotPublished(f"{digest} is not kept; `dargah dialogue versions` shows what is.")
        if not await self._state.script(_GO_BACK, keys, current, digest, entry, MOST_LOGGED):
            raise NotPublished("the versions changed at this very moment; look again.")
        return digest

    async def set_notice(self, notice: Notice) -> None:
        """Put a notice before everything; it takes the place of the one that was."""
        await self._notice(notice.to_json(), Change(SET, "", notice.by, notice.at))

    async def clear_notice(self, by: str, at: datetime) -> bool:
        """End the notice; False if there is none."""
        return await self._notice("", Change(CLEARED, "", by, at))

    async def kept(self) -> list[Facts]:
        """The versions that are kept, the last in service first."""
        digests = [raw.decode() for raw in await self._state.send("LRANGE", KEPT_KEY, 0, -1)]
        if not digests:
            return []
        names = [f"{kind}:{digest}" for kind in ("facts", "before") for digest in digests]
        found = await self._state.send("HMGET", KEY, *names)
        count = len(digests)
        return [
            _facts(digest, facts, (before or b"").decode())
            for digest, facts, before in zip(digests, found[:count], found[count:], strict=True)
            if facts is not None
        ]

    async def changes(self) -> list[Change]:
        """Who did what and when, the newest first."""
        return [_change(raw) for raw in await self._state.send("LRANGE", LOG_KEY, 0, -1)]

    async def _notice(self, kept: str, change: Change) -> bool:
        keys = [KEY, KEPT_KEY, LOG_KEY]
        done = await self._state.script(_NOTICE, keys, kept, _entry(change), MOST_LOGGED)
        return bool(done)


def _entry(change: Change) -> str:
    return json.dumps(
        {
            "did": change.did,
            "digest": change.digest,
            "by": change.by[:LONGEST_NAME],
            "at": change.at.isoformat(),
        },
        ensure_ascii=False,
    )


def _change(raw: bytes) -> Change:
    fields: Any = json.loads(raw)
    return Change(
        fields["did"], fields["digest"], fields["by"], datetime.fromisoformat(fields["at"])
    )


def _facts(digest: str, raw: bytes, before: str) -> Facts:
    fields: Any = json.loads(raw)
    return Facts(digest, fields["by"], datetime.fromisoformat(fields["at"]), before)
