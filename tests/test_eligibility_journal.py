"""The journal of what was told: in the stream with the answer, in clear to nobody."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

import eligibility.journal
from eligibility.answer import Answer, Asker
from eligibility.journal import STREAM
from eligibility.journal_keys import JournalKey, JournalKeys
from eligibility.ledger import Entry
from eligibility.national_id import NationalId
from eligibility.told import BadEntry, asker_of, microseconds, pack_told, unpack_told
from eligibility.tracking_code import is_code
from eligibility.verdict import CANNOT_CHECK, Outcome, Source, Verdict
from state.commands import Arg, Commands, Reply, Script
from state.errors import Unavailable
from state.sealed import Unreadable
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from tests.journal_bed import (
    ALI,
    COVERED,
    NOON,
    OTHER,
    PERSON,
    PHARMACY,
    SARA,
    Bed,
    People,
    with_bed,
)
from tests.redis_server import FailsAt, RunningRedis

DAYS = st.dates(date(1950, 1, 1), date(2129, 1, 1)) | st.none()


def keys_in(folder: Path) -> JournalKeys:
    """A folder's keys, one at the least."""
    keys = JournalKeys(folder, secrets.token_bytes)
    keys.required(NOON)
    return keys


def key_of_a_test() -> JournalKey:
    """A key of no folder's any more."""
    with TemporaryDirectory() as folder:
        return keys_in(Path(folder)).required(NOON)


KEY = key_of_a_test()


@given(
    verdict=st.builds(
        Verdict,
        outcome=st.sampled_from(Outcome),
        as_of=st.none(),
        source=st.sampled_from(Source) | st.none(),
        stale=st.booleans(),
        valid_until=DAYS,
        not_covered_since=DAYS,
    ),
    channel=st.sampled_from(Channel),
    repeat=st.booleans(),
    generation=st.integers(1, 2**32 - 1) | st.none(),
    after=st.timedeltas(timedelta(days=-20_000), timedelta(days=100_000)),
    operator=st.text(st.characters(codec="utf-8"), max_size=40),
)
def test_every_answer_is_the_same_again_when_it_is_read(
    verdict: Verdict,
    channel: Channel,
    repeat: bool,
    generation: int | None,
    after: timedelta,
    operator: str,
) -> None:
    """What is read from the journal is what was told, to the microsecond and the day."""
    asker = Asker("a" * 32, contact=Msisdn("989121234567"), operator=operator)
    entry = Entry("48305172606", "a" * 32, "p" * 32, channel, verdict, generation, NOON + after)
    told = unpack_told(pack_told(KEY, NationalId.parse(PERSON), asker, entry, repeat=repeat))
    assert (told.outcome, told.source, told.stale) == (
        verdict.outcome,
        verdict.source,
        verdict.stale,
    )
    assert told.valid_until == verdict.valid_until
    assert told.not_covered_since == verdict.not_covered_since
    assert (told.channel, told.repeat, told.operator) == (channel, repeat, operator)
    assert (told.generation, told.at, told.code) == (
        generation,
        microseconds(NOON + after),
        "48305172606",
    )
    assert told.person == KEY.hashes.octets("id", PERSON)
    assert asker_of(KEY.seal, told.sealed) == Msisdn("989121234567")


@given(st.binary(max_size=120))
def test_octets_that_are_no_entry_are_refused(octets: bytes) -> None:
    """Whatever lies in the stream, the gateway that reads it goes on."""
    try:
        told = unpack_told(octets)
    except BadEntry:
        return
    assert octets[0] == 1
    assert len(told.code) == 11


def test_an_answer_is_in_the_journal_when_it_is_given(server: RunningRedis) -> None:
    """Who got an answer is in the journal, sealed; whom it is about as a keyed hash alone."""

    async def test(bed: Bed) -> None:
        answer = await bed.ask()
        again = await bed.ask()
        await bed.ask(PHARMACY, OTHER, Channel.API)
        await bed.ask(Asker("c" * 32, known=False), channel=Channel.VOICE)
        await bed.ask(person="12345")
        first, second, provider, withheld = await bed.stream()
        assert (first.code, second.code) == (answer.tracking_code, again.tracking_code)
        assert (first.repeat, second.repeat) == (False, True)
        assert (first.outcome, first.valid_until) == (COVERED.outcome, COVERED.valid_until)
        assert (first.operator, first.channel, first.generation) == ("mci", Channel.USSD, 7)
        key = bed.keys.of(first.key_id)
        assert key is not None
        assert first.person == second.person == key.hashes.octets("id", PERSON)
        assert first.asker == second.asker != provider.asker
        assert asker_of(key.seal, first.sealed) == ALI.contact
        assert asker_of(key.seal, provider.sealed) == "a1b2c3d4"
        assert asker_of(key.seal, withheld.sealed) is None
        raw = repr(await bed.redis.send("XRANGE", STREAM, "-", "+"))
        assert not any(told in raw for told in (PERSON, PERSON[:9], "9121234567", "a1b2c3d4"))

    with_bed(server, test)


class Held:
    """Commands that note what is sent before anything is answered."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.sent: list[str] = []

    def send(self, *args: Arg) -> "asyncio.Future[Reply]":
        """As Commands.send."""
        word = args[0].decode() if isinstance(args[0], bytes) else str(args[0])
        self.sent.append(word)
        future = self._commands.send(*args)
        future.add_done_callback(lambda _: self.sent.append("reply"))
        return future

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        self.sent.append(script.name)
        reply = await self._commands.script(script, keys, *args)
        self.sent.append("reply")
        return reply


def test_the_journal_costs_no_journey_of_its_own(server: RunningRedis) -> None:
    """The journal's entry travels with the ledger's: nobody waits for it by itself."""

    async def test(bed: Bed) -> None:
        await bed.ask(SARA)  # the scripts are known now
        held = Held(bed.redis)
        journal = bed.new_journal(held)
        await bed.inquiries(held, journal).inquire(PERSON, ALI, Channel.USSD)
        assert held.sent == ["open_inquiry", "reply", "XADD", "record_inquiry", "reply", "reply"]

    with_bed(server, test)


def test_whatever_fails_the_answer_is_given_and_journalled(server: RunningRedis) -> None:
    """When any call to Redis fails, the person is answered, and the journal has it later."""

    async def test(bed: Bed) -> None:
        for n in range(1, 20):
            await bed.redis.send("FLUSHALL")
            failing = FailsAt(bed.redis, n)
            journal = bed.new_journal(failing)
            answer = await bed.inquiries(failing, journal).inquire(PERSON, ALI, Channel.USSD)
            assert isinstance(answer, Answer)
            assert answer.verdict == COVERED
            assert is_code(answer.tracking_code or "")
            for _ in range(3):
                with suppress(Unavailable):
                    await journal.tend(bed.now)
            told = await bed.stream()
            assert {one.code for one in told} == {answer.tracking_code}
            assert len(told) == 1
            assert journal.kept == 0
            if not failing.tripped:
                assert n > 5, "opened, journalled, recorded, and two looks at the stream"
                return
        raise AssertionError("it never came to its end")

    with_bed(server, test)


def test_while_the_stream_is_full_answers_wait_and_are_not_lost(server: RunningRedis) -> None:
    """At the stream's bound answers wait in the gateway; when there is room they are written."""

    async def test(bed: Bed) -> None:
        bed.limit = 3
        bed.journal = bed.new_journal(bed.redis)
        for number in range(989120000001, 989120000004):
            await bed.ask(Asker(str(number), contact=Msisdn(str(number))))
        await bed.journal.tend(bed.now)
        full = [bed.journal.full]
        waiting = await bed.ask(SARA)
        assert (len(await bed.stream()), bed.journal.kept) == (3, 1)
        await bed.redis.send("DEL", STREAM)
        await bed.journal.tend(bed.now)
        assert [*full, bed.journal.full] == [True, False]
        assert [one.code for one in await bed.stream()] == [waiting.tracking_code]
        assert bed.counts.counts["lost"] == 0

    with_bed(server, test)


def test_what_can_be_kept_nowhere_is_counted(
    server: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not even the gateway has room any more, the metrics say how many answers are lost."""
    monkeypatch.setattr(eligibility.journal, "MOST_WAITING", 2)

    async def test(bed: Bed) -> None:
        bed.limit = 0
        bed.journal = bed.new_journal(bed.redis)
        await bed.journal.tend(bed.now)
        for number in range(989120000001, 989120000006):
            await bed.ask(Asker(str(number), contact=Msisdn(str(number))))
        assert (bed.journal.kept, bed.counts.counts["lost"]) == (2, 3)

    with_bed(server, test)


def test_an_answer_is_journalled_under_the_code_that_was_told(server: RunningRedis) -> None:
    """Where a fresh code turns out to be another's, the journal has the one that was told."""

    async def test(bed: Bed) -> None:
        numbers = iter([5, 5, 6])
        bed.below = lambda _: next(numbers)
        first = await bed.ask(ALI)
        second = await bed.ask(SARA)
        assert first.tracking_code != second.tracking_code
        told = [one.code for one in await bed.stream()]
        assert told == [first.tracking_code, second.tracking_code]

    with_bed(server, test)


def test_who_could_not_be_answered_is_in_the_journal_too(server: RunningRedis) -> None:
    """A fault of ours is journalled as CANNOT_CHECK."""

    async def test(bed: Bed) -> None:
        bed.people = People(CANNOT_CHECK)
        await bed.ask()
        (told,) = await bed.stream()
        assert told.outcome is Outcome.CANNOT_CHECK
        assert told.source is None

    with_bed(server, test)


def test_keys_rotate_and_old_ones_stay_readable(tmp_path: Path) -> None:
    """After a rotation answers are under the new key, and what is under the old is still read."""
    keys, gateway = keys_in(tmp_path), keys_in(tmp_path)
    old = keys.required(NOON)
    sealed = old.seal.seal(b"tel:989121234567", b"journal asker")
    new = keys.rotate(NOON + timedelta(days=1))
    assert keys.current is new
    assert gateway.current is not None
    assert gateway.current.id == old.id
    gateway.reread()
    assert gateway.current.id == new.id != old.id
    kept = gateway.of(old.id)
    assert kept is not None
    assert asker_of(kept.seal, sealed) == Msisdn("989121234567")
    assert kept.hashes.of("id", PERSON) != new.hashes.of("id", PERSON)
    with pytest.raises(Unreadable):
        asker_of(new.seal, sealed)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_the_last_key_made_is_the_one_in_use(tmp_path: Path) -> None:
    """However soon after another it is made, and by a clock that goes back, a new key is used."""
    keys = keys_in(tmp_path)
    for hours in (0, 0, 0, -1, 1):
        key = keys.rotate(NOON + timedelta(hours=hours))
        assert keys.current is key
        assert keys_in(tmp_path).known[-1].id == key.id
    assert len(keys.known) == 1 + 5


def test_a_folder_of_keys_that_is_away_keeps_nobody_from_an_answer(server: RunningRedis) -> None:
    """While the keys' disk is gone people are answered, and journalled under the key in use."""

    async def test(bed: Bed) -> None:
        key = bed.keys.required(bed.now)
        folder = bed.folder / "keys"
        folder.rename(bed.folder / "away")
        folder.write_text("what should be a folder")
        with pytest.raises(FileNotFoundError):
            bed.keys.reread()
        assert (await bed.ask()).tracking_code
        assert [told.key_id for told in await bed.stream()] == [key.id]

    with_bed(server, test)


def test_a_key_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    """A key file that was mixed up or damaged stops the start, and is named."""
    key = keys_in(tmp_path).required(NOON)
    (tmp_path / key.name).write_bytes(b"x" * 32)
    with pytest.raises(ValueError, match=key.id):
        JournalKeys(tmp_path, secrets.token_bytes)
