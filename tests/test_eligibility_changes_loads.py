"""Loads, rollbacks and crashes of the cache undo no change."""

from datetime import timedelta

from structlog.testing import capture_logs

from eligibility.catch_up import CatchUp
from eligibility.change_apply import MARK_KEY
from eligibility.change_stream import ChangeStream
from eligibility.generation import Generation, Phase
from eligibility.generations import Generations
from eligibility.load import LoadOptions
from eligibility.verdict import Outcome
from state.link import Redis
from tests.change_lines import (
    AN_HOUR,
    NEWCOMER,
    OTHER,
    SOMEBODY,
    Meanwhile,
    append,
    ends,
    feed_of,
    feeding,
    loads,
    minutes_ago,
    nothing_waits,
    now,
    pays,
    people,
    person,
    told,
    until,
)
from tests.loading import csv_of, line, load_text, national, verdict_on, with_redis
from tests.redis_server import RunningRedis


def test_a_rollback_takes_no_payment_back(server: RunningRedis) -> None:
    """A change is in the generation before too: going back to it does not undo it."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        await loads(redis, csv_of(people(3)))
        await ends(redis, SOMEBODY, 1)
        async with feeding(feed_of(server, redis)):
            await until(lambda: nothing_waits(redis))
        for _ in range(2):
            assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
            await Generations(redis, redis).roll_back()

    with_redis(server, play)


def test_a_switch_in_mid_air_loses_nothing(server: RunningRedis) -> None:
    """A change under way while a new generation begins to answer is in that one too."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        await ends(redis, SOMEBODY, 1)
        cache = Meanwhile(redis, lambda: loads(redis, csv_of(people(4))))
        feed = feed_of(server, redis, cache=cache)
        async with feeding(feed):
            await until(lambda: nothing_waits(redis))
            assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
        current = await Generations(redis, redis).current()
        assert current is not None
        assert current.people == 4

    with_redis(server, play)


def test_a_load_undoes_no_change(server: RunningRedis) -> None:
    """An export that is older than a change does not bring the old state back; a newer one wins."""

    async def play(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        await ends(redis, SOMEBODY, 30)
        await ends(redis, OTHER, 30)
        async with feeding(feed_of(server, redis)):
            await until(lambda: nothing_waits(redis))
        catch_up = CatchUp(redis, redis, margin=AN_HOUR, clock=now)
        answered: list[Outcome] = []

        async def watching(generation: Generation) -> None:
            await catch_up(generation)
            answered.append((await told(redis, SOMEBODY)).outcome)
            if generation.phase is Phase.LOADING:  # too late for this time, if not for the next
                await ends(redis, national(3), 10 - len(answered))

        newer = person(OTHER, minutes_ago(10))
        text = csv_of([person(SOMEBODY), newer, person(national(3))])
        await loads(redis, text, catch_up=watching)
        assert len(answered) >= 2
        assert set(answered) == {Outcome.NOT_COVERED}
        assert (await told(redis, OTHER)).outcome is Outcome.COVERED
        assert (await told(redis, national(3))).outcome is Outcome.NOT_COVERED

    with_redis(server, play)


def test_a_registry_whose_clock_is_ahead_loses_no_change(server: RunningRedis) -> None:
    """Where the registry's clock is ahead an export older than a change undoes it no more."""

    async def play(redis: Redis) -> None:
        paid = await pays(redis, SOMEBODY, -60)  # an hour ahead, as the state before it was
        before = line(SOMEBODY, "inactive", "", updated_at=minutes_ago(-30))
        at_noon = now() + timedelta(hours=2)
        options = LoadOptions(as_of=now())
        catch_up = CatchUp(redis, redis, margin=AN_HOUR, clock=lambda: at_noon)
        text = csv_of([before])
        await load_text(redis, text, options, catch_up=catch_up, clock=lambda: at_noon)
        assert (await verdict_on(redis, SOMEBODY, at_noon)).outcome is Outcome.COVERED
        soon = now()
        verdict = await verdict_on(redis, SOMEBODY, soon)
        assert (verdict.outcome, verdict.as_of) == (Outcome.COVERED, soon)
        assert paid

    with_redis(server, play)


def test_a_load_reaches_back_before_its_export(server: RunningRedis) -> None:
    """What came while the export was made is put on too; what came long before it is not."""

    async def play(redis: Redis) -> None:
        for digits, hours in ((SOMEBODY, 3), (OTHER, 1.5)):
            put = round((now() - hours * AN_HOUR).timestamp() * 1000)
            row = ("inactive", "", "main", "12", minutes_ago(hours * 60))
            await append(redis, digits, *row, id_=f"{put}-0")
        catch_up = CatchUp(redis, redis, margin=AN_HOUR, clock=now)
        generation = await loads(redis, csv_of(people(3)), catch_up=catch_up)
        assert timedelta(0) < now() - generation.as_of - AN_HOUR < AN_HOUR / 2
        assert (await told(redis, SOMEBODY)).outcome is Outcome.COVERED
        assert (await told(redis, OTHER)).outcome is Outcome.NOT_COVERED

    with_redis(server, play)


def test_a_load_says_where_changes_are_no_longer_kept(server: RunningRedis) -> None:
    """Where changes that an export may lack were removed for their age, the log says so."""

    async def play(redis: Redis) -> None:
        generation = await loads(redis, csv_of(people(3)))
        await ends(redis, SOMEBODY, 1)
        async with feeding(feed_of(server, redis)):
            await until(lambda: nothing_waits(redis))
        stream = ChangeStream(redis)
        catch_up = CatchUp(redis, redis, margin=AN_HOUR, clock=now)
        with capture_logs() as logs:
            await catch_up(generation)
            assert not [log for log in logs if log["event"] == "changes_not_kept"]
            tended = await stream.tend(now() + timedelta(hours=73), timedelta(hours=72), 100)
            assert (tended.length, tended.removed) == (0, 1)
            await CatchUp(redis, redis, margin=AN_HOUR, clock=now)(generation)
        assert [log for log in logs if log["event"] == "changes_not_kept"]

    with_redis(server, play)


def test_a_cache_that_went_back_gets_its_changes_again(server: RunningRedis) -> None:
    """After a crash of the cache, which comes up from its last snapshot, no change is missing."""

    async def run(redis: Redis) -> None:
        await loads(redis, csv_of(people(3)))
        keys = list(await redis.send("KEYS", "[pf]:*"))
        snapshot = {key: await redis.send("DUMP", key) for key in keys}
        an_hour_ago = round((now() - AN_HOUR).timestamp() * 1000)
        row = ("inactive", "", "main", "12", minutes_ago(60))
        await append(redis, SOMEBODY, *row, id_=f"{an_hour_ago}-0")
        await pays(redis, NEWCOMER, 1)
        for again in (False, True):  # by the gateway that applied it, and by one that begins
            feed = feed_of(server, redis)
            async with feeding(feed):
                await until(lambda: nothing_waits(redis))
                if not again:
                    await feed.tend()
                    await redis.send("DEL", MARK_KEY)
                    for key, value in snapshot.items():
                        await redis.send("RESTORE", key, 0, value, "REPLACE")
                    assert (await told(redis, SOMEBODY)).outcome is Outcome.COVERED
                await feed.tend()
                assert (await told(redis, SOMEBODY)).outcome is Outcome.NOT_COVERED
                assert (await told(redis, NEWCOMER)).outcome is Outcome.COVERED
            await redis.send("DEL", MARK_KEY)
            for key, value in snapshot.items():
                await redis.send("RESTORE", key, 0, value, "REPLACE")

    with_redis(server, run)
