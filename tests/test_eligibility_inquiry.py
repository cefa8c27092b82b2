"""The one entrance: verdicts, tracking codes, budgets and what happens when Redis fails."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from eligibility.answer import Answer, Asker, OverBudget, RetryKeyReused
from eligibility.cache import Cache
from eligibility.inquiry import Inquiries, InquirySettings
from eligibility.inquiry import People as LookedUp
from eligibility.ledger import NO_LIMIT, Budget, Ledger
from eligibility.national_id import NationalId
from eligibility.person_store import write_person
from eligibility.tracking_code import is_code
from eligibility.verdict import Kind, Outcome, Record, Source, Status, Verdict
from state.commands import Commands
from state.errors import Unavailable
from state.keyed_hash import KeyedHash
from state.link import open_redis
from telecom.channel import Channel
from tests.loading import ANY_AGE, NOW, covered, csv_of, load_text, national
from tests.redis_server import FailsAt, RunningRedis

ALI = Asker("a" * 32)
SARA = Asker("b" * 32)
PERSON = "0012345679"
OTHER = "1234567891"
NOON = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
COVERED = Verdict(Outcome.COVERED, NOON, Source.CACHE, valid_until=date(2027, 3, 20))


@dataclass
class People:
    """Everybody has the same verdict, or nobody can be looked up."""

    answer: Verdict | None = COVERED
    generation: int | None = 7

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """The verdict that the test set."""
        if self.answer is None:
            raise Unavailable("no cache in this test")
        return self.answer


@dataclass
class Setting:
    """An `Inquiries` with its clock and its people in the test's hand."""

    commands: Commands
    people: People = field(default_factory=People)
    now: datetime = NOON
    burst: int = 3
    withheld: Budget = NO_LIMIT
    below: Callable[[int], int] = field(default_factory=lambda: random.Random(5).randrange)

    def build(self, commands: Commands | None = None, people: LookedUp | None = None) -> Inquiries:
        """As a gateway does, over these commands."""
        ledger = Ledger(
            commands or self.commands,
            repeat_for=timedelta(minutes=10),
            retry_for=timedelta(hours=24),
            keep_for=timedelta(days=30),
        )
        budget = Budget(self.burst, per_minute=1)
        budgets = {Channel.USSD: budget, Channel.SMS: budget}
        settings = InquirySettings(1.0, budgets, self.withheld)
        return Inquiries(
            people or self.people,
            ledger,
            settings,
            KeyedHash(b"k" * 32),
            clock=lambda: self.now,
            below=lambda n: self.below(n),
        )


def with_redis(server: RunningRedis, test: Callable[[Setting], Awaitable[None]]) -> None:
    """Run a test over an empty Redis."""

    async def run() -> None:
        redis = await open_redis(server.address, timeout=2.0, name="test")
        try:
            await redis.send("FLUSHALL")
            await test(Setting(redis))
        finally:
            await redis.close()

    asyncio.run(run())


def answered(answer: Answer | OverBudget) -> Answer:
    """The answer, which it must be."""
    assert isinstance(answer, Answer)
    return answer


def test_an_inquiry_is_answered_with_a_code_that_can_be_asked_about(server: RunningRedis) -> None:
    """Who asks gets a verdict and a code, and the code leads back to what was told."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        answer = answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))
        assert answer.verdict == COVERED
        assert answer.tracking_code is not None
        assert is_code(answer.tracking_code)
        kept = await inquiries.follow_up(answer.tracking_code)
        assert kept is not None
        assert (kept.outcome, kept.channel, kept.generation) == (Outcome.COVERED, Channel.USSD, 7)
        assert (kept.first_at, kept.valid_until, kept.asker) == (NOON, date(2027, 3, 20), ALI.token)
        assert await inquiries.follow_up("10000000000") is None

    with_redis(server, test)


@pytest.mark.parametrize("n", [1, 2, 700], ids=["loaded", "changed", "not found"])
def test_an_answer_is_of_the_generation_that_it_came_from(server: RunningRedis, n: int) -> None:
    """A switch while somebody is being answered lays no wrong answer at another load's door."""

    async def test(setting: Setting) -> None:
        redis = setting.commands
        first = (await load_text(redis, csv_of(covered(3))))[0].generation
        paid = Record(Status.PENDING, None, Kind.MAIN, 1, NOW)
        await write_person(redis, first.layout, NationalId.parse(national(2)), paid)
        cache = Cache(redis, redis, ANY_AGE)
        await cache.refresh()

        class Switching:
            """A cache behind which the generation changes after the answer, before it is told."""

            @property
            def generation(self) -> int | None:
                """As Cache.generation."""
                return cache.generation

            async def verdict(self, person: NationalId, now: datetime) -> Verdict:
                """As Cache.verdict."""
                verdict = await cache.verdict(person, now)
                await load_text(redis, csv_of(covered(3)))
                await cache.refresh()
                return verdict

        inquiries = setting.build(people=Switching())
        answer = answered(await inquiries.inquire(national(n), ALI, Channel.USSD))
        kept = await inquiries.follow_up(answer.tracking_code or "")
        assert kept is not None
        assert (kept.generation, cache.generation) == (first.number, first.number + 1)

    with_redis(server, test)


def test_what_the_registry_said_is_of_no_generation(server: RunningRedis) -> None:
    """No recall of a load doubts what the registry itself said while that load answered."""

    async def test(setting: Setting) -> None:
        setting.people.answer = replace(COVERED, source=Source.REGISTRY)
        inquiries = setting.build()
        answer = answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))
        kept = await inquiries.follow_up(answer.tracking_code or "")
        assert kept is not None
        assert kept.generation is None

    with_redis(server, test)


def test_a_repeat_gets_the_same_code_for_ten_minutes(server: RunningRedis) -> None:
    """A redial, on whatever channel, gets the same code; after ten minutes a new one."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        first = answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))
        again = answered(await inquiries.inquire(" ۰۰۱۲۳۴۵۶۷۹", ALI, Channel.SMS))
        assert again.repeat
        assert again.tracking_code == first.tracking_code
        assert answered(await inquiries.inquire(OTHER, ALI, Channel.USSD)).tracking_code != (
            first.tracking_code
        )
        assert answered(await inquiries.inquire(PERSON, SARA, Channel.USSD)).tracking_code != (
            first.tracking_code
        )
        kept = await inquiries.follow_up(first.tracking_code or "")
        assert kept is not None
        assert kept.times == 2
        keys = await setting.commands.send("KEYS", "ask:*:r:*")
        for key in keys:
            assert 0 < await setting.commands.send("PTTL", key) <= 600_000
            await setting.commands.send("DEL", key)
        later = answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))
        assert later.tracking_code != first.tracking_code

    with_redis(server, test)


def test_two_at_once_get_one_code(server: RunningRedis) -> None:
    """The same request twice at the same moment gets one code, not two."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        answers = await asyncio.gather(
            *(inquiries.inquire(PERSON, ALI, Channel.USSD) for _ in range(20))
        )
        assert len({answered(answer).tracking_code for answer in answers}) == 1

    with_redis(server, test)


def test_a_wrong_id_costs_nothing_and_has_no_code(server: RunningRedis) -> None:
    """A wrong ID is told as such, without a code, and is not counted against the asker."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        for typed, wrong in (
            ("0012345678", "check_digit"),
            ("12345679", "short"),
            ("1", "length"),
            ("salam", "characters"),
            ("", "characters"),
        ):
            for _ in range(5):
                answer = answered(await inquiries.inquire(typed, ALI, Channel.USSD))
                assert answer.verdict.outcome is Outcome.INVALID_ID
                assert (answer.tracking_code, answer.wrong) == (None, wrong)
        assert await setting.commands.send("DBSIZE") == 0

    with_redis(server, test)


def test_a_budget_is_spent_and_comes_back(server: RunningRedis) -> None:
    """Three at once, then one a minute; repeats are free, and others are not touched."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        people = [f"{n:012d}" for n in range(100000000000, 100000000006)]
        for person in people[:3]:
            answered(await inquiries.inquire(person, ALI, Channel.USSD))
        refused = await inquiries.inquire(people[3], ALI, Channel.USSD)
        assert isinstance(refused, OverBudget)
        assert 59 <= refused.retry_after <= 60
        assert answered(await inquiries.inquire(people[0], ALI, Channel.USSD)).repeat
        answered(await inquiries.inquire(people[3], SARA, Channel.USSD))
        setting.now += timedelta(seconds=refused.retry_after + 0.001)
        answered(await inquiries.inquire(people[3], ALI, Channel.USSD))
        assert isinstance(await inquiries.inquire(people[4], ALI, Channel.USSD), OverBudget)

    with_redis(server, test)


def test_a_clock_that_steps_back_gives_no_budget(server: RunningRedis) -> None:
    """When a clock is set back nobody gains and nobody is locked out longer than before."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        for n in range(100000000000, 100000000003):
            answered(await inquiries.inquire(str(n), ALI, Channel.USSD))
        setting.now -= timedelta(days=1)
        assert isinstance(await inquiries.inquire(PERSON, ALI, Channel.USSD), OverBudget)
        setting.now += timedelta(days=1, minutes=1)
        answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))

    with_redis(server, test)


def test_a_retry_key_gets_the_same_code_for_a_day(server: RunningRedis) -> None:
    """A provider's retry gets the same code, and the key cannot serve for another person."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        first = answered(await inquiries.inquire(PERSON, ALI, Channel.API, retry_key="k1"))
        for key in await setting.commands.send("KEYS", "ask:*:r:*"):
            await setting.commands.send("DEL", key)
        again = answered(await inquiries.inquire(PERSON, ALI, Channel.API, retry_key="k1"))
        assert again.tracking_code == first.tracking_code
        with pytest.raises(RetryKeyReused):
            await inquiries.inquire(OTHER, ALI, Channel.API, retry_key="k1")
        answered(await inquiries.inquire(OTHER, SARA, Channel.API, retry_key="k1"))

    with_redis(server, test)


def test_a_code_that_is_taken_is_never_given_twice(server: RunningRedis) -> None:
    """When chance draws a code that somebody has, the second asker gets another."""

    async def test(setting: Setting) -> None:
        draws = iter([1, 1, 2])
        setting.below = lambda n: next(draws)
        inquiries = setting.build()
        first = answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))
        second = answered(await inquiries.inquire(PERSON, SARA, Channel.USSD, retry_key="k"))
        assert first.tracking_code != second.tracking_code
        setting.below = random.Random(3).randrange
        again = answered(await inquiries.inquire(PERSON, SARA, Channel.USSD, retry_key="k"))
        assert again.tracking_code == second.tracking_code

    with_redis(server, test)


def test_a_withheld_number_gets_an_answer_and_shares_nothing(server: RunningRedis) -> None:
    """Callers without a number each get their own code, and no budget locks them all out."""

    async def test(setting: Setting) -> None:
        inquiries = setting.build()
        withheld = Asker("c" * 32, known=False)
        codes = {
            answered(await inquiries.inquire(PERSON, withheld, Channel.USSD)).tracking_code
            for _ in range(10)
        }
        assert len(codes) == 10

    with_redis(server, test)


def test_withheld_numbers_share_one_budget(server: RunningRedis) -> None:
    """Who withholds the number cannot try out IDs without end, however often they call."""

    async def test(setting: Setting) -> None:
        setting.withheld = Budget(4, per_minute=1)
        inquiries = setting.build()
        answers = [
            await inquiries.inquire(PERSON, Asker("c" * 32, known=False), Channel.VOICE)
            for _ in range(5)
        ]
        assert [isinstance(answer, OverBudget) for answer in answers] == [False] * 4 + [True]
        answered(await inquiries.inquire(PERSON, ALI, Channel.VOICE))

    with_redis(server, test)


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever call to Redis fails, the verdict stands and there is a code to quote."""

    async def test(setting: Setting) -> None:
        for n in count(1):
            await setting.commands.send("FLUSHALL")
            failing = FailsAt(setting.commands, n)
            answer = answered(await setting.build(failing).inquire(PERSON, ALI, Channel.USSD))
            assert answer.verdict == COVERED
            assert answer.tracking_code is not None
            assert is_code(answer.tracking_code)
            if not failing.tripped:
                break
        assert n > 2

    with_redis(server, test)


def test_nobody_to_look_up_is_never_not_covered(server: RunningRedis) -> None:
    """When the people cannot be looked up the answer is CANNOT_CHECK, with a code."""

    async def test(setting: Setting) -> None:
        setting.people.answer = None
        answer = answered(await setting.build().inquire(PERSON, ALI, Channel.USSD))
        assert answer.verdict.outcome is Outcome.CANNOT_CHECK
        assert answer.tracking_code is not None
        setting.people.answer = COVERED
        again = answered(await setting.build().inquire(PERSON, ALI, Channel.USSD))
        assert (again.verdict, again.tracking_code) == (COVERED, answer.tracking_code)

    with_redis(server, test)


def test_what_was_told_while_the_ledger_was_away_is_written_later(server: RunningRedis) -> None:
    """A code given while Redis was away can be asked about once it is back."""

    async def test(setting: Setting) -> None:
        failing = FailsAt(setting.commands, 1)
        inquiries = setting.build(failing)
        told = answered(await inquiries.inquire(PERSON, ALI, Channel.USSD))
        assert failing.tripped
        assert await inquiries.follow_up(told.tracking_code or "") is None
        answered(await inquiries.inquire(OTHER, ALI, Channel.USSD))
        assert await inquiries.follow_up(told.tracking_code or "") is not None

    with_redis(server, test)
