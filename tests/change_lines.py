"""Changes for tests: as a stranger appends them, and a feed that takes them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from eligibility.change_feed import ChangeFeed, ChangeSettings
from eligibility.change_stream import CHANGES_KEY, ChangeStream
from eligibility.csv_rows import COLUMNS
from state.commands import Commands
from state.link import Redis, open_redis
from tests.redis_server import RunningRedis

PATIENCE = 20.0
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
    server: RunningRedis,
    redis: Redis,
    *,
    consumer: str = "one",
    cache: Commands | None = None,
    state: Commands | None = None,
    counts: Counts | None = None,
    settings: ChangeSettings = SETTINGS,
    claim_after: float = 0.1,
    pause: Callable[[float], Awaitable[None]] = ahead_of_nobody,
) -> ChangeFeed:
    """A feed on a test's Redis, or on what stands for its roles."""

    async def link() -> Redis:
        return await open_redis(server.address, timeout=3.0, name="reader")

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
