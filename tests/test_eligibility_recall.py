"""Who was told something wrong: exactly those, and with what was right."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from eligibility.corrections_sql import BY_SMS, Correction, CorrectionTable
from eligibility.journal_sql import SENDING, SENT
from eligibility.recall import Contradiction
from eligibility.recall_sql import Question
from eligibility.saying import Saying
from eligibility.told import microseconds
from eligibility.verdict import CANNOT_CHECK, Outcome, Source
from telecom.channel import Channel
from tests.journal_bed import ALI, COVERED, NOON, PHARMACY, SARA, People
from tests.journal_place import Place, empty_place
from tests.loading import line, national
from tests.recall_office import ONE, Office, with_office
from tests.redis_server import RunningRedis

TWO, THREE = national(2), national(3)
FOREIGNER = "123456789012"
LATER = "2026-11-21T20:00:00+03:30"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of either kind."""
    return empty_place(request, tmp_path)


def test_each_wrong_answer_is_found_with_what_was_right(server: RunningRedis, place: Place) -> None:
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

    with_office(server, place, test)


def test_only_the_last_answer_to_an_asker_counts(server: RunningRedis, place: Place) -> None:
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

    with_office(server, place, test)


def test_the_last_answer_counts_across_a_rotation_of_keys(
    server: RunningRedis, place: Place
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

    with_office(server, place, test)


def test_answers_under_a_key_that_is_not_here_are_counted(
    server: RunningRedis, place: Place
) -> None:
    """Of what is under a lost key nothing is said but how much it is."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"))
        await office.ask(ALI, ONE)
        (lost,) = (office.bed.folder / "keys").iterdir()
        office.bed.keys.rotate(office.bed.now + timedelta(seconds=1))
        lost.unlink()
        office.bed.keys.reread()
        await office.load(line(ONE))
        assert await office.codes() == set()
        assert (office.tally.looked_at, office.tally.without_key) == (1, 1)

    with_office(server, place, test)


def test_what_changed_after_it_was_told_was_not_wrong(server: RunningRedis, place: Place) -> None:
    """A premium that was posted after the answer makes the answer no mistake, unless asked for."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "pending", ""))
        code, _ = await office.ask(ALI, ONE)
        await office.load(line(ONE, updated_at=LATER), line(TWO))
        assert await office.codes() == set()
        assert office.tally.changed_since == 1
        office.changed = True
        assert await office.codes() == {code}

    with_office(server, place, test)


def test_the_registry_is_not_contradicted_by_an_older_export(
    server: RunningRedis, place: Place
) -> None:
    """What the registry itself told after the export was made is no mistake, though it differs."""

    async def test(office: Office) -> None:
        await office.load(line(TWO))
        office.bed.now += timedelta(hours=1)
        office.bed.people = People(COVERED, 1)
        await office.ask(ALI, ONE)
        code, _ = await office.ask(ALI, THREE)
        office.bed.now += timedelta(hours=1)
        office.bed.people = People(replace(COVERED, source=Source.REGISTRY), None)
        await office.ask(ALI, ONE)
        await office.ask(SARA, TWO)
        await office.load(line(TWO, "pending", ""))
        assert await office.codes() == {code}
        assert office.tally.by_registry == 1

    with_office(server, place, test)


def test_an_answer_is_judged_on_its_own_day(server: RunningRedis, place: Place) -> None:
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

    with_office(server, place, test)


def test_a_time_can_be_in_doubt_instead_of_a_generation(server: RunningRedis, place: Place) -> None:
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

    with_office(server, place, test)


def test_who_was_sent_a_correction_holds_that(server: RunningRedis, place: Place) -> None:
    """A correction that was sent is what the asker was told last; one not sent is prepared anew."""

    async def test(office: Office) -> None:
        await office.load(line(ONE, "inactive", "2026-02-01"))
        code, _ = await office.ask(ALI, ONE)
        await office.load(line(ONE))
        table = CorrectionTable(office.database)
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

    with_office(server, place, test)


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
