"""
Work that must not be lost: a Redis Stream with a bound, read by a group of consumers.

    put ──▶ stream ──read──▶ a consumer's own ──done──▶ gone
                                  │  └──move──▶ another stream, in the same step
                                  └── the consumer dies ──claim──▶ another consumer's own

What is in the stream was acknowledged to somebody, so it is never trimmed away: where the bound
is reached, `put` raises Full and the peer keeps its message. Two streams between which entries
move, and the mark against doubles, share one hash slot.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from state.commands import Arg, Commands, Script
from state.errors import ReplyError, Unavailable
from state.store import at
from state.together import Together

_FIELD = "m"

_PUT = Script(
    "stream_put",
    """
    -- KEYS stream, then a mark for each entry
    -- ARGV limit, then for each: mark_ms ('0': no mark), how many words, and these
    local said, at = {}, 2
    local length = redis.call('XLEN', KEYS[1])
    for i = 2, #KEYS do
      local mark_ms, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
      if mark_ms ~= '0' and redis.call('EXISTS', KEYS[i]) == 1 then
        said[#said + 1] = 'again'
      elseif length >= tonumber(ARGV[1]) then
        said[#said + 1] = 'full'
      else
        redis.call('XADD', KEYS[1], '*', unpack(ARGV, at + 2, last))
        if mark_ms ~= '0' then redis.call('SET', KEYS[i], '', 'PX', mark_ms) end
        length = length + 1
        said[#said + 1] = 'put'
      end
      at = last + 1
    end
    return said
    """,
)

_DONE = Script(
    "stream_done",
    """
    -- KEYS stream   ARGV group, then ids
    local said = {}
    redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
    for i = 2, #ARGV do said[#said + 1] = redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
    return said
    """,
)

# Whoever takes the entry off the first stream puts the other on: of two, only one.
_MOVE = Script(
    "stream_move",
    """
    -- KEYS from, to   ARGV group, limit, then for each: id, how many words, and these
    local said, at = {}, 3
    local length = redis.call('XLEN', KEYS[2])
    while at < #ARGV do
      local id, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
      if length >= tonumber(ARGV[2]) then
        said[#said + 1] = 'full'
      elseif redis.call('XACK', KEYS[1], ARGV[1], id) == 0 then
        said[#said + 1] = 'gone'
      else
        redis.call('XDEL', KEYS[1], id)
        redis.call('XADD', KEYS[2], '*', unpack(ARGV, at + 2, last))
        length = length + 1
        said[#said + 1] = 'moved'
      end
      at = last + 1
    end
    return said
    """,
)

# A consumer that owns something is never forgotten: its entries would be forgotten with it.
_FORGET = Script(
    "stream_forget",
    """
    -- KEYS stream   ARGV group, idle_ms
    for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
      local about = {}
      for i = 1, #flat, 2 do about[flat[i]] = flat[i + 1] end
      if about['pending'] == 0 and about['idle'] > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], about['name'])
      end
    end
    return 1
    """,
)


class Full(Unavailable):
    """The stream is at its bound; nothing was put."""

    def __init__(self) -> None:
        super().__init__("full")


@dataclass(frozen=True, slots=True)
class Entry:
    """One piece of work. `deliveries` is how many consumers have had it, this one included.

    `names` are those of its fields, for `values` that others have put.
    """

    id: bytes
    values: tuple[bytes, ...] = field(repr=False)
    deliveries: int = 1
    names: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Durability:
    """How many replicas must have a message before it counts as put, and how long that may take.

    `within` is in seconds. Without replicas: what Redis's own AOF gives.
    """

    replicas: int = 0
    within: float = 0.1


class Stream:
    """One stream and its group, through the eyes of one consumer. `consumer` is a unique name.

    Every method raises Unavailable where Redis cannot answer, ReplyError where it refuses.
    """

    def __init__(
        self,
        commands: Commands,
        key: str,
        *,
        group: str,
        consumer: str,
        limit: int,
        durability: Durability | None = None,
    ) -> None:
        self.key = key
        self.limit = limit
        self._commands = commands
        self._group = group
        self._consumer = consumer
        self._durability = durability or Durability()
        self._putting = Together(self._put_all)
        self._ending = Together(self._end_all)
        self._moving: dict[str, Together[tuple[bytes, tuple[bytes, ...]], bytes]] = {}

    async def prepare(self) -> None:
        """Make the stream and its group where they are missing. Harmless again."""
        try:
            await self._commands.send("XGROUP", "CREATE", self.key, self._group, "0", "MKSTREAM")
        except ReplyError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def put(self, *values: bytes, mark: str = "", mark_seconds: float = 0) -> bool:
        """Add one entry; False where `mark` says that it is there already.

        The mark lasts `mark_seconds`. Either way the entry is as safe as `durability` asks when
        this returns. Raises Full.
        """
        said = await self._putting.add((mark, round(mark_seconds * 1000), values))
        if said == b"full":
            raise Full
        return said == b"put"

    @property
    def home(self) -> Commands:
        """Where what is written now will be waited for by `replicated`."""
        return at(self._commands, self.key)

    async def replicated(self, home: Commands) -> None:
        """Wait until the replicas that `durability` asks for have what was written so far.

        `home` is from before it was written: that Redis has changed since is Unavailable.
        """
        asked = self._durability
        if not asked.replicas:
            return
        got = await home.send("WAIT", asked.replicas, round(asked.within * 1000))
        if got < asked.replicas:
            raise Unavailable(f"{got} of {asked.replicas} replicas have it")

    async def read(self, link: Commands, count: int, wait_seconds: float) -> list[Entry]:
        """New entries, now ours; waits for the first. `link` is a connection for this alone."""
        try:
            reply = await link.send(
                "XREADGROUP",
                "GROUP",
                self._group,
                self._consumer,
                "COUNT",
                count,
                "BLOCK",
                max(1, round(wait_seconds * 1000)),
                "STREAMS",
                self.key,
                ">",
            )
        except ReplyError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            # Redis came back without its data.
            await self.prepare()
            return []
        return entries_of(reply[0][1]) if reply else []

    async def reader(self, link: Commands) -> int:
        """The number by which `wake` knows a link."""
        return int(await at(link, self.key).send("CLIENT", "ID"))

    async def wake(self, reader: int) -> None:
        """End the wait of a `read` on that link, if it waits; what it would bring stays there."""
        await at(self._commands, self.key).send("CLIENT", "UNBLOCK", reader)

    async def claim(
        self, idle_seconds: float, count: int, beside: Collection[bytes] = ()
    ) -> list[Entry]:
        """Make ours what nobody has touched for so long, `beside` what we are at work on.

        Done by XPENDING and XCLAIM: Redis 6.0 has no XAUTOCLAIM.
        """
        idle = round(idle_seconds * 1000)
        ours: dict[bytes, int] = {}
        start = b"-"
        while len(ours) < count:
            page = await self._commands.send("XPENDING", self.key, self._group, start, "+", 100)
            for id_, _, rest, deliveries in page:
                if rest >= idle and id_ not in beside and len(ours) < count:
                    ours[id_] = deliveries + 1
            if len(page) < 100:
                break
            start = after(page[-1][0])
        if not ours:
            return []
        claimed = await self._commands.send(
            "XCLAIM", self.key, self._group, self._consumer, idle, *ours
        )
        return [
            Entry(id_, tuple(flat[1::2]), ours[id_], tuple(flat[::2]))
            for id_, flat in (item for item in claimed if item and item[1])
        ]

    async def hold(self, ids: Collection[bytes]) -> None:
        """Say that we are still at work on these, so that nobody claims them."""
        await self._touch(ids, idle_seconds=0)

    async def hand_back(self, ids: Collection[bytes], idle_seconds: float) -> None:
        """Leave these to whoever claims what was untouched for `idle_seconds`."""
        await self._touch(ids, idle_seconds)

    async def done(self, id_: bytes) -> bool:
        """Take an entry off for good; False where another consumer has."""
        return bool(await self._ending.add(id_))

    async def move(self, id_: bytes, to: "Stream", *values: bytes) -> bool:
        """Take an entry off and put another on `to`, at once.

        False, and nothing is put, where another consumer has. Raises Full.
        """
        moving = self._moving.get(to.key)
        if moving is None:
            moving = self._moving[to.key] = Together(partial(self._move_all, to))
        said = await moving.add((id_, values))
        if said == b"full":
            raise Full
        return said == b"moved"

    async def length(self) -> int:
        """Entries in the stream, those at work included."""
        return int(await self._commands.send("XLEN", self.key))

    async def forget_idle(self, idle_seconds: float) -> None:
        """Forget consumers that own nothing and have not asked for so long."""
        await self._commands.script(_FORGET, [self.key], self._group, round(idle_seconds * 1000))

    async def _put_all(
        self, items: Sequence[tuple[str, int, tuple[bytes, ...]]]
    ) -> Sequence[bytes]:
        words: list[Arg] = []
        for mark, mark_ms, values in items:
            words += (mark_ms if mark else 0, 2 * len(values), *_fields(values))
        marks = [mark or self.key for mark, _, _ in items]
        home = self.home
        said: list[bytes] = await self._commands.script(
            _PUT, [self.key, *marks], self.limit, *words
        )
        await self.replicated(home)
        return said

    async def _end_all(self, ids: Sequence[bytes]) -> Sequence[int]:
        said: list[int] = await self._commands.script(_DONE, [self.key], self._group, *ids)
        return said

    async def _move_all(
        self, to: "Stream", items: Sequence[tuple[bytes, tuple[bytes, ...]]]
    ) -> Sequence[bytes]:
        words: list[Arg] = []
        for id_, values in items:
            words += (id_, 2 * len(values), *_fields(values))
        said: list[bytes] = await self._commands.script(
            _MOVE, [self.key, to.key], self._group, to.limit, *words
        )
        return said

    async def _touch(self, ids: Collection[bytes], idle_seconds: float) -> None:
        if ids:
            await self._commands.send(
                "XCLAIM",
                self.key,
                self._group,
                self._consumer,
                0,
                *ids,
                "IDLE",
                round(idle_seconds * 1000),
                "JUSTID",
            )


def _fields(values: Sequence[bytes]) -> list[bytes | str]:
    """Values as fields of one name, in order."""
    return [word for value in values for word in (_FIELD, value)]


def entries_of(items: list[list[object]]) -> list[Entry]:
    """Entries as Redis tells them."""
    return [
        Entry(id_, tuple(flat[1::2]), names=tuple(flat[::2]))
        for id_, flat in items
        if isinstance(id_, bytes) and isinstance(flat, list)
    ]


def after(id_: bytes) -> bytes:
    """The least ID above this one; the exclusive "(" is not known to Redis 6.0."""
    at, _, number = id_.partition(b"-")
    return b"%s-%d" % (at, int(number) + 1)
