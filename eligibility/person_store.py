"""
One person's record, written by itself: never over a newer one, and only into a whole bucket.

Of two records of a person the one that is later at the registry stays, whatever the order in which
they arrive: by `updated_at`, then `confirmed_at`, and where both are the same by the bytes, so
that every order of arrival ends alike.
"""

from enum import StrEnum

from eligibility.buckets import WHOLE, Layout
from eligibility.national_id import NationalId
from eligibility.record import pack
from eligibility.verdict import Record
from state.commands import Commands, Script

_WRITE = Script(
    "write_person",
    """
    -- KEYS bucket   ARGV place, packed record, the field that a whole bucket has
    local kept = redis.call('HMGET', KEYS[1], ARGV[1], ARGV[3])
    if not kept[2] then return 'gone' end
    local function rank(packed)
      local version = math.floor(string.byte(packed, 1) / 32)
      if version > 2 then return nil end
      local confirmed = string.sub(packed, 11, 15)
      if confirmed == '' then confirmed = '\\0\\0\\0\\0\\0' end
      local head = string.char(string.byte(packed, 1) % 32)
      return string.sub(packed, 6, 10) .. confirmed .. head .. string.sub(packed, 2, 5)
    end
    -- Octet by octet: Lua's own < orders texts as the server's language does in a dictionary.
    local function above(one, other)
      for i = 1, #one do
        local a, b = string.byte(one, i), string.byte(other, i)
        if a ~= b then return a > b end
      end
      return false
    end
    if kept[1] then
      local there, new = rank(kept[1]), rank(ARGV[2])
      if not there then return 'unreadable' end
      if there == new then return 'same' end
      if above(there, new) then return 'older' end
    end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    return 'written'
    """,
)


class Written(StrEnum):
    """What became of a record that was to be written."""

    WRITTEN = "written"
    SAME = "same"
    """It was there already."""
    OLDER = "older"
    """What is there is newer, and stays."""
    GONE = "gone"
    """The bucket is not in the cache: freed, emptied, or not loaded yet."""
    UNREADABLE = "unreadable"
    """What is there was written by another version, and stays."""


async def write_person(
    cache: Commands, layout: Layout, person: NationalId, record: Record
) -> Written:
    """Write a record into a generation. Raises Unavailable, ReplyError, BadRecord."""
    key, place = layout.address(person)
    return Written((await cache.script(_WRITE, [key], place, pack(record), WHOLE)).decode())
