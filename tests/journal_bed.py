"""A journal for tests: real Redis, keys in a folder, a database, and people who ask."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from eligibility.answer import Answer, Asker
from eligibility.inquiry import Inquiries, InquirySettings
from eligibility.inquiry import People as LooksUp
from eligibility.journal import STREAM, Journal
from eligibility.journal_keys import JournalKeys
from eligibility.journal_sql import JournalTable
from eligibility.journal_writer import GROUP, JournalWriter
from eligibility.ledger import Ledger
from eligibility.national_id import NationalId
from eligibility.sql import Database
from eligibility.told import Told, unpack_told
from eligibility.verdict import Outcome, Source, Verdict
from state.commands import Commands
from state.keyed_hash import KeyedHash
from state.link import Redis, open_redis
from state.streams import Stream
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from tests.redis_server import RunningRedis

NOON = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
HASHES = KeyedHash(b"k" * 32)
PERSON = "0012345679"
OTHER = "1234567891"
COVERED = Verdict(Outcome.COVERED, NOON, Source.CACHE, valid_until=date(2027, 3, 20))


def mobile(digits: str, operator: str = "") -> Asker:
    """Who asks from a number."""
    number = Msisdn(digits)
    return Asker(HASHES.of("asker", number.digits), contact=number, operator=operator)


ALI = mobile("989121234567", "mci")
SARA = mobile("989351234567")
PHARMACY = Asker(HASHES.of("api_key", "a1b2c3d4"), api_key="a1b2c3d4")


@dataclass
class People:
    """Everybody has the same verdict."""

    answer: Verdict = COVERED
    generation: int | None = 7

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """The verdict that the test set."""
        return self.answer


class Counts:
    """The journal's Observer."""

    def __init__(self) -> None:
        self.waiting = 0
        self.counts: Counter[str] = Counter()

    def journal_waiting(self, entries: int, lag: float) -> None:
        self.waiting = entries

    def journal_written(self, entries: int) -> None:
        self.counts["written"] += entries

    def journal_lost(self, entries: int) -> None:
        self.counts["lost"] += entries


@dataclass
class Bed:
    """All parts, with the clock in the test's hand."""

    state: Commands
    folder: Path
    redis: Redis
    address: RunningRedis
    now: datetime = NOON
    limit: int = 1000
    people: LooksUp = field(default_factory=People)
    counts: Counts = field(default_factory=Counts)
    below: Callable[[int], int] = secrets.randbelow

    def __post_init__(self) -> None:
        self.keys = JournalKeys(self.folder / "keys", secrets.token_bytes)
        self.keys.required(self.now)
        self.journal = self.new_journal(self.state)

    def new_journal(self, state: Commands) -> Journal:
        """A journal over these commands."""
        return Journal(state, self.keys, limit=self.limit, observer=self.counts)

    def inquiries(self, state: Commands | None = None, journal: Journal | None = None) -> Inquiries:
        """As a gateway has them."""
        ledger = Ledger(
            state or self.state,
            repeat_for=timedelta(minutes=10),
            retry_for=timedelta(hours=24),
            keep_for=timedelta(days=30),
        )
        return Inquiries(
            self.people,
            ledger,
            InquirySettings(1.0, {}),
            HASHES,
            clock=lambda: self.now,
            below=lambda n: self.below(n),
            journal=journal or self.journal,
        )

    async def ask(
        self, asker: Asker = ALI, person: str = PERSON, channel: Channel = Channel.USSD
    ) -> Answer:
        """One inquiry, answered."""
        answer = await self.inquiries().inquire(person, asker, channel)
        assert isinstance(answer, Answer)
        return answer

    def writer(
        self,
        database: Database,
        name: str = "one",
        open_link: Callable[[], Awaitable[Redis]] | None = None,
    ) -> JournalWriter:
        """What empties the stream into a database; for other gateways, other names."""
        return JournalWriter(
            self.journal,
            Stream(self.redis, STREAM, group=GROUP, consumer=name, limit=self.limit),
            JournalTable(database),
            self.keys,
            self.state,
            open_link or (lambda: open_redis(self.address.address, name="journal", timeout=2.0)),
            kept_for=timedelta(days=30),
            clock=lambda: self.now,
            token=name,
            observer=self.counts,
            patience=1.0,
            claim_after=0.05,
        )

    async def stream(self) -> list[Told]:
        """What lies in the stream."""
        entries = await self.redis.send("XRANGE", STREAM, "-", "+")
        return [unpack_told(flat[1]) for _, flat in entries]


def with_bed(redis: RunningRedis, test: Callable[[Bed], Awaitable[None]]) -> None:
    """Run a test over an emptied Redis."""

    async def run(folder: Path) -> None:
        link = await open_redis(redis.address, timeout=2.0, name="test")
        try:
            await link.send("FLUSHALL")
            await test(Bed(link, folder, link, redis))
        finally:
            await link.close()

    with TemporaryDirectory(prefix="dargah-journal-") as folder:
        asyncio.run(run(Path(folder)))
