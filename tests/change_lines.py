"""Changes for tests: as a stranger appends them, and a feed that takes them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from eligibility.change_feed import ChangeFeed, ChangeSettings
from eligibility.change_stream import CHANGES_KEY, ChangeStream
from eligibility.csv_rows import COLUMNS
from eligibility.generation import Generation
from eligibility.load import CatchUp as LoadCatchUp
from eligibility.load import LoadOptions
from eligibility.verdict import Verdict
from state.commands import Arg, Commands, Reply, Script
from state.consumer import Link
from state.link import Redis, open_redis
from tests.loading import line, load_text, national, verdict_on
from tests.redis_server import RunningRedis

PATIENCE = 20.0
SOMEBODY, OTHER, NEWCOMER = national(1), national(2), national(700)
AN_HOUR = timedelta(hours=1)
SETTINGS = ChangeSettings(
    kept_for=timedelta(hours=72),
    limit=100_000,
    late_after=timedelta(seconds=60),
    margin=timedelta(hours=6),
)


class Counts:
    """What a feed told its observer."""

    def __init__(self) -> None:
        self.changes: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()
        self.lag = 0.0

    def changed(self, what: str) -> None:
        """As ChangeObserver."""
        self.changes[what] += 1

    def put_aside(self, field: str) -> None:
        """As ChangeObserver."""
        self.fields[field] += 1

    def changes_wait(self, length: int, lag: float) -> None:
        """As ChangeObserver."""
        self.lag = lag


async def append(redis: Commands, *values: str, id_: str = "*") -> bytes:
    """XADD, with the values of COLUMNS."""
    words = [word for pair in zip(COLUMNS, values, strict=True) for word in pair]
    added: bytes = await redis.send("XADD", CHANGES_KEY, id_, *words)
    return added


def minutes_ago(minutes: float) -> str:
    """`updated_at`: before now."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


async def ahead_of_nobody(seconds: float) -> None:
    """A pause that lets others go on, and no more."""
    await asyncio.sleep(0)


def feed_of(
    server: RunningRedis | Callable[[], Awaitable[Link]],
    redis: Commands,
    *,
    consumer: str = "one",
    cache: Commands | None = None,
    state: Commands | None = None,
    counts: Counts | None = None,
    settings: ChangeSettings = SETTINGS,
    claim_after: float = 0.1,
    pause: Callable[[float], Awaitable[None]] = ahead_of_nobody,
) -> ChangeFeed:
    """A feed on a test's Redis, or on what stands for its roles and opens its links."""

    async def link() -> Link:
        if isinstance(server, RunningRedis):
            return await open_redis(server.address, timeout=3.0, name="reader")
        return await server()

    return ChangeFeed(
        ChangeStream(state or redis, consumer=consumer),
        cache or redis,
        state or redis,
        settings,
        open_link=link,
        clock=lambda: datetime.now(UTC),
        observer=counts or Counts(),
        pause=pause,
        claim_after=claim_after,
    )


@asynccontextmanager
async def feeding(feed: ChangeFeed) -> AsyncIterator[ChangeFeed]:
    """A feed that runs, and is ended."""
    feed.start()
    try:
        yield feed
    finally:
        await feed.finish(asyncio.get_running_loop().time() + PATIENCE)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another task brings about, as Redis shows it."""
    async with asyncio.timeout(PATIENCE):
        while not await true():  # noqa: ASYNC110  Redis tells it when asked, and sets no event
            await asyncio.sleep(0.01)


async def nothing_waits(redis: Commands) -> bool:
    """Whether all that is in the stream has been applied, or put aside."""
    return (await ChangeStream(redis).look()).oldest is None


def now() -> datetime:
    """By the clock by which Redis numbers what is appended."""
    return datetime.now(UTC)


def person(digits: str, updated_at: str = "2020-01-01") -> str:
    """A row: covered, with no end."""
    return line(digits, valid_until="", updated_at=updated_at)


def people(count: int) -> list[str]:
    """So many rows."""
    return [person(national(n)) for n in range(1, count + 1)]


async def loads(redis: Commands, text: str, catch_up: LoadCatchUp | None = None) -> Generation:
    """Load an export that was true an hour ago."""
    options = LoadOptions(as_of=now() - AN_HOUR)
    return (await load_text(redis, text, options, catch_up=catch_up, clock=now))[0].generation


async def told(redis: Commands, digits: str) -> Verdict:
    """What somebody asking now is told."""
    return await verdict_on(redis, digits, now())


async def pays(
    redis: Commands, digits: str, minutes: float, until_day: str = "2030-01-01"
) -> bytes:
    """A payment was posted so many minutes ago."""
    return await append(redis, digits, "active", until_day, "main", "12", minutes_ago(minutes))


async def ends(redis: Commands, digits: str, minutes: float) -> bytes:
    """Cover ended so many minutes ago."""
    return await append(redis, digits, "inactive", "", "main", "12", minutes_ago(minutes))


class Meanwhile:
    """A cache in which something else happens once, right after a first person was written."""

    def __init__(self, redis: Redis, what: Callable[[], Awaitable[object]]) -> None:
        self._redis = redis
        self._what: Callable[[], Awaitable[object]] | None = what
        self.send = redis.send

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        reply = await self._redis.script(script, keys, *args)
        if script.name == "write_person" and self._what:
            what, self._what = self._what, None
            await what()
        return reply
