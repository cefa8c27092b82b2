"""A line for SMS in tests: real Redis, scripted inquiries, and an SMSC that does as it is told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from config.sms_settings import SmsSettings
from dialogue.phrases import Phrases
from dialogue.preferences import Preferences
from dialogue.version import OneVersion, Version, Versions
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from smpp.data_coding import decode_text
from smpp.events import Answered, Unanswered
from smpp.pdu import Address, ShortMessage
from sms.service import Sms
from state.commands import Commands
from state.consumer import Link
from state.errors import Unavailable
from state.keyed_hash import KeyedHash
from state.link import Redis, open_redis
from state.sealed import Seal
from telecom.channel import Channel
from telecom.segments import UDHI, split
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import PHRASES, TREE, ScriptedInquirer

PERSON = Address("989121234567", 1, 1)
LINE = Address("10001420", 3, 0)
NOON = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
KEY = b"k" * 32
PATIENCE = 20.0


def sms(text: str, source: Address = PERSON, **fields: object) -> ShortMessage:
    """A text by a person to the line, as UCS-2."""
    return ShortMessage(source, LINE, text.encode("utf-16-be"), data_coding=8, **fields)  # type: ignore[arg-type]


def text_of(message: ShortMessage) -> str:
    """What a phone shows."""
    text = decode_text(message.short_message, message.data_coding)
    assert text is not None
    return text


class Network:
    """An SMSC behind `submit`. `answers` says what becomes of each message; then accepted."""

    def __init__(self) -> None:
        self.answers: list[int | Exception | None] = []
        """A status; an exception to raise at once; None for no answer."""
        self.taken: list[tuple[str, ShortMessage]] = []
        self.tried = 0
        self._more = asyncio.Event()

    def submit(
        self, operator: str, message: ShortMessage
    ) -> "asyncio.Future[Answered | Unanswered]":
        """As Esme.submit."""
        self.tried += 1
        said = self.answers.pop(0) if self.answers else 0
        if isinstance(said, Exception):
            raise said
        future: asyncio.Future[Answered | Unanswered] = asyncio.get_running_loop().create_future()
        if said is None:
            future.set_result(Unanswered(self.tried, "timeout", sent=True))
        else:
            if said == 0:
                self.taken.append((operator, message))
                self._more.set()
            future.set_result(Answered(self.tried, said, "id", 0.01))
        return future

    @property
    def texts(self) -> list[str]:
        """What phones have been shown."""
        return [text_of(message) for _, message in self.taken]

    async def has(self, count: int) -> list[str]:
        """Wait until so many messages were taken."""
        async with asyncio.timeout(PATIENCE):
            while len(self.taken) < count:
                self._more.clear()
                await self._more.wait()
        return self.texts


class Counted:
    """Counts, and says when something has been counted so often."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._more = asyncio.Event()

    def sms_in(self, operator: str, what: str) -> None:
        self._count(f"in {what}")

    def sms_out(self, operator: str, what: str) -> None:
        self._count(f"out {what}")

    def sms_replied(self, operator: str, seconds: float) -> None:
        self._count("replied")

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        self._more.set()

    async def has(self, what: str, count: int = 1) -> None:
        """Wait until it was counted so often."""
        async with asyncio.timeout(PATIENCE):
            while self.counts[what] < count:
                self._more.clear()
                await self._more.wait()


class Inquiries(ScriptedInquirer):
    """The scripted inquirer with tracking codes to follow up; `kept` is by code."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Kept] = {}
        self.away = False
        self.broken = False

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        if self.broken:
            raise RuntimeError("a bug")
        return await super().inquire(national_id, asker, channel, retry_key=retry_key)

    async def follow_up(self, code: str) -> Kept | None:
        if self.away:
            raise Unavailable("no ledger in this test")
        return self.kept.get(code)


@dataclass
class Line:
    """What a gateway's SMS stands on, with time and faults in the test's hand."""

    address_of: RunningRedis
    redis: Redis
    network: Network = field(default_factory=Network)
    inquiries: Inquiries = field(default_factory=Inquiries)
    counted: Counted = field(default_factory=Counted)
    now: datetime = NOON
    pauses: list[float] = field(default_factory=list)
    made: int = 0

    async def link(self, name: str) -> Redis:
        """A connection of a consumer's own."""
        return await open_redis(self.address_of.address, name=name, timeout=3.0)

    async def pause(self, seconds: float) -> None:
        """Pauses are noted, and over at once."""
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def sms(
        self,
        state: Commands | None = None,
        key: bytes = KEY,
        inquiries: object = None,
        phrases: Phrases = PHRASES,
        open_link: Callable[[str], Awaitable[Link]] | None = None,
        versions: Versions[Version] | None = None,
        preferences: Preferences | None = None,
        **settings: object,
    ) -> Sms:
        """An `Sms` as a process has it, each under a name of its own."""
        self.made += 1
        fields = {"operators": ("mci",), "claim_after": 0.3, **settings}
        return Sms(
            SmsSettings(**fields),  # type: ignore[arg-type]
            state=state or self.redis,
            open_link=open_link or self.link,
            versions=versions or OneVersion(Version(TREE, phrases)),
            inquiries=inquiries or self.inquiries,  # type: ignore[arg-type]
            hashes=KeyedHash(b"h" * 32),
            seal=Seal(key, lambda n: bytes([self.made]) * n),
            submit=self.network.submit,
            clock=lambda: self.now,
            jitter=float,
            consumer=f"process-{self.made}",
            observer=self.counted,
            preferences=preferences,
            pause=self.pause,
        )

    def later(self, seconds: float) -> None:
        """Turn the clock."""
        self.now += timedelta(seconds=seconds)

    async def waiting(self) -> tuple[int, int]:
        """Entries in the inbox and in the outbox."""
        into = await self.redis.send("XLEN", "sms:{mci}:in")
        out = await self.redis.send("XLEN", "sms:{mci}:out")
        return into, out


@asynccontextmanager
async def running(sms_: Sms, seconds: float = 5.0) -> AsyncIterator[Sms]:
    """Started, and drained at the end."""
    sms_.start()
    try:
        yield sms_
    finally:
        await sms_.drain(seconds)


def with_line(server: RunningRedis, test: Callable[[Line], Awaitable[None]]) -> None:
    """Run a test over an empty Redis."""

    async def run() -> None:
        redis = await open_redis(server.address, timeout=3.0, name="test")
        try:
            await redis.send("FLUSHALL")
            await test(Line(server, redis))
        finally:
            await redis.close()

    asyncio.run(run())


LONG = (
    "سلام، لطفاً بفرمایید که اعتبار دفترچه درمان مادرم تا چه تاریخی است؛ "
    "کد ملی ایشان ۰۰۱۲۳۴۵۶۷۹ است."
)


def parts_of(text: str, reference: int, *, wide: bool = False) -> list[ShortMessage]:
    """A long text in parts that join under a reference."""
    parts = [
        ShortMessage(PERSON, LINE, one.short_message, one.data_coding, esm_class=one.esm_class)
        for one in split(text, reference, wide=wide)
    ]
    assert all(part.esm_class == UDHI for part in parts)
    return parts
