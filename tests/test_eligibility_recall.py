"""Who was told something wrong: exactly those, and nobody by a fault of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from eligibility.answer import Asker
from eligibility.buckets import WHOLE
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.generations import Generations
from eligibility.journal_sql import JournalTable
from eligibility.recall import Contradiction, Recaller, Refused, Tally
from eligibility.recall_sql import BY_SMS, SENDING, SENT, Correction, Question, RecallTable
from eligibility.saying import Saying
from eligibility.sql import Database
from eligibility.told import microseconds
from eligibility.verdict import CANNOT_CHECK, Outcome
from state.commands import Arg, Commands, Reply, Script
from state.errors import Unavailable
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from tests.journal_bed import ALI, HASHES, NOON, PHARMACY, SARA, Bed, People, with_bed
from tests.loading import csv_of, line, load_text, national
from tests.postgres_server import RunningPostgres, running_postgres
from tests.redis_server import FailsAt, RunningRedis, running_redis

ONE, TWO, THREE = national(1), national(2), national(3)
FOREIGNER = "123456789012"
LATER = "2026-11-21T20:00:00+03:30"
FRESHNESS = Freshness(timedelta(hours=48), timedelta(days=30))


@pytest.fixture(scope="module")
def server() -> Iterator[RunningRedis]:
    """One Redis for this file."""
    with running_redis() as running:
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[RunningPostgres]:
    """One PostgreSQL for this file."""
    with running_postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return "sqlite:///journal.sqlite3"
    running: RunningPostgres = request.getfixturevalue("postgres")
    running.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return running.url


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
    server: RunningRedis, url: str, folder: Path, test: Callable[[Office], Awaitable[None]]
) -> None:
    """Run a test with an empty journal."""

    async def run(bed: Bed) -> None:
        database = Database(url, folder, connections=2, timeout=5.0)
        try:
            await JournalTable(database).prepare()
            await test(Office(bed, database))
        finally:
            await database.close()

    with_bed(server, run)


def test_each_wrong_answer_is_found_with_what_was_right(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """Another outcome and another day are wrong; the same of both is not; nor is a fault told."""

    async def test(office: Office) -> None:
        await office.load(
            line(ONE, "inactive", "2026-02-01"),
            line(TWO, valid_until="2027-01-01"),
            line(THREE),
            line(FOREIGNER, "pending", ""),
        )
        one, _ = await office.ask(ALI, ONE)
        two, _ = await office.ask(SARA, TWO)
        await office.ask(ALI, THREE)
        foreign, told = await office.ask(PHARMACY, FOREIGNER, Channel.API)
        assert told is Outcome.PENDING_PAYMENT
        missing, told = await office.ask(SARA, national(4))
        assert told is Outcome.NOT_FOUND
        real, office.bed.people = office.bed.people, People(CANNOT_CHECK, 1)
        await office.ask(SARA, national(5))
        office.bed.people = real
        await office.load(
            line(ONE, valid_until="2027-03-20"),
            line(TWO, valid_until="2027-03-20"),
            line(THREE),
            line(national(4)),
            line(national(5)),
            line(national(6)),
        )
        found = {one.asked.code: one for one in await office.recall(Question(generation=1))}
        assert found.keys() == {one, two, foreign, missing}
        assert str(found[one].asked.told) == "NOT_COVERED 2026-02-02"
        assert str(found[one].right) == "COVERED 2027-03-20"
        assert str(found[two].asked.told) == "COVERED 2027-01-01"
        assert found[foreign].right == Saying(Outcome.NOT_FOUND)
        assert found[missing].now.outcome is Outcome.COVERED
        assert found[one].contact == ALI.contact
        assert found[foreign].contact == "a1b2c3d4"
        assert (office.tally.looked_at, office.tally.right) == (5, 1)
        assert ONE not in repr(found[one])
        assert "9121234567" not in repr(found[one])
        office.chunk = 2
        assert await office.codes() == found.keys()

    with_office(server, url, tmp_path, test)


def test_only_the_last_answer_to_an_asker_counts(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """Who asked again and was told right needs no correction; another asker still does."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"))
        await office.ask(ALI, ONE)
        sara, _ = await office.ask(SARA, ONE)
        again, _ = await office.ask(SARA, ONE)
        assert again == sara
        await office.load(line(ONE), line(TWO))
        await office.ask(ALI, ONE)
        assert await office.codes() == {sara}
        assert office.tally.looked_at == 2

    with_office(server, url, tmp_path, test)


def test_the_last_answer_counts_across_a_rotation_of_keys(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """Who was told right under a new key needs no correction; who was told wrong again, one."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"), line(TWO, "inactive", "2026-02-01"))
        await office.ask(ALI, ONE)
        await office.ask(SARA, TWO)
        third, _ = await office.ask(SARA, ONE)
        office.bed.keys.rotate(office.bed.now + timedelta(seconds=1))
        office.bed.now += timedelta(minutes=20)
        again, _ = await office.ask(SARA, TWO)
        await office.load(line(ONE), line(TWO))
        await office.ask(ALI, ONE)
        assert await office.codes() == {again, third}

    with_office(server, url, tmp_path, test)


def test_answers_under_a_key_that_is_not_here_are_counted(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """Of what is under a lost key nothing is said but how much it is."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"))
        await office.ask(ALI, ONE)
        (lost,) = (office.bed.folder / "keys").iterdir()
        lost.unlink()
        office.bed.keys.reread()
        office.bed.keys.required(office.bed.now)
        await office.load(line(ONE))
        assert await office.codes() == set()
        assert (office.tally.looked_at, office.tally.without_key) == (1, 1)

    with_office(server, url, tmp_path, test)


def test_what_changed_after_it_was_told_was_not_wrong(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """A premium that was posted after the answer makes the answer no mistake, unless asked for."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "pending", ""))
        code, _ = await office.ask(ALI, ONE)
        await office.load(line(ONE, updated_at=LATER), line(TWO))
        assert await office.codes() == set()
        assert office.tally.changed_since == 1
        office.changed = True
        assert await office.codes() == {code}

    with_office(server, url, tmp_path, test)


def test_an_answer_is_judged_on_its_own_day(server: RunningRedis, url: str, tmp_path: Path) -> None:
    """Who was told of a cover that has ended since was told right."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, valid_until="2026-11-23"), line(TWO, valid_until="2026-11-25"))
        await office.ask(ALI, ONE)
        wrong, _ = await office.ask(ALI, TWO)
        await office.load(line(ONE, valid_until="2026-11-23"), line(TWO, valid_until="2026-11-23"))
        office.bed.now = NOON + timedelta(days=4)
        (found,) = await office.recall(Question(generation=1))
        assert found.asked.code == wrong
        assert str(found.right) == "COVERED 2026-11-23"
        assert str(Saying.of(found.now)) == "NOT_COVERED 2026-11-24"
        assert found.now.stale

    with_office(server, url, tmp_path, test)


def test_a_time_can_be_in_doubt_instead_of_a_generation(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """Answers from one moment to another are looked at, from whatever generation they came."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"))
        codes = [(await office.ask(ALI, ONE))[0]]
        codes.append((await office.ask(SARA, ONE))[0])
        await office.load(line(ONE))
        middle = microseconds(NOON + timedelta(seconds=2))
        assert await office.codes(Question(since=middle)) == {codes[1]}
        assert await office.codes(Question(until=middle)) == {codes[0]}
        assert await office.codes(Question(generation=2)) == set()
        assert await office.codes(Question(1, middle, middle + 1)) == {codes[1]}

    with_office(server, url, tmp_path, test)


def test_who_was_sent_a_correction_holds_that(
    server: RunningRedis, url: str, tmp_path: Path
) -> None:
    """A correction that was sent is what the asker was told last; one not sent is prepared anew."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"))
        code, _ = await office.ask(ALI, ONE)
        await office.load(line(ONE))
        table = RecallTable(office.database)
        question = Question(generation=1)
        (wrong,) = await office.recall(question)
        recall = 0
        for _ in range(2):
            recall = await table.begin(question, 2, microseconds(office.bed.now))
            await table.prepare(recall, [correction(wrong)], microseconds(office.bed.now))
            await table.end(recall, microseconds(office.bed.now))
            assert await office.codes() == {code}
        assert await table.left(recall) == 1
        (prepared,) = await table.unsent(recall, 0, 10)
        assert (prepared.code, prepared.told, prepared.text) == (code, wrong.asked.told, "text")
        await table.mark([prepared.number], SENDING, microseconds(office.bed.now))
        assert await table.left(recall) == 1
        assert await office.codes() == {code}, "a sending that broke off is begun again"
        await table.mark([prepared.number], SENT, microseconds(office.bed.now))
        assert await table.left(recall) == 0
        assert await office.codes() == set()
        await office.load(line(ONE, "inactive", "2026-03-01"))
        (wrong,) = await office.recall(question)
        assert wrong.asked.told.outcome is Outcome.COVERED

    with_office(server, url, tmp_path, test)


def correction(wrong: Contradiction) -> Correction:
    """As it would be prepared."""
    asked = wrong.asked
    now = Saying.of(wrong.now)
    return Correction(
        0,
        asked.number,
        asked.code,
        asked.channel,
        asked.operator,
        asked.key_id,
        asked.sealed,
        asked.told,
        wrong.right,
        now,
        BY_SMS,
        "text",
    )


def test_by_a_fault_of_ours_nobody_is_found_wrong(server: RunningRedis, tmp_path: Path) -> None:
    """Where a look at the people fails, or a bucket is not whole, the recall says nothing."""

    async def test(office: Office) -> None:
        await office.load(*(line(national(n)) for n in range(1, 400)))
        for n in range(1, 20):
            await office.ask(ALI, national(n))
        await office.load(*(line(national(n)) for n in range(1, 400)))
        question = Question(generation=1)
        for n in range(1, 20):
            failing = FailsAt(office.bed.redis, n)
            try:
                assert await office.recall(question, failing) == []
            except (Unavailable, Refused):
                assert failing.tripped
                continue
            assert not failing.tripped
            assert n > 5
            break
        current = await Generations(office.bed.redis, office.bed.redis).current()
        assert current is not None
        key = next(iter(current.layout.bucket_keys()))
        await office.bed.redis.send("HDEL", key, WHOLE)
        with pytest.raises(Refused, match="not whole"):
            await office.recall(question)
        await office.bed.redis.send("DEL", key)
        with pytest.raises(Refused, match="not whole"):
            await office.recall(question)

    with_office(server, "sqlite:///journal.sqlite3", tmp_path, test)


class Interrupted:
    """Commands, and a load that comes to its end after so many of them."""

    def __init__(self, commands: Commands, after: int, load: Callable[[], Awaitable[None]]) -> None:
        self._commands = commands
        self._after = after
        self._load = load

    def send(self, *args: Arg) -> "asyncio.Future[Reply]":
        """As Commands.send."""
        self._after -= 1
        if self._after:
            return self._commands.send(*args)

        async def late() -> Reply:
            await self._load()
            return await self._commands.send(*args)

        return asyncio.ensure_future(late())

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await self._commands.script(script, keys, *args)


def test_a_generation_that_changes_on_the_way_ends_the_recall(
    server: RunningRedis, tmp_path: Path
) -> None:
    """Half of one export and half of another say nothing."""

    async def test(office: Office) -> None:
        rows = [line(national(n)) for n in range(1, 400)]
        await office.load(*rows)
        await office.ask(ALI, ONE)
        await office.load(*rows)
        commands = Interrupted(office.bed.redis, 3, lambda: office.load(*rows))
        with pytest.raises(Refused, match="recall again"):
            await office.recall(Question(generation=1), commands)

    with_office(server, "sqlite:///journal.sqlite3", tmp_path, test)


def test_data_that_are_too_old_correct_nobody(server: RunningRedis, tmp_path: Path) -> None:
    """Where the export is too old to be told, it is too old to correct by."""

    async def test(office: Office) -> None:
        with pytest.raises(Refused, match="No generation is loaded"):
            await office.recall(Question(generation=1))
        await office.load(line(ONE))
        office.bed.now += timedelta(days=31)
        with pytest.raises(Refused, match="too old"):
            await office.recall(Question(generation=1))

    with_office(server, "sqlite:///journal.sqlite3", tmp_path, test)
