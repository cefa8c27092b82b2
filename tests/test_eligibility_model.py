"""The store against a dictionary: loads, changes, rollbacks, faults and time, in any order."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eligibility.cache import Cache
from eligibility.catch_up import CatchUp
from eligibility.change import read_change
from eligibility.change_apply import apply
from eligibility.change_stream import CHANGES_KEY, ChangeStream
from eligibility.csv_rows import COLUMNS
from eligibility.freshness import Freshness
from eligibility.generations import Generations, NoRollback
from eligibility.lease import LEASE_KEY
from eligibility.load import LoadOptions
from eligibility.load_errors import LoadFailed
from eligibility.national_id import NationalId
from eligibility.people import keeping
from eligibility.person_store import Written
from eligibility.verdict import Kind, Record, Status
from state.commands import Arg, Commands, Reply
from state.errors import Unavailable
from state.link import Redis, open_redis
from tests.loading import csv_of, load_text, national
from tests.people_model import FRESH, USABLE, Held, expected, what_is_told
from tests.redis_server import FailsAt, RunningRedis

PEOPLE = (*(national(n) for n in (1, 2, 3, 31_415_926)), "918273645501")
STRANGER = national(700)
MARGIN = timedelta(hours=1)
EXAMPLES = 40
"""In some seconds; by hand with thousands."""
T = TypeVar("T")

BEGINNINGS = (
    datetime(2025, 3, 20, 20, 29, 58, tzinfo=UTC),  # 1403/12/30, a leap year's last two seconds
    datetime(2030, 3, 20, 20, 0, tzinfo=UTC),  # 1408/12/30
    datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
)
SPANS = [timedelta(seconds=seconds) for seconds in (1, 60, 1800, 3 * 3600, 86_400, 2 * 86_400)]
AGES = st.sampled_from([timedelta(0), *SPANS])


def row(person: str, record: Record) -> list[str]:
    """A record as a row."""
    until = record.valid_until.isoformat() if record.valid_until else ""
    updated = record.updated_at.isoformat()
    return [person, record.status, until, record.kind, str(record.branch), updated]


Fact = tuple[Status, int | None, timedelta]
Facts = dict[str, Fact]


def seldom(what: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    """That, or more often nothing."""
    return st.integers(0, 2).flatmap(lambda n: st.none() if n else what)


@st.composite
def said(draw: st.DrawFn) -> Fact:
    """What a registry says: the status, the last day from today, and how long it has been so."""
    return draw(st.sampled_from(Status)), draw(st.none() | st.integers(-2, 2)), draw(AGES)


facts = st.dictionaries(st.sampled_from(PEOPLE), said(), min_size=1)


class Unsaved:
    """A Redis whose disk is left alone: a save is a fork, which costs more than all the rest."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.script = redis.script

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send."""
        return self._redis.send(*(("ECHO", "saved") if args[0] == "BGSAVE" else args))


class Store(RuleBasedStateMachine):
    """Everything that happens to the people, and what is told of them."""

    server: RunningRedis

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis = self.run(open_redis(self.server.address, name="model", timeout=5))
        self.reader = self.run(open_redis(self.server.address, name="reader", timeout=5))
        self.send("FLUSHALL")
        self.stream = ChangeStream(self.redis, consumer="model")
        self.run(self.stream.stream.prepare())
        self.generations = Generations(self.redis, self.redis)
        self.cache = Cache(self.redis, self.redis, Freshness(FRESH, USABLE))
        self.current: Held | None = None
        self.previous: Held | None = None
        self.loaded: dict[int, Held] = {}
        self.appended: list[tuple[datetime, str, Record]] = []
        self.waiting: dict[bytes, tuple[str, Record]] = {}
        self.now = BEGINNINGS[0]

    def run(self, doing: Awaitable[T]) -> T:
        """To its end."""

        async def bounded() -> T:
            async with asyncio.timeout(30):
                return await doing

        return self.loop.run_until_complete(bounded())

    def send(self, *words: bytes | str) -> Any:
        """One command."""

        async def sent() -> Any:
            return await self.redis.send(*words)

        return self.run(sent())

    def teardown(self) -> None:
        """Leave nothing open."""
        for link in (self.redis, self.reader):
            self.run(link.close())
        self.loop.close()

    def failing(self, at: int | None) -> Commands:
        """Redis, or one whose call fails."""
        redis = Unsaved(self.redis)
        return FailsAt(redis, at) if at else redis

    def kept(self) -> list[Held]:
        """The generations that can answer."""
        return [held for held in (self.current, self.previous) if held and held.there]

    def record(self, fact: Fact) -> Record:
        """What is said now, as a record."""
        status, days, age = fact
        today = (self.now + timedelta(hours=3, minutes=30)).date()
        until = None if days is None else today + timedelta(days=days)
        return Record(status, until, Kind.MAIN, 12, self.now - age)

    @initialize(beginning=st.sampled_from(BEGINNINGS), exports=st.lists(facts, max_size=2))
    def begin(self, beginning: datetime, exports: list[Facts]) -> None:
        """Some day, some of them a year's last; most often something has been loaded before."""
        self.now = beginning
        for export in exports:
            self.load(export, timedelta(0), None)

    @rule(span=st.sampled_from(SPANS))
    def time_passes(self, span: timedelta) -> None:
        """Time passes."""
        self.now += span

    @rule(before=st.booleans())
    def midnight_comes(self, before: bool) -> None:
        """It becomes the last moment of a day in Tehran, or the first."""
        here = self.now + timedelta(hours=3, minutes=30)
        midnight = datetime.combine(here.date(), datetime.min.time(), UTC) + timedelta(days=1)
        self.now = midnight - timedelta(hours=3, minutes=30)
        if before:
            self.now -= timedelta(milliseconds=10)  # records count hundredths

    @rule(
        facts=facts,
        age=AGES,
        fails_at=seldom(st.integers(1, 45)),
    )
    def load(
        self,
        facts: Facts,
        age: timedelta,
        fails_at: int | None,
    ) -> None:
        """An export is loaded, or fails on its way."""
        redis, as_of = self.failing(fails_at), self.now - age
        records = {person: self.record(fact) for person, fact in facts.items()}
        text = csv_of([",".join(row(person, record)) for person, record in records.items()])
        options = LoadOptions(as_of=as_of, max_shrink_share=1)
        catch_up = CatchUp(redis, redis, margin=MARGIN, clock=lambda: self.now)
        try:
            self.run(load_text(redis, text, options, catch_up=catch_up, clock=lambda: self.now))
        except LoadFailed:
            assert fails_at
        self.send("DEL", LEASE_KEY)  # one that could not be given back ends
        answers = self.run(self.generations.current())
        if answers is None or (self.current and answers.number == self.current.number):
            assert fails_at
            # To make room, a load may free the one before at its beginning.
            if self.run(self.generations.pointer()).previous is None:
                self.previous = None
            return
        new = Held(answers.number, as_of, {p: {record} for p, record in records.items()})
        for put, person, record in self.appended:
            if put >= as_of - MARGIN:
                new.takes(person, record)
        self.previous, self.current = self.current, new
        self.loaded[new.number] = new

    @rule(fails_at=seldom(st.integers(1, 12)))
    def roll_back(self, fails_at: int | None) -> None:
        """Someone goes back to the generation before."""
        redis = self.failing(fails_at)
        try:
            back = self.run(Generations(redis, redis).roll_back())
            assert self.previous
            assert back.number == self.previous.number
        except NoRollback:
            assert self.previous is None or not self.previous.there
        except Unavailable:
            assert fails_at
        answers = self.run(self.generations.current())
        if answers and self.previous and answers.number == self.previous.number:
            self.current, self.previous = self.previous, self.current

    @rule(changes=st.lists(st.tuples(st.sampled_from(PEOPLE), said()), min_size=1, max_size=4))
    def append(self, changes: list[tuple[str, Fact]]) -> None:
        """Another system appends changes, in whatever order."""
        for person, fact in changes:
            record = self.record(fact)
            number = len(self.appended)
            id_ = f"{int(self.now.timestamp() * 1000)}-{number}"
            words = [w for pair in zip(COLUMNS, row(person, record), strict=True) for w in pair]
            added = self.send("XADD", CHANGES_KEY, id_, *words)
            put = datetime.fromtimestamp(int(self.now.timestamp() * 1000) / 1000, UTC)
            self.appended.append((put, person, record))
            self.waiting[added] = (person, record)

    @precondition(lambda self: self.waiting)
    @rule(fails_at=seldom(st.integers(1, 16)), most=st.integers(1, 5))
    def apply(self, fails_at: int | None, most: int) -> None:
        """A gateway takes changes, those that were left first, and applies them or fails."""
        redis = self.failing(fails_at)
        entries = self.run(self.stream.stream.claim(0, most))
        if len(entries) < most:
            new = self.run(self.stream.stream.read(self.reader, most - len(entries), 0.001))
            entries += new
        changes = [read_change(entry, self.now) for entry in entries]
        done: list[tuple[Any, Written]] = []
        try:
            results = self.run(apply(redis, Generations(redis, redis), changes, set()))
            done = [
                (change, result)
                for change, result in zip(changes, results, strict=True)
                if isinstance(result, Written)
            ]
        except Unavailable:
            assert fails_at or not self.current
        if self.current and self.current.there and not fails_at:
            assert len(done) == len(changes)
        if not self.current or not self.current.there:
            assert not done
        applied = {change.id for change, _ in done}
        for change in changes:
            for held in self.kept():
                held.takes(*self.waiting[change.id], surely=change.id in applied)
        self.run(self.stream.settle(done))
        for id_ in applied:
            del self.waiting[id_]

    @precondition(lambda self: self.kept())
    @rule(person=st.sampled_from(PEOPLE), fact=said(), fails_at=seldom(st.integers(1, 2)))
    def registry_answers(self, person: str, fact: Fact, fails_at: int | None) -> None:
        """The registry was asked about somebody, and what it said is kept."""
        asked = replace(self.record(fact), confirmed_at=self.now)
        self.run(self.cache.refresh())
        written = self.run(
            keeping(self.failing(fails_at), self.cache)(NationalId.parse(person), asked)
        )
        for held in self.kept():
            held.takes(person, asked, surely=written is not None)

    @precondition(lambda self: self.kept())
    @rule(lost=st.sampled_from((False, False, False, True)))
    def cache_is_lost(self, lost: bool) -> None:
        """The cache comes back with nothing in it, for once."""
        if not lost:
            return
        for pattern in ("p:*", "f:*"):
            keys = self.send("KEYS", pattern)
            if keys:
                self.send("DEL", *keys)
        for held in self.loaded.values():
            held.there = False

    @rule()
    def poll(self) -> None:
        """The gateway notices what answers."""
        self.run(self.cache.refresh())
        assert self.cache.generation == (self.current.number if self.current else None)

    @rule(person=st.sampled_from((*PEOPLE, STRANGER)), fails_at=seldom(st.integers(1, 3)))
    def look_up(self, person: str, fails_at: int | None) -> None:
        """Somebody asks; where Redis fails there is no verdict, and never a wrong one."""
        cache = self.cache
        if fails_at:
            redis = self.failing(fails_at)
            cache = Cache(redis, redis, Freshness(FRESH, USABLE))
        self.compare(person, cache, may_fail=bool(fails_at))

    @invariant()
    def everybody_is_told_what_is_known(self) -> None:
        """Who asks is told by the generation that answers, or that the gateway has not yet left."""
        pointer = self.run(self.generations.pointer())
        for held, generation in (
            (self.current, pointer.current),
            (self.previous, pointer.previous),
        ):
            assert (held and held.number) == (generation and generation.number)
        if self.current:
            fresh = Cache(self.redis, self.redis, Freshness(FRESH, USABLE))
            for person in (*PEOPLE, STRANGER):
                self.compare(person, self.cache)
                self.compare(person, fresh)
                assert fresh.generation == self.current.number

    def compare(self, person: str, cache: Cache, *, may_fail: bool = False) -> None:
        """Ask, and hold it against the model."""
        before = cache.generation
        try:
            verdict = self.run(cache.verdict(NationalId.parse(person), self.now))
        except Unavailable:
            assert may_fail or not self.current or not self.current.there
            return
        # One that is neither answers until the gateway looks up the pointer, if it is not freed.
        held = self.loaded[cache.generation or 0]
        assert held.there
        assert held in (self.current, self.previous) or held.number == before
        may_be = [expected(held, one, self.now) for one in held.may_be(person)]
        assert what_is_told(verdict) in [what_is_told(one) for one in may_be]


def test_any_interleaving(server: RunningRedis) -> None:
    """Whatever happens in whatever order, nobody is told what the newest known facts contradict."""
    machine = type("Here", (Store,), {"server": server})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
        ),
    )
