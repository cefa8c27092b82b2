"""
After a bad load: who holds a wrong answer, by the data that are in service now.

    journal ──▶ answers in doubt ──▶ hash -> asked ┐
    every bucket ──▶ person ──▶ hash under each key ┴─▶ met: judge on the day of asking
                                                        not met: nobody of that ID is known

The journal knows people by keyed hashes alone, so every person of the generation in service is
hashed and looked for; a chunk of the journal is held in memory meanwhile. An answer is wrong where
the record in service, judged on the day on which it was asked about, says another outcome or
another day. Not wrong: CANNOT_CHECK; an answer that is right by now; one to an asker who has since
been told right; what became otherwise at the registry only after it was told (unless `changed`);
and what the registry itself said after the export in service, which knows less.

Nothing is found wrong by a fault: a bucket that is not whole, and a generation that changes on the
way, end the recall.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from eligibility.buckets import WHOLE, Family, person_at
from eligibility.freshness import Found, Freshness, verdict_of
from eligibility.generation import BadGeneration, Generation
from eligibility.generations import Generations
from eligibility.journal_keys import JournalKey, JournalKeys
from eligibility.pipeline import replies
from eligibility.recall_sql import Asked, Question, RecallTable
from eligibility.record import UNREADABLE, BadRecord, unpack
from eligibility.saying import Saying
from eligibility.told import asker_of, moment_of
from eligibility.verdict import Outcome, Record, Source, Verdict, judge
from persian.jalali import tehran_date
from state.commands import Commands
from state.sealed import Unreadable
from telecom.msisdn import Msisdn

CHUNK: Final = 500_000
"""Answers held in memory at once; each chunk walks through all people."""

PROGRESS_EVERY: Final = 1000
"""Buckets."""

Contact = Msisdn | str | None
"""A number, an API key's id, or nobody that is known."""


class Refused(Exception):
    """The recall cannot go on, or could say something wrong; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A wrong answer: what was told, what was right on that day, and the verdict of today."""

    asked: Asked
    right: Saying
    now: Verdict
    contact: Contact = field(repr=False)


@dataclass(slots=True)
class Tally:
    """What a recall has seen: answers by what they turned out to be."""

    looked_at: int = 0
    right: int = 0
    """By the data in service, on the day on which they were given, or by now."""
    changed_since: int = 0
    """They differ, but the registry changed the record after the answer."""
    by_registry: int = 0
    """They differ, but the registry itself said so, after the export in service."""
    without_key: int = 0
    """Their key is not here, so nothing can be said of them."""
    wrong: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By outcome told and outcome that was right."""


@dataclass(frozen=True, slots=True)
class Recaller:
    """One recall. `token_of` is the asker's token as the edges make it; `progress` is told how many
    of how many buckets were walked through.
    """

    table: RecallTable
    cache: Commands
    generations: Generations
    keys: JournalKeys
    question: Question
    freshness: Freshness
    now: datetime
    token_of: Callable[[Msisdn | str], str]
    changed: bool = False
    chunk: int = CHUNK
    progress: Callable[[int, int], None] = lambda done, total: None
    tally: Tally = field(default_factory=Tally)

    async def in_service(self) -> Generation:
        """What answers now. Raises Refused where nothing true can be said by it."""
        try:
            current = await self.generations.current()
        except BadGeneration as error:
            raise Refused(f"{error}.") from None
        if current is None:
            raise Refused("No generation is loaded: there is nothing to compare with.")
        if self.now - current.as_of > self.freshness.usable_for:
            raise Refused(
                f"Generation {current.number} is too old to be told ({current.as_of:%Y-%m-%d}); "
                "load a newer export first."
            )
        return current

    async def contradictions(self, current: Generation) -> AsyncGenerator[Contradiction, None]:
        """Every wrong answer, once. Raises Refused, Unavailable, ReplyError."""
        said_since = await self.table.corrected()
        replaced: set[int] = set()
        after = 0
        while True:
            asked, after = await self.table.asked(self.question, after, self.chunk)
            if not asked:
                return
            self.tally.looked_at += len(asked)
            known = self._with_keys([_after_correction(one, said_since) for one in asked])
            async with aclosing(self._compared(current, known)) as wrong:
                async for person, record, one in wrong:
                    found = await self._last(current, person, record, one, replaced)
                    if found is not None:
                        self.tally.wrong[found.asked.told.outcome, found.right.outcome] += 1
                        yield found
            if await self.in_service() != current:
                raise Refused(
                    f"Another generation than {current.number} answers since this began; "
                    "recall again."
                )

    def _with_keys(self, asked: list[Asked]) -> list[Asked]:
        known = [one for one in asked if self.keys.of(one.key_id) is not None]
        self.tally.without_key += len(asked) - len(known)
        return known

    async def _compared(
        self, current: Generation, asked: list[Asked]
    ) -> AsyncGenerator[tuple[str | None, Record | None, Asked], None]:
        """Answers that differ from the data, with the ID (None: nobody is known) and the record."""
        wanted: dict[str, dict[bytes, list[Asked]]] = defaultdict(lambda: defaultdict(list))
        for one in asked:
            wanted[one.key_id][one.person].append(one)
        looks = [(key, wanted[key.id]) for key in self.keys.known if key.id in wanted]
        async with aclosing(self._people(current)) as people:
            async for family, bucket, flat in people:
                for place, packed in zip(flat[::2], flat[1::2], strict=True):
                    if place == WHOLE:
                        continue
                    person = person_at(family, bucket, int(place))
                    if person is None:
                        continue
                    for key, hashes in looks:
                        met = hashes.pop(key.hashes.octets("id", person.digits), ())
                        for one in met if packed != UNREADABLE else ():  # nobody knows better
                            try:
                                record = unpack(packed)
                            except BadRecord:
                                raise Refused(
                                    "A record in the cache is of another version of Dargah; "
                                    "use that one."
                                ) from None
                            if self._differs(current, record, one):
                                yield person.digits, record, one
        for _, hashes in looks:
            for one in (one for some in hashes.values() for one in some):
                if self._differs(current, None, one):
                    yield None, None, one

    async def _people(
        self, current: Generation
    ) -> AsyncGenerator[tuple[Family, int, list[bytes]], None]:
        """Every bucket with what is in it. Raises Refused where one is not whole."""
        layout = current.layout
        numbered = _numbered((layout.nationals, layout.foreigners))
        commands = ((b"HGETALL", key) for key in layout.bucket_keys())
        done = 0
        async with aclosing(replies(self.cache, commands)) as buckets:
            async for flat in buckets:
                if WHOLE not in flat[::2]:
                    raise Refused(
                        f"The people of generation {current.number} are not whole in the cache; "
                        "load their file again."
                    )
                family, bucket = next(numbered)
                yield family, bucket, flat
                done += 1
                if done % PROGRESS_EVERY == 0:
                    self.progress(done, layout.buckets)
        self.progress(layout.buckets, layout.buckets)

    def _differs(self, current: Generation, record: Record | None, one: Asked) -> bool:
        """Whether an answer is wrong; counts those that are not."""
        # What was wrong then and holds today would be told again by its correction.
        if one.told in (_said(record, moment_of(one.at)), _said(record, self.now)):
            self.tally.right += 1
            return False
        if one.by_registry and moment_of(one.at) > current.as_of:
            self.tally.by_registry += 1
            return False
        if record is not None and record.updated_at > moment_of(one.at) and not self.changed:
            self.tally.changed_since += 1
            return False
        return True

    async def _last(
        self,
        current: Generation,
        person: str | None,
        record: Record | None,
        one: Asked,
        replaced: set[int],
    ) -> Contradiction | None:
        """The contradiction, unless the asker was told otherwise later, under another key."""
        key = self.keys.of(one.key_id)
        assert key is not None
        contact = _contact(key, one)
        if person is not None and contact is not None:
            others = [other for other in self.keys.known if other.id != one.key_id]
            later = await self._later(others, person, contact, one)
            if later is not None:
                if (
                    later.chosen
                    or later.number in replaced
                    or not self._differs(current, record, later)
                ):
                    return None
                replaced.add(later.number)
                one = later
        found = Found(None, current.as_of) if record is None else Found.of(record, current.as_of)
        verdict = verdict_of(found, self.now, self.freshness)
        return Contradiction(one, _said(record, moment_of(one.at)), verdict, contact)

    async def _later(
        self, others: list[JournalKey], person: str, contact: Msisdn | str, one: Asked
    ) -> Asked | None:
        if not others:
            return None
        token = self.token_of(contact)
        pairs = [
            (key.hashes.octets("id", person), key.hashes.octets("asker", token)) for key in others
        ]
        return await self.table.last_of(self.question, pairs, one.at)


def _said(record: Record | None, moment: datetime) -> Saying:
    """What the data in service say of a day."""
    if record is None:
        return Saying(Outcome.NOT_FOUND)
    verdict = judge(record, tehran_date(moment), as_of=moment, source=Source.CACHE)
    return Saying.of(verdict)


def _contact(key: JournalKey, one: Asked) -> Contact:
    try:
        return asker_of(key.seal, one.sealed)
    except Unreadable:
        return None


def _after_correction(one: Asked, said_since: dict[int, tuple[Saying, int]]) -> Asked:
    """Who was sent a correction holds that, told when it was sent."""
    if one.number not in said_since:
        return one
    told, at = said_since[one.number]
    return replace(one, told=told, at=at, by_registry=False)


def _numbered(families: tuple[Family, ...]) -> Iterator[tuple[Family, int]]:
    for family in families:
        for bucket in range(family.buckets):
            yield family, bucket
