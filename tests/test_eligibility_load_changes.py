"""What a load would change is told before it changes anything."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eligibility.buckets import TWELVE, WHOLE, Layout
from eligibility.comparison import STRETCHES, Changes, compare
from eligibility.generation import Alarm, Generation, Phase
from eligibility.generations import INVENTORY_KEY, Generations
from eligibility.load import Loaded, LoadOptions, load
from eligibility.load_errors import LoadFailed, LoadRefused
from eligibility.national_id import NationalId
from eligibility.record import pack
from eligibility.verdict import Kind, Outcome, Record, Status
from state.errors import Unavailable
from state.link import Redis
from tests.loading import (
    AS_OF_NOW,
    NOW,
    TODAY,
    covered,
    csv_of,
    line,
    load_text,
    national,
    verdict_on,
    with_redis,
)
from tests.redis_server import RunningRedis

CAUTIOUS = LoadOptions(as_of=NOW, max_shrink_share=1.0, max_changed_share=0.05)
C, N, P, F = Outcome.COVERED, Outcome.NOT_COVERED, Outcome.PENDING_PAYMENT, Outcome.NOT_FOUND


def test_far_more_changes(server: RunningRedis) -> None:
    """An export that would change what many are told is refused with each kind of change."""
    bad = [line(national(n), status="inactive") for n in range(1, 61)]
    bad += covered(110, first=61) + covered(20, first=900)

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(200)))
        with pytest.raises(LoadRefused) as refused:
            await load_text(link, csv_of(bad), CAUTIOUS)
        # 60 of 220 lose their cover, 30 are no longer there, 20 are new.
        assert "would change what 50.00% of the people are told today" in str(refused.value)
        for kind in (
            "COVERED to NOT_COVERED: 27.27%",
            "COVERED to NOT_FOUND: 13.64%",
            "NOT_FOUND to COVERED: 9.09%",
            "more than 5.00% (max_changed_share)",
            "--accept",
        ):
            assert kind in str(refused.value)
        assert (await verdict_on(link, national(1))).outcome is C
        generations = Generations(link, link)
        assert [one.number for one in await generations.known()] == [1]
        assert await link.send("HLEN", INVENTORY_KEY) == 1

        accepted = replace(CAUTIOUS, accept=True, accepted_by="sara")
        await load_text(link, csv_of(bad), accepted)
        kept = await generations.current()
        assert kept is not None
        assert (kept.accepted, kept.accepted_by) == (True, "sara")
        assert kept.alarms == (Alarm.MORE_CHANGES,)
        assert kept.changes == Changes(1, 220, True, ((C, N, 60), (C, F, 30), (F, C, 20)))
        assert (await verdict_on(link, national(1))).outcome is N

    with_redis(server, play)


def test_refused_after_room_was_made(server: RunningRedis) -> None:
    """Whoever cannot go back any more is told so."""

    async def play(link: Redis) -> None:
        for first in (1, 2):
            await load_text(link, csv_of(covered(150, first=first)))
        with pytest.raises(LoadRefused, match="Generation 1 was freed to make room"):
            await load_text(link, csv_of(covered(150, first=500)), CAUTIOUS)
        assert [one.number for one in await Generations(link, link).known()] == [2]
        keeping = replace(CAUTIOUS, keep_previous=True)
        with pytest.raises(LoadRefused) as refused:
            await load_text(link, csv_of(covered(150, first=500)), keeping)
        assert "freed" not in str(refused.value)

    with_redis(server, play)


def test_few_changes(server: RunningRedis) -> None:
    """An export that changes few is loaded, accepted by nobody, and says what it changed."""

    async def play(link: Redis) -> None:
        first = (await load_text(link, csv_of(covered(200)), CAUTIOUS))[0].generation
        assert (first.changes, first.accepted) == (None, False)
        rows = [line(national(1), status="pending"), *covered(199, first=2)]
        options = replace(CAUTIOUS, accept=True, accepted_by="sara")
        second = (await load_text(link, csv_of(rows), options))[0].generation
        assert second.changes == Changes(1, 200, True, ((C, P, 1),))
        assert (second.accepted, second.accepted_by) == (False, "")
        assert str(second.changes) == "0.50%"

    with_redis(server, play)


def test_nobody_to_compare_with(server: RunningRedis) -> None:
    """Where the people in service were lost from the cache, they can be loaded again."""

    async def play(link: Redis) -> None:
        loaded = (await load_text(link, csv_of(covered(200))))[0].generation
        await link.send("DEL", *loaded.layout.bucket_keys())
        again = (await load_text(link, csv_of(covered(9, first=500)), CAUTIOUS))[0].generation
        assert again.changes is None

    with_redis(server, play)


def test_on_one_day_in_tehran(server: RunningRedis, tmp_path: Path) -> None:
    """Both are judged by today's date in Tehran: what a midnight changed, no load is blamed for."""
    path = tmp_path / "people.csv"

    async def loaded(link: Redis, until: str, now: datetime) -> Loaded:
        path.write_text(csv_of([line("123456789012", valid_until=until, updated_at="2026-01-01")]))
        options = LoadOptions(as_of=now)
        return await load(path, link, link, tmp_path / "s", clock=lambda: now, options=options)

    async def play(link: Redis) -> None:
        before_midnight = datetime(2026, 11, 20, 20, 29, tzinfo=UTC)
        for now, kinds in (
            (before_midnight, ()),
            (before_midnight + timedelta(minutes=1), ((N, C, 1),)),
        ):
            await loaded(link, "2026-11-20", before_midnight)
            changes = (await loaded(link, "2027-03-20", now)).generation.changes
            assert changes is not None
            assert changes.kinds == kinds

    with_redis(server, play)


PEOPLE = st.dictionaries(
    st.integers(1, 400).map(national) | st.integers(10**11, 10**11 + 40).map(str),
    st.sampled_from([C, N, P]),
    max_size=40,
)
STATUS = {C: Status.ACTIVE, N: Status.INACTIVE, P: Status.PENDING}


async def lay(link: Redis, layout: Layout, people: dict[str, Outcome]) -> None:
    """Write these people into all buckets of a layout."""
    fields: dict[bytes, list[bytes]] = {key: [WHOLE, b"1"] for key in layout.bucket_keys()}
    for digits, outcome in people.items():
        key, place = layout.address(NationalId.parse(digits))
        fields[key] += [place, pack(Record(STATUS[outcome], None, Kind.MAIN, None, NOW))]
    await asyncio.gather(*(link.send("HSET", key, *pairs) for key, pairs in fields.items()))


def test_any_two_generations(server: RunningRedis) -> None:
    """Whoever is in either generation is compared once, however each is laid out."""

    @settings(max_examples=40, deadline=None)
    @given(PEOPLE, PEOPLE, st.integers(1, 40), st.integers(1, 40))
    def compared(old: dict[str, Outcome], new: dict[str, Outcome], many: int, more: int) -> None:
        layouts = [Layout(t, 10**9 // n, TWELVE // n) for t, n in (("a", many), ("b", more))]

        async def play(link: Redis) -> Changes | None:
            await lay(link, layouts[0], old)
            await lay(link, layouts[1], new)
            first, second = layouts
            return await compare(link, 1, first, second, TODAY, lambda total, wanted: range(0))

        changes = with_redis(server, play)
        assert changes is not None
        everybody = old.keys() | new.keys()
        kinds = Counter((old.get(who, F), new.get(who, F)) for who in everybody)
        assert (changes.people, changes.all_of_them) == (len(everybody), True)
        told = {(was, will_be): count for was, will_be, count in changes.kinds}
        assert told == {kind: n for kind, n in kinds.items() if kind[0] is not kind[1]}

    compared()


def test_sample(server: RunningRedis) -> None:
    """Of a large population some hundreds of stretches at random are looked at, with a margin."""
    old, new = Layout("a", 10**6, TWELVE), Layout("b", 3 * 10**6, TWELVE)
    people = {national(n * 7_654_321): C for n in range(1, 2_000)}
    asked: list[tuple[int, int]] = []

    def choose(total: int, wanted: int) -> list[int]:
        asked.append((total, wanted))
        return [*range(0, 2 * 100, 2)]

    async def play(link: Redis) -> Changes | None:
        await lay(link, old, people)
        await lay(link, new, {})
        return await compare(link, 7, old, new, TODAY, choose)

    changes = with_redis(server, play)
    assert asked == [(1_001, STRETCHES)]
    assert changes is not None
    stretches = [int(old.address(NationalId.parse(who))[0].rpartition(b":")[2]) for who in people]
    assert changes.people == sum(n < 200 and n % 2 == 0 for n in stretches) > 100
    assert not changes.all_of_them
    assert changes.kinds == ((C, F, changes.people),)
    assert 0 < changes.margin < 0.05


def test_margin() -> None:
    """The margin is that of a sample; nothing is certain of those who were not looked at."""
    five = Changes(1, 100_000, False, ((C, N, 4_000), (C, F, 1_000)))
    assert five.share == pytest.approx(0.05)
    assert five.margin == pytest.approx(0.00135, rel=0.01)
    assert replace(five, all_of_them=True).margin == 0
    assert 0 < Changes(1, 100_000, False, ()).margin < 0.0001
    assert [*five.table()] == ["COVERED to NOT_COVERED: 4.00%", "COVERED to NOT_FOUND: 1.00%"]


@pytest.mark.parametrize("keep", [False, True])
def test_room(server: RunningRedis, keep: bool) -> None:
    """While a load runs two generations need room; three where the operator wants to go back."""

    async def play(link: Redis) -> None:
        for first in (1, 2):
            await load_text(link, csv_of(covered(150, first=first)))
        generations = Generations(link, link)

        async def look(_: Generation) -> None:
            if await link.send("HLEN", INVENTORY_KEY) == 2 + keep:
                previous = (await generations.pointer()).previous
                seen.append(None if previous is None else previous.number)

        seen: list[int | None] = []
        options = replace(AS_OF_NOW, keep_previous=keep)
        loaded, _ = await load_text(link, csv_of(covered(150, first=3)), options, catch_up=look)
        assert seen[:1] == [1 if keep else None]
        assert loaded.freed == (() if keep else (1,))
        assert [one.number for one in await generations.known()] == [2, 3]
        assert (await generations.roll_back()).number == 2

    with_redis(server, play)


def test_catches_up(server: RunningRedis) -> None:
    """Changes newer than the export are brought in before the switch, and again right after it."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(150)))
        generations = Generations(link, link)
        seen: list[tuple[int, Phase, int, int]] = []

        async def look(new: Generation) -> None:
            current = await generations.current()
            assert current is not None
            seen.append((new.number, new.phase, new.people, current.number))

        await load_text(link, csv_of(covered(160)), catch_up=look)
        before, after = (2, Phase.LOADING, 160, 1), (2, Phase.READY, 160, 2)
        assert seen == [before, before, after]

    with_redis(server, play)


@pytest.mark.parametrize(("fails", "answers"), [(1, 1), (2, 1), (3, 2)])
def test_cannot_catch_up(server: RunningRedis, fails: int, answers: int) -> None:
    """Where that fails before the switch nothing is switched; after it, the load says so."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(150)))
        calls = 0

        async def fail(_: Generation) -> None:
            nonlocal calls
            calls += 1
            if calls == fails:
                raise Unavailable("failed by the test")

        with pytest.raises(LoadFailed, match="failed by the test"):
            await load_text(link, csv_of(covered(160)), catch_up=fail)
        current = await Generations(link, link).current()
        assert current is not None
        assert current.number == answers
        assert await link.send("HLEN", INVENTORY_KEY) == answers

    with_redis(server, play)


def test_facts_written_before() -> None:
    """Facts that know nothing of changes are read; those that hold nonsense are not."""
    day = datetime.combine(date(2026, 1, 1), datetime.min.time(), UTC)
    plain = Generation(1, "t", 10, 10, 5, 0, 0, day, day, "x.csv", "00", Phase.READY)
    full = replace(plain, changes=Changes(1, 9, False, ((C, F, 2),)), accepted_by="sara")
    full = replace(full, alarms=tuple(Alarm))
    assert Generation.from_json(full.to_json().encode()) == full
    assert Generation.from_json(plain.to_json().encode()) == plain
