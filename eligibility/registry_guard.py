"""
The guard before the registry: it is slow and central, and everybody's.

    remembered? ─▶ being asked already? ─▶ breaker ─▶ places ─▶ budget ─▶ the question ─▶ kept

A person is asked about once at a time, however many wait for it. The question is a task of its
own: whoever asked may go away, and what the registry says is still written into the cache.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import structlog

from eligibility.national_id import NationalId
from eligibility.person_store import Written
from eligibility.registry import FaultKind, Registry, RegistryFault
from eligibility.registry_breaker import Breaker, BreakerSettings, BreakerState
from eligibility.registry_budget import RegistryBudget
from eligibility.verdict import Record
from state.errors import Unavailable

log = structlog.get_logger("eligibility")

MAX_REMEMBERED: Final = 100_000
"""Answers kept in memory; at the default budget some thousands are."""


class Refusal(StrEnum):
    """Why the registry was not asked."""

    BREAKER = "breaker"
    BUSY = "busy"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Told:
    """What the registry said at `asked_at`; `record` is None for one whom it does not know.

    `kept` is what became of the record in the cache, None where it could not be written. Not
    `readable`: it has something of the person, which makes no record.
    """

    record: Record | None
    asked_at: datetime
    kept: Written | None = None
    readable: bool = True


class RegistryEvents(Protocol):
    """Who counts: metrics in a gateway, nobody in a test."""

    def registry_answered(self, known: bool, seconds: float) -> None:
        """It said whether it knows a person, after so many seconds."""
        ...

    def registry_failed(self, kind: FaultKind, seconds: float) -> None:
        """A question came to nothing."""
        ...

    def registry_refused(self, why: Refusal) -> None:
        """It was not asked."""
        ...

    def registry_breaker(self, state: BreakerState) -> None:
        """The breaker turned."""
        ...

    def registry_contradicted(self) -> None:
        """It does not know a person of whom the cache has a record."""
        ...


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """`timeout` (seconds) bounds a question and whoever waits for it; `at_once` questions.

    `remembered_for` (seconds): what the cache cannot hold is not asked again for so long.
    """

    timeout: float
    at_once: int
    remembered_for: float
    breaker: BreakerSettings


class GuardedRegistry:
    """Asks, within bounds; `close` at the end.

    `keep` writes a record into the cache and says what became of it, and never fails. `clock`
    gives aware moments, `seconds` goes only forward, `random` gives numbers from 0 to below 1.
    """

    def __init__(
        self,
        registry: Registry,
        budget: RegistryBudget,
        settings: GuardSettings,
        *,
        keep: Callable[[NationalId, Record], Awaitable[Written | None]],
        events: RegistryEvents,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._budget = budget
        self._settings = settings
        self._keep = keep
        self.events = events
        self._clock = clock
        self._seconds = seconds
        self._breaker = Breaker(settings.breaker, random=random, changed=self._turned)
        self._remembered: OrderedDict[NationalId, tuple[float, Told]] = OrderedDict()
        self._asking: dict[NationalId, asyncio.Task[Told | None]] = {}
        self._abandoned: set[asyncio.Task[Record | None]] = set()

    @property
    def breaker(self) -> BreakerState:
        """Whether the registry is asked now."""
        return self._breaker.state

    async def ask(self, person: NationalId, *, afresh: bool = False) -> Told | None:
        """What the registry says; None where it may not be asked now, or does not answer.

        `afresh`: not what it said a while ago.
        """
        if not afresh and (told := self._recall(person)):
            return told
        asking = self._asking.get(person)
        if asking is None:
            if refusal := self._refusal():
                self.events.registry_refused(refusal)
                return None
            asking = asyncio.create_task(self._flight(person), name="ask the registry")
            self._asking[person] = asking
            asking.add_done_callback(lambda _: self._asking.pop(person, None))
        # Neither a time-out nor a cancellation here ends it for the others.
        await asyncio.wait({asking}, timeout=self._settings.timeout)
        return asking.result() if asking.done() and not asking.cancelled() else None

    async def close(self) -> None:
        """Give up what is under way, and end the registry's connections."""
        left: list[asyncio.Task[Told | None] | asyncio.Task[Record | None]]
        left = [*self._asking.values(), *self._abandoned]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._registry.close()

    def _refusal(self) -> Refusal | None:
        if not self._breaker.would_admit(self._seconds()):
            return Refusal.BREAKER
        # A question that was given up holds its connection until it has ended.
        if len(self._asking) + len(self._abandoned) >= self._settings.at_once:
            return Refusal.BUSY
        return None

    async def _flight(self, person: NationalId) -> Told | None:
        if not await self._budget.take():
            self.events.registry_refused(Refusal.BUDGET)
            return None
        ticket = self._breaker.admit(self._seconds())
        if ticket is None:
            self.events.registry_refused(Refusal.BREAKER)
            return None
        asked_at, began = self._clock(), self._seconds()
        answered = False
        try:
            record = await self._question(person)
            answered = True
        except RegistryFault as fault:
            self._failed(fault.kind, str(fault), began)
            if fault.kind is not FaultKind.UNREADABLE:
                return None
            # About this person it has nonsense; but it is there, and answers.
            answered = True
            return Told(None, asked_at, readable=False)
        except Unavailable as error:
            self._failed(FaultKind.AWAY, str(error), began)
            return None
        finally:
            self._breaker.settle(ticket, answered=answered, now=self._seconds())
        self.events.registry_answered(record is not None, self._seconds() - began)
        told = Told(record, asked_at, await self._keep(person, record) if record else None)
        if record is None or told.kept is Written.OLDER:
            self._remember(person, told)
        return told

    async def _question(self, person: NationalId) -> Record | None:
        """Ask, and be free again when the time is over, however long the library takes to end.

        Raises Unavailable.
        """
        question = asyncio.create_task(_of(self._registry, person), name="registry question")
        try:
            done, _ = await asyncio.wait({question}, timeout=self._settings.timeout)
            if done:
                return question.result()
        finally:
            if not question.done():
                question.cancel()
                self._abandoned.add(question)
                question.add_done_callback(self._ended)
        raise RegistryFault(FaultKind.LATE, "the registry did not answer in time")

    def _ended(self, question: asyncio.Task[Record | None]) -> None:
        self._abandoned.discard(question)
        if not question.cancelled():
            question.exception()  # seen: nobody waits for it any more

    def _recall(self, person: NationalId) -> Told | None:
        until, told = self._remembered.get(person, (0.0, None))
        if told is not None and self._seconds() >= until:
            del self._remembered[person]
            return None
        return told

    def _remember(self, person: NationalId, told: Told) -> None:
        self._remembered[person] = (self._seconds() + self._settings.remembered_for, told)
        self._remembered.move_to_end(person)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    def _failed(self, kind: FaultKind, sentence: str, began: float) -> None:
        self.events.registry_failed(kind, self._seconds() - began)
        log.warning("registry_fault", kind=kind.value, reason=sentence)

    def _turned(self, state: BreakerState) -> None:
        self.events.registry_breaker(state)
        log.warning("registry_breaker", state=state.value)


async def _of(registry: Registry, person: NationalId) -> Record | None:
    try:
        return await registry.person(person)
    except (Unavailable, asyncio.CancelledError):
        raise
    except Exception as error:
        # A library's surprise is a fault like any other; its text may quote the person.
        sentence = f"the registry's library failed ({type(error).__name__})"
        raise RegistryFault(FaultKind.STRANGE, sentence) from None
