"""People whose row in an export could not be read: they are known, and nobody says otherwise."""

from datetime import UTC, date, datetime

import pytest

from eligibility.generations import Generations
from eligibility.load import LoadOptions
from eligibility.load_errors import LoadRefused
from eligibility.national_id import NationalId
from eligibility.person_store import Written, write_person
from eligibility.verdict import Kind, Outcome, Record, Status
from state.link import Redis
from tests.loading import NOW, covered, csv_of, line, load_text, national, verdict_on, with_redis
from tests.redis_server import RunningRedis

MANY = LoadOptions(as_of=NOW, max_reject_share=0.9)
BAD = [
    line(national(1), status="activ"),
    line(national(2), valid_until="1405/12/29"),
    line(national(3), updated_at="yesterday"),
    line("120000000001", branch="x"),
]


@pytest.mark.parametrize("padding", [0, 300])
def test_cannot_be_checked(server: RunningRedis, padding: int) -> None:
    """Of whom a row was rejected, with a right ID, nobody is told that they are not found."""

    async def play(link: Redis) -> None:
        others = covered(3 + padding, first=10)
        loaded, rejects = await load_text(link, csv_of([*BAD, *others]), MANY)
        for digits in (national(1), national(2), national(3), "120000000001"):
            assert (await verdict_on(link, digits)).outcome is Outcome.CANNOT_CHECK
        assert (await verdict_on(link, national(5_000))).outcome is Outcome.NOT_FOUND
        facts = loaded.generation
        assert (facts.people, facts.rejected, facts.unreadable) == (3 + padding, 4, 4)
        assert rejects.count("\n") == 5
        assert (await Generations(link, link).known())[0] == facts

    with_redis(server, play)


def test_a_row_that_can_be_read_is_told(server: RunningRedis) -> None:
    """A person with a good row and a bad one has the good one, wherever each of them stands."""

    async def play(link: Redis) -> None:
        lines = [BAD[0], line(national(1)), line(national(2)), BAD[1], *covered(4, first=10)]
        loaded, rejects = await load_text(link, csv_of(lines), MANY)
        for n in (1, 2):
            assert (await verdict_on(link, national(n))).outcome is Outcome.COVERED
        assert (loaded.generation.unreadable, loaded.generation.duplicates) == (0, 0)
        assert "superseded" not in rejects

    with_redis(server, play)


def test_whatever_comes_later_is_told(server: RunningRedis) -> None:
    """A change, or what the registry says, takes the place of the row that could not be read."""

    async def play(link: Redis) -> None:
        lines = [BAD[0], *covered(4, first=10)]
        layout = (await load_text(link, csv_of(lines), MANY))[0].generation.layout
        long_ago = datetime(1999, 1, 1, tzinfo=UTC)
        record = Record(Status.ACTIVE, date(2027, 3, 20), Kind.MAIN, 1, long_ago)
        told = await write_person(link, layout, NationalId.parse(national(1)), record)
        assert told is Written.WRITTEN
        assert (await verdict_on(link, national(1))).outcome is Outcome.COVERED

    with_redis(server, play)


def test_nobody_that_can_be_read(server: RunningRedis) -> None:
    """A file in which no row can be read is refused, though it names people."""

    async def play(link: Redis) -> None:
        with pytest.raises(LoadRefused, match="no row that can be loaded"):
            await load_text(link, csv_of(BAD), LoadOptions(as_of=NOW, max_reject_share=1))

    with_redis(server, play)
