"""One person's record written by itself, in whatever order changes arrive."""

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eligibility.cache import Cache
from eligibility.generations import Generations
from eligibility.national_id import NationalId
from eligibility.person_store import Written, write_person
from eligibility.record import pack, unpack
from eligibility.verdict import Kind, Outcome, Record, Status
from state.errors import Unavailable
from state.link import Redis
from tests.loading import ANY_AGE, NOW, covered, csv_of, load_text, national, verdict_on, with_redis
from tests.redis_server import RunningRedis, running_redis

SOMEBODY, NEWCOMER = NationalId.parse(national(1)), NationalId.parse(national(700))
OTHER = NationalId.parse(national(2))
LOADED = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)

records = st.builds(
    Record,
    status=st.sampled_from(Status),
    valid_until=st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    kind=st.sampled_from(Kind),
    branch=st.none() | st.integers(0, 600),
    updated_at=st.integers(1, 4).map(lambda day: LOADED + timedelta(days=day)),
    confirmed_at=st.none() | st.integers(5, 7).map(lambda day: LOADED + timedelta(days=day)),
)


def changed(status: Status, day: int) -> Record:
    """A change some days after the record that `covered` loads."""
    return Record(status, None, Kind.MAIN, 12, LOADED + timedelta(days=day))


@given(records)
def test_confirmed_records_are_read_as_written(record: Record) -> None:
    """Packing loses nothing, whether or not the registry was asked about the person."""
    packed = pack(record)
    assert unpack(packed) == record
    assert len(packed) == (10 if record.confirmed_at is None else 15)


def test_a_newer_change_stays(server: RunningRedis) -> None:
    """A change is told at once, a repeated one changes nothing, an older one never does."""

    async def play(link: Redis) -> None:
        layout = (await load_text(link, csv_of(covered(3))))[0].generation.layout
        later, earlier = changed(Status.INACTIVE, 2), changed(Status.PENDING, 1)
        assert await write_person(link, layout, SOMEBODY, later) is Written.WRITTEN
        assert await write_person(link, layout, SOMEBODY, later) is Written.SAME
        assert await write_person(link, layout, SOMEBODY, earlier) is Written.OLDER
        assert (await verdict_on(link, national(1))).outcome is Outcome.NOT_COVERED
        assert await write_person(link, layout, NEWCOMER, earlier) is Written.WRITTEN
        assert (await verdict_on(link, national(700))).outcome is Outcome.PENDING_PAYMENT

    with_redis(server, play)


def test_in_every_language_of_the_server(tmp_path: Path) -> None:
    """A Redis that was started in English or Persian takes the later change too, as any does."""
    making = ["-i", "en_US", "-f", "UTF-8", str(tmp_path / "en_US.UTF-8")]
    localedef = shutil.which("localedef")
    if localedef is None or subprocess.call([localedef, *making]):
        pytest.skip("no locale can be made here")
    english = {"LOCPATH": str(tmp_path), "LC_ALL": "en_US.UTF-8"}

    async def play(link: Redis) -> None:
        layout = (await load_text(link, csv_of(covered(3))))[0].generation.layout
        for minutes in range(200):
            record = replace(
                changed(Status.PENDING, 2),
                updated_at=LOADED + timedelta(days=2, minutes=minutes, milliseconds=370 * minutes),
            )
            earlier = replace(record, updated_at=record.updated_at - timedelta(seconds=7))
            assert await write_person(link, layout, SOMEBODY, record) is Written.WRITTEN
            assert await write_person(link, layout, SOMEBODY, earlier) is Written.OLDER

    with running_redis(environment=english) as english_server:
        with_redis(english_server, play)


def test_what_another_version_wrote_stays(server: RunningRedis) -> None:
    """A record that cannot be read is not compared with, and not written over."""

    async def play(link: Redis) -> None:
        layout = (await load_text(link, csv_of(covered(3))))[0].generation.layout
        await link.send("HSET", *layout.address(SOMEBODY), b"\xe0 from the future")
        told = await write_person(link, layout, SOMEBODY, changed(Status.INACTIVE, 2))
        assert told is Written.UNREADABLE
        assert (await verdict_on(link, national(1))).outcome is Outcome.CANNOT_CHECK

    with_redis(server, play)


def test_no_bucket_is_made_by_a_change(server: RunningRedis) -> None:
    """After one bucket is lost its people cannot be checked, changes or not; others can."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(1_000)))
        generation = await Generations(link, link).current()
        assert generation is not None
        layout = generation.layout
        lost, _ = layout.address(SOMEBODY)
        await link.send("DEL", lost)
        gone = await write_person(link, layout, SOMEBODY, changed(Status.ACTIVE, 2))
        assert gone is Written.GONE
        cache = Cache(link, link, ANY_AGE)
        await cache.refresh()
        for n in range(1, 1_001):
            person = NationalId.parse(national(n))
            if layout.address(person)[0] == lost:
                with pytest.raises(Unavailable):
                    await cache.find(person)
            else:
                assert (await cache.verdict(person, NOW)).outcome is Outcome.COVERED

    with_redis(server, play)


@settings(max_examples=60, deadline=None)
@given(given_records=st.lists(records, min_size=2, max_size=5), data=st.data())
def test_any_order_ends_alike(
    server: RunningRedis, given_records: list[Record], data: st.DataObject
) -> None:
    """Whatever the order in which changes arrive, the same one stays: none is older than it."""
    shuffled = data.draw(st.permutations(given_records))

    async def play(link: Redis) -> None:
        layout = (await load_text(link, csv_of(covered(3))))[0].generation.layout

        async def ended(person: NationalId, order: list[Record]) -> Record:
            for record in order:
                await write_person(link, layout, person, record)
            return unpack(await link.send("HGET", *layout.address(person)))

        first, second = await ended(SOMEBODY, given_records), await ended(OTHER, shuffled)
        assert first == second
        assert first.updated_at == max(record.updated_at for record in given_records)

    with_redis(server, play)
