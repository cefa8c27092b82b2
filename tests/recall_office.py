"""A journal with generations to load and people who ask, for the tests of recalls."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from eligibility.answer import Asker
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.generations import Generations
from eligibility.journal_sql import JournalTable
from eligibility.recall import Contradiction, Recaller, Tally
from eligibility.recall_sql import Question, RecallTable
from eligibility.sql import Database
from eligibility.verdict import Outcome
from state.commands import Commands
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from tests.journal_bed import HASHES, Bed
from tests.journal_place import Place, with_database
from tests.loading import csv_of, load_text, national
from tests.redis_server import RunningRedis

ONE = national(1)
FRESHNESS = Freshness(timedelta(hours=48), timedelta(days=30))


@dataclass
class Office:
    """A journal with a database, and generations to load."""

    bed: Bed
    database: Database
    chunk: int = 100
    changed: bool = False
    tally: Tally = field(default_factory=Tally)

    async def load(self, *rows: str) -> None:
        """A new generation, in service at once."""
        await load_text(self.bed.redis, csv_of(rows))
        cache = Cache(self.bed.redis, self.bed.redis, FRESHNESS)
        await cache.refresh()
        self.bed.people = cache

    async def ask(
        self, asker: Asker, person: str, channel: Channel = Channel.USSD
    ) -> tuple[str, Outcome]:
        """One inquiry, a second after the last: its code, and what was told."""
        self.bed.now += timedelta(seconds=1)
        answer = await self.bed.ask(asker, person, channel)
        return answer.tracking_code or "", answer.verdict.outcome

    async def recall(
        self, question: Question, commands: Commands | None = None
    ) -> list[Contradiction]:
        """All wrong answers."""
        await self.bed.writer(self.database).write_once(self.bed.redis, 0.001)
        commands = commands or self.bed.redis
        self.tally = Tally()
        recaller = Recaller(
            RecallTable(self.database),
            commands,
            Generations(commands, commands),
            self.bed.keys,
            question,
            FRESHNESS,
            self.bed.now,
            lambda contact: (
                HASHES.of("asker", contact.digits)
                if isinstance(contact, Msisdn)
                else HASHES.of("api_key", contact)
            ),
            changed=self.changed,
            chunk=self.chunk,
            tally=self.tally,
        )
        return [one async for one in recaller.contradictions(await recaller.in_service())]

    async def codes(self, question: Question | None = None) -> set[str]:
        """The codes of the wrong answers, each found once; else those of the first generation."""
        asked = question or Question(generation=1)
        found = [one.asked.code for one in await self.recall(asked)]
        assert len(found) == len(set(found))
        return set(found)


def with_office(
    server: RunningRedis, place: Place, test: Callable[[Office], Awaitable[None]]
) -> None:
    """Run a test with an empty journal."""

    async def run(bed: Bed, database: Database) -> None:
        await JournalTable(database).prepare()
        await test(Office(bed, database))

    with_database(server, place, run, timeout=5.0)
