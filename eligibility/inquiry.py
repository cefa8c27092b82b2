"""
One inquiry, from an ID as it was typed to an answer with its tracking code.

    parse the ID ─▶ look the person up  ┐ at once ─▶ write what was told  ┐ at once ─▶ answer
                    budget and code     ┘            journal it           ┘

Whatever fails on the way, the person gets a true sentence: where the people cannot be looked up
the outcome is CANNOT_CHECK; where only the ledger is away the verdict stands, the code is made
here, written to the log, and put into the ledger when it is back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from eligibility.answer import Answer, Asker, OverBudget
from eligibility.journal import Journal
from eligibility.ledger import NO_LIMIT, Budget, Entry, Kept, Ledger, Opened, Refused
from eligibility.national_id import InvalidId, NationalId
from eligibility.tracking_code import new_code
from eligibility.verdict import CANNOT_CHECK, INVALID_ID, Source, Verdict
from state.commands import Reply
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from telecom.channel import Channel

log = structlog.get_logger("eligibility")

MAX_UNRECORDED = 10_000
"""Answers kept in memory while the ledger is away; older ones remain in the log alone."""

MAX_CODES_TRIED = 5
"""A fresh code is taken once in thousands; five in a row means that something else is wrong."""

_FAULTS = (Unavailable, ReplyError, TimeoutError)


class People(Protocol):
    """Who looks a person up: eligibility/cache.py."""

    @property
    def generation(self) -> int | None:
        """The generation that answers now, None where there is none."""
        ...

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """The verdict on a person. Raises Unavailable where it cannot be known."""
        ...


class Observer(Protocol):
    """Who counts: metrics in a gateway, nobody in a test."""

    def answered(self, channel: Channel, verdict: Verdict, seconds: float) -> None:
        """An inquiry was answered after so many seconds."""
        ...

    def refused(self, channel: Channel) -> None:
        """An asker's budget was spent."""
        ...


@dataclass(frozen=True, slots=True)
class InquirySettings:
    """`lookup_timeout` is in seconds; a channel without a budget is not limited.

    `withheld` is the budget that all askers share whose number is not known.
    """

    lookup_timeout: float
    budgets: Mapping[Channel, Budget]
    withheld: Budget = NO_LIMIT


class Inquiries:
    """The one entrance for every channel (an `Inquirer`)."""

    def __init__(
        self,
        people: People,
        ledger: Ledger,
        settings: InquirySettings,
        hashes: KeyedHash,
        *,
        clock: Callable[[], datetime],
        below: Callable[[int], int],
        observer: Observer | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._people = people
        self._ledger = ledger
        self._settings = settings
        self._hashes = hashes
        self._clock = clock
        self._below = below
        self._observer = observer
        self._journal = journal
        self._unrecorded: deque[Entry] = deque(maxlen=MAX_UNRECORDED)

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """Answer for an ID as it was typed (see `Inquirer`). Raises RetryKeyReused."""
        began = time.perf_counter()
        try:
            person = NationalId.parse(national_id)
        except InvalidId as error:
            self._count(channel, INVALID_ID, began)
            return Answer(INVALID_ID, None, wrong=error.reason)
        hashed = self._hashes.of("id", person.digits)
        now = self._clock()
        looked, opened = await asyncio.gather(
            self._look_up(person, now), self._open(asker, channel, hashed, now, retry_key)
        )
        if isinstance(opened, Refused):
            if self._observer:
                self._observer.refused(channel)
            return OverBudget(opened.retry_after)
        code = opened.code if opened else new_code(self._below)
        generation = looked.generation  # another one may answer by now
        if generation is None and looked.source is not Source.REGISTRY:
            generation = self._people.generation
        entry = Entry(code, asker.token, hashed, channel, looked, generation, now)
        repeat = bool(opened and opened.repeat)
        journalling = _Journalling(self._journal, person, asker, repeat)
        journalling.write(entry)
        if opened:
            code = await self._record(entry, retry_key, journalling)
        else:
            self._keep_for_later(entry)
        self._count(channel, looked, began)
        return Answer(looked, code, repeat)

    async def follow_up(self, code: str) -> Kept | None:
        """What was told under a code. Raises Unavailable.

        Only the asker in `Kept.asker` may be told more than that it was answered, and when.
        """
        return await self._ledger.find(code)

    async def _look_up(self, person: NationalId, now: datetime) -> Verdict:
        try:
            async with asyncio.timeout(self._settings.lookup_timeout):
                return await self._people.verdict(person, now)
        except _FAULTS as error:
            log.warning("lookup_failed", reason=type(error).__name__)
            return CANNOT_CHECK

    async def _open(
        self, asker: Asker, channel: Channel, person: str, now: datetime, retry_key: str | None
    ) -> Opened | Refused | None:
        """Permission and a code; None where the ledger is away, and the code is ours to make."""
        code = new_code(self._below)
        budget = self._settings.budgets.get(channel, NO_LIMIT)
        if not asker.known:
            # One budget for all of them; and nobody's question is a repeat of another's.
            budget, person = self._settings.withheld, f"{person}.{code}"
        try:
            return await self._ledger.open(asker.token, person, code, budget, now, retry_key)
        except _FAULTS as error:
            log.warning("ledger_unavailable", step="open", reason=type(error).__name__)
            return None

    async def _record(
        self, entry: Entry, retry_key: str | None, journalling: "_Journalling"
    ) -> str:
        """Write the entry, under another code where its own is taken; the code it went under."""
        try:
            for _ in range(MAX_CODES_TRIED):
                if await self._ledger.record(entry):
                    await self._catch_up()
                    await journalling.done()
                    return entry.code
                entry = replace(entry, code=new_code(self._below))
                await journalling.write_instead(entry)
                await self._ledger.rename(entry.asker, entry.person, entry.code, retry_key)
        except _FAULTS as error:
            log.warning("ledger_unavailable", step="record", reason=type(error).__name__)
        self._keep_for_later(entry)
        return entry.code

    def _keep_for_later(self, entry: Entry) -> None:
        log.warning(
            "inquiry_unrecorded",
            tracking_code=entry.code,
            channel=entry.channel,
            outcome=entry.verdict.outcome,
        )
        self._unrecorded.append(entry)

    async def _catch_up(self) -> None:
        """Write a few of the answers that were given while the ledger was away."""
        for _ in range(min(len(self._unrecorded), 10)):
            entry = self._unrecorded.popleft()
            try:
                await self._ledger.record(entry)
            except _FAULTS:
                self._unrecorded.appendleft(entry)
                return

    def _count(self, channel: Channel, verdict: Verdict, began: float) -> None:
        if self._observer:
            self._observer.answered(channel, verdict, time.perf_counter() - began)


class _Journalling:
    """The journal's part of one inquiry. Nothing here fails: see Journal.write."""

    __slots__ = ("_asker", "_journal", "_person", "_repeat", "_sent")

    def __init__(
        self, journal: Journal | None, person: NationalId, asker: Asker, repeat: bool
    ) -> None:
        self._journal = journal
        self._person = person
        self._asker = asker
        self._repeat = repeat
        self._sent: asyncio.Future[Reply] | None = None

    def write(self, entry: Entry) -> None:
        """Let it travel with what is written to Redis next."""
        if self._journal is not None:
            self._sent = self._journal.write(self._person, self._asker, entry, repeat=self._repeat)

    async def write_instead(self, entry: Entry) -> None:
        """The entry under another code, the one before taken back."""
        if self._journal is not None:
            await self._journal.take_back(self._sent)
            self.write(entry)

    async def done(self) -> None:
        """Until it is in the stream, which it is as a rule: its reply came before the ledger's."""
        if self._sent is not None and not self._sent.done():
            await asyncio.wait([self._sent])
