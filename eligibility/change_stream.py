"""
The stream of changes: any system appends, one gateway takes each, and a load reads them again.

    eligibility:changes              what was appended, kept for a while after it was applied
    {eligibility:changes}:bad        what could not be read: id, reason, and its fields
    {eligibility:changes}:gone       the highest ID that was removed for age or room
    {eligibility:changes}:batch:B    what became of a `dargah apply`'s own: word -> how many

All lie in one hash slot: what stands in braces is what the stream's whole name is hashed by.

Being applied is not the end of an entry: a load brings an export that is older than the newest
changes, and they are put onto it again (catch_up.py). So an applied entry is acknowledged and
stays; `tend` removes it when it is old. What has not been applied is never removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from eligibility.change import BATCH, MAX_FIELDS, Change, id_at
from eligibility.csv_rows import COLUMNS
from state.commands import Arg, Commands, Script
from state.streams import Entry, Stream, entries_of

CHANGES_KEY: Final = "eligibility:changes"
GROUP: Final = "dargah"

_BAD_KEY: Final = f"{{{CHANGES_KEY}}}:bad"
_GONE_KEY: Final = f"{{{CHANGES_KEY}}}:gone"
_BATCH_KEPT_MS: Final = 86_400_000
_TENDED_AT_ONCE: Final = 500
_MOST_BAD_OCTETS: Final = 4096
"""Up to here, and to MAX_FIELDS, a bad entry keeps its fields, so that it can be mended; above it
its reason alone."""

_SETTLE: Final = Script(
    "settle_changes",
    """
    -- KEYS stream, then for each: the counts of its batch, or the stream again
    -- ARGV group, kept_ms, then for each: id, what became of it
    local said = {}
    for i = 2, #KEYS do
      local id, word = ARGV[2 * i - 1], ARGV[2 * i]
      said[#said + 1] = redis.call('XACK', KEYS[1], ARGV[1], id)
      if said[#said] == 1 and KEYS[i] ~= KEYS[1] then
        redis.call('HINCRBY', KEYS[i], word, 1)
        redis.call('PEXPIRE', KEYS[i], ARGV[2])
      end
    end
    return said
    """,
)
_PUT_ASIDE: Final = Script(
    "put_change_aside",
    """
    -- KEYS stream, bad, the counts of its batch or the stream again
    -- ARGV group, kept_ms, id, most bad, then the fields of the bad entry
    if redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) == 0 then return 0 end
    redis.call('XDEL', KEYS[1], ARGV[3])
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
    if KEYS[3] ~= KEYS[1] then
      redis.call('HINCRBY', KEYS[3], 'bad', 1)
      redis.call('PEXPIRE', KEYS[3], ARGV[2])
    end
    return 1
    """,
)
# Entries below the oldest that waits have been applied: these alone may go. A waiting entry that
# somebody else removed is let go too, or it would be waited for for ever.
_TEND: Final = Script(
    "tend_changes",
    """
    -- KEYS stream, gone   ARGV group, keep_from_ms, limit, most
    local function parts(id)
      local ms, number = string.match(id, '(%d+)-(%d+)')
      return tonumber(ms), tonumber(number)
    end
    local function before(a, b)
      local a_ms, a_number = parts(a)
      local b_ms, b_number = parts(b)
      return a_ms < b_ms or (a_ms == b_ms and a_number < b_number)
    end
    local length = redis.call('XLEN', KEYS[1])
    local delivered
    if redis.call('EXISTS', KEYS[1]) == 1 then
      for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
        local about = {}
        for i = 1, #flat, 2 do about[flat[i]] = flat[i + 1] end
        if about['name'] == ARGV[1] then delivered = about['last-delivered-id'] end
      end
    end
    if not delivered then
      local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
      return {length, first[1] and first[1][1] or '', '0-0', 0, 0}
    end
    local lost = 0
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
    while pending[1] > 0 and lost < tonumber(ARGV[4])
        and #redis.call('XRANGE', KEYS[1], pending[2], pending[2]) == 0 do
      redis.call('XACK', KEYS[1], ARGV[1], pending[2])
      lost = lost + 1
      pending = redis.call('XPENDING', KEYS[1], ARGV[1])
    end
    local ms, number = parts(delivered)
    local oldest, floor = '', string.format('%.0f-%.0f', ms, number + 1)
    if pending[1] > 0 then
      oldest, floor = pending[2], pending[2]
    else
      local first = redis.call('XRANGE', KEYS[1], floor, '+', 'COUNT', 1)
      if first[1] then oldest = first[1][1] end
    end
    local old = {}
    local excess = length - tonumber(ARGV[3])
    local firsts = {}
    if ARGV[4] ~= '0' then firsts = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[4]) end
    for _, entry in ipairs(firsts) do
      local id = entry[1]
      local aged = parts(id) < tonumber(ARGV[2])
      if not before(id, floor) or not (aged or #old < excess) then break end
      old[#old + 1] = id
    end
    if #old > 0 then
      redis.call('XDEL', KEYS[1], unpack(old))
      redis.call('SET', KEYS[2], old[#old])
    end
    return {length - #old, oldest, delivered, #old, lost}
    """,
)


@dataclass(frozen=True, slots=True)
class Tended:
    """The state of the stream. `oldest` is the ID of the oldest entry that is not applied.

    `delivered` is the highest ID that some gateway has taken, `removed` how many old ones went
    now, `lost` how many that waited had been removed by somebody else.
    """

    length: int
    oldest: bytes | None
    delivered: bytes
    removed: int
    lost: int


@dataclass(frozen=True, slots=True)
class PutAside:
    """A bad entry: its ID in the stream of changes, and what is wrong with it."""

    id: str
    reason: str
    fields: Mapping[str, str] = field(repr=False)


class ChangeStream:
    """Every method raises Unavailable or ReplyError where Redis does not do its part.

    `consumer` is a name that no other process has; `bad_kept` is how many bad entries stay.
    """

    def __init__(self, state: Commands, *, consumer: str = "-", bad_kept: int = 10_000) -> None:
        self._state = state
        self._bad_kept = bad_kept
        self.stream = Stream(state, CHANGES_KEY, group=GROUP, consumer=consumer, limit=0)
        """What a consumer reads by; nothing is put by it."""

    async def append(self, rows: Sequence[Sequence[str]], batch: str = "") -> None:
        """Append changes, each the values of COLUMNS, in order."""
        mark: list[Arg] = [BATCH, batch] if batch else []
        waiting = [
            self._state.send(
                "XADD",
                CHANGES_KEY,
                "*",
                *(word for pair in zip(COLUMNS, row, strict=True) for word in pair),
                *mark,
            )
            for row in rows
        ]
        for future in waiting:
            await future

    async def settle(self, changes: Sequence[tuple[Change, str]]) -> list[bool]:
        """Acknowledge, and count for its batch, what became of each; False where another has."""
        if not changes:
            return []
        keys = [_batch_key(change.batch) for change, _ in changes]
        words: list[Arg] = [word for change, what in changes for word in (change.id, what)]
        said = await self._state.script(
            _SETTLE, [CHANGES_KEY, *keys], GROUP, _BATCH_KEPT_MS, *words
        )
        return [bool(one) for one in said]

    async def put_aside(self, entry: Entry, reason: str) -> bool:
        """Take an entry off that cannot be applied; False where another has.

        Its fields are kept with the reason: their sender may need them to mend it.
        """
        words: list[Arg] = ["id", entry.id, "reason", reason]
        pairs = list(zip(entry.names, entry.values, strict=True))
        octets = sum(len(name) + len(value) for name, value in pairs)
        if len(pairs) <= MAX_FIELDS and octets <= _MOST_BAD_OCTETS:
            words += [word for name, value in pairs for word in (b"field:" + name, value)]
        batch = dict(pairs).get(BATCH.encode(), b"")
        known = len(batch) == 16 and batch.isalnum()
        keys = [CHANGES_KEY, _BAD_KEY, _batch_key(batch.decode() if known else "")]
        return bool(
            await self._state.script(
                _PUT_ASIDE, keys, GROUP, _BATCH_KEPT_MS, entry.id, self._bad_kept, *words
            )
        )

    async def tend(self, now: datetime, kept_for: timedelta, limit: int) -> Tended:
        """Remove some applied entries that are older than `kept_for`, or above `limit`."""
        keep_from = id_at(now - kept_for).partition(b"-")[0]
        return await self._tended(int(keep_from), limit, _TENDED_AT_ONCE)

    async def _tended(self, keep_from: int, limit: int, most: int) -> Tended:
        length, oldest, delivered, removed, lost = await self._state.script(
            _TEND, [CHANGES_KEY, _GONE_KEY], GROUP, keep_from, limit, most
        )
        return Tended(length, oldest or None, delivered, removed, lost)

    async def look(self) -> Tended:
        """The state of the stream; nothing is removed."""
        return await self._tended(0, 1 << 53, 0)

    async def since(self, first: bytes, before: bytes | None, count: int) -> list[Entry]:
        """Entries from an ID on, and below `before`, applied or not."""
        end = "+" if before is None else before
        items = await self._state.send("XRANGE", CHANGES_KEY, first, end, "COUNT", count)
        return [entry for entry in entries_of(items or []) if entry.id != before]

    async def gone_to(self) -> bytes | None:
        """The highest ID that was removed for age or room; None where all were kept."""
        gone: bytes | None = await self._state.send("GET", _GONE_KEY)
        return gone

    async def counts(self, batch: str) -> dict[str, int]:
        """What became of a batch so far: words of person_store.Written, and `bad`."""
        flat = await self._state.send("HGETALL", _batch_key(batch))
        return {
            word.decode(): int(count) for word, count in zip(flat[::2], flat[1::2], strict=True)
        }

    async def bad(self, count: int) -> list[PutAside]:
        """The newest bad entries, the newest first."""
        items = await self._state.send("XREVRANGE", _BAD_KEY, "+", "-", "COUNT", count)
        found = []
        for entry in entries_of(items):
            pairs = zip(entry.names, entry.values, strict=True)
            told = {name.decode(errors="replace"): v.decode(errors="replace") for name, v in pairs}
            fields = {
                name.removeprefix("field:"): value
                for name, value in told.items()
                if name.startswith("field:")
            }
            found.append(PutAside(told.get("id", ""), told.get("reason", ""), fields))
        return found

    async def bad_length(self) -> int:
        """How many bad entries are kept."""
        return int(await self._state.send("XLEN", _BAD_KEY))


def _batch_key(batch: str) -> str:
    """The key of a batch's counts; without a batch the stream's own, which stands for none."""
    return f"{{{CHANGES_KEY}}}:batch:{batch}" if batch else CHANGES_KEY
