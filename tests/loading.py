"""Files to load, and loading them, for the tests of eligibility."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from eligibility.buckets import NINE
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.load import CatchUp, Loaded, LoadOptions, load
from eligibility.national_id import NationalId, check_digit
from eligibility.verdict import Verdict
from state.commands import Commands
from state.link import Redis, open_redis
from tests.redis_server import RunningRedis

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 21)
ANY_AGE = Freshness(timedelta(days=20_000), timedelta(days=40_000))
AS_OF_NOW = LoadOptions(as_of=NOW)
HEADER = "national_id,status,valid_until,kind,branch,updated_at"
T = TypeVar("T")


def national(n: int) -> str:
    """The n-th national ID, by its first nine digits."""
    return f"{n % NINE:09}{check_digit(n % NINE)}"


def line(
    digits: str,
    status: str = "active",
    valid_until: str = "2027-03-20",
    kind: str = "main",
    branch: str = "12",
    updated_at: str = "2026-11-01T08:00:00+03:30",
) -> str:
    """One row of a CSV, covered unless said otherwise."""
    return f"{digits},{status},{valid_until},{kind},{branch},{updated_at}"


def covered(count: int, first: int = 1) -> list[str]:
    """So many rows of covered people."""
    return [line(national(n)) for n in range(first, first + count)]


def csv_of(lines: Sequence[str], header: str = HEADER) -> str:
    """A whole file."""
    return "\n".join([header, *lines]) + "\n"


def with_redis(redis: RunningRedis, play: Callable[[Redis], Coroutine[Any, Any, T]]) -> T:
    """Run with a connection of its own to an emptied Redis."""

    async def run() -> T:
        link = await open_redis(redis.address, name="test", timeout=5)
        try:
            await link.send("FLUSHALL")
            return await play(link)
        finally:
            await link.close()

    return asyncio.run(run())


async def load_text(
    cache: Commands,
    text: str | bytes,
    options: LoadOptions = AS_OF_NOW,
    state: Commands | None = None,
    *,
    catch_up: CatchUp | None = None,
    clock: Callable[[], datetime] = lambda: NOW,
) -> tuple[Loaded, str]:
    """Load a file with this content; what was loaded, and the text of its rejects file."""
    with tempfile.TemporaryDirectory() as folder:
        path, spools = _written(Path(folder), text)
        try:
            loaded = await load(
                path,
                cache,
                state or cache,
                spools,
                clock=clock,
                options=options,
                catch_up=catch_up,
            )
        finally:
            assert not _left_in(spools), "a spool was left behind"
        return loaded, _text_of(loaded.rejects)


def _written(folder: Path, text: str | bytes) -> tuple[Path, Path]:
    path = folder / "people.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path, folder / "spools"


def _left_in(spools: Path) -> list[Path]:
    return list(spools.iterdir()) if spools.exists() else []


def _text_of(path: Path | None) -> str:
    return path.read_text() if path else ""


async def verdict_on(redis: Commands, digits: str, now: datetime = NOW) -> Verdict:
    """What somebody asking for the first time is told."""
    cache = Cache(redis, redis, ANY_AGE)
    await cache.refresh()
    return await cache.verdict(NationalId.parse(digits), now)
