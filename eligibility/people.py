"""
Who looks people up where there is a registry: the cache first, and the registry where the cache
does not know, or not well enough.

    the cache says                          asked        and where the registry does not answer
    COVERED, NOT_COVERED, young enough      -            -
    the same, older than `ask_after`        yes          the same, stale
    PENDING_PAYMENT, after `pending_after`  yes          the same
    NOT_FOUND                               yes          NOT_FOUND as of the export, stale if old
    nothing: away, emptied, too old         yes          CANNOT_CHECK

Who is NOT_FOUND in the cache, and of whom the registry has something that cannot be read, is known
somewhere: CANNOT_CHECK.

Of two records of a person the one that is later at the registry is told, whoever has it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from eligibility.cache import Cache
from eligibility.freshness import Found, Freshness, verdict_of
from eligibility.national_id import NationalId
from eligibility.person_store import Written, write_person
from eligibility.record import BadRecord, hundredths_of
from eligibility.registry_guard import GuardedRegistry, Told
from eligibility.verdict import CANNOT_CHECK, Outcome, Record, Source, Verdict
from state.commands import Commands
from state.errors import ReplyError, Unavailable

WRITTEN_WITHIN: Final = 0.1
"""Seconds for writing an answer into the cache: somebody waits for it."""

# Every lookup compares with these, and a name of the module is found quicker than a member.
_NOT_FOUND: Final = Outcome.NOT_FOUND
_PENDING_PAYMENT: Final = Outcome.PENDING_PAYMENT

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class AskAfter:
    """Ages of the facts after which the registry is asked; `pending` is for PENDING_PAYMENT."""

    any_outcome: timedelta
    pending: timedelta


class CacheThenRegistry:
    """Looks people up (a `People` of inquiry.py). Both parts are the caller's to close."""

    def __init__(
        self, cache: Cache, registry: GuardedRegistry, freshness: Freshness, ask_after: AskAfter
    ) -> None:
        self._cache = cache
        self._registry = registry
        self._freshness = freshness
        self._any_outcome = ask_after.any_outcome
        self._pending = min(ask_after.pending, ask_after.any_outcome)

    @property
    def generation(self) -> int | None:
        """The generation that answers, None where there is none."""
        return self._cache.generation

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """The verdict at an aware moment. Raises Unavailable, ReplyError."""
        try:
            cached = await self._cache.verdict(person, now)
        except (Unavailable, ReplyError):
            # Who is remembered as nobody may have been made known since, in a cache that is away.
            told = await self._registry.ask(person, afresh=True)
            if told is None or not told.readable:
                raise
            return await self._settled(person, told, None, now)
        outcome, as_of = cached.outcome, cached.as_of
        if outcome is not _NOT_FOUND and as_of is not None:
            limit = self._pending if outcome is _PENDING_PAYMENT else self._any_outcome
            if now - as_of <= limit:
                return cached
        told = await self._registry.ask(person)
        if told is None:
            return self._aged(cached, now)
        if not told.readable:
            # The registry has something of this person, so they are not unknown.
            return CANNOT_CHECK if outcome is _NOT_FOUND else self._aged(cached, now)
        return await self._settled(person, told, cached, now)

    async def _settled(
        self, person: NationalId, told: Told, cached: Verdict | None, now: datetime
    ) -> Verdict:
        """The verdict where the registry has spoken too."""
        if told.record is None:
            return await self._unknown(person, told, cached, now)
        theirs = self._of_registry(Found.of(told.record, told.asked_at), now)
        if told.kept in (Written.WRITTEN, Written.SAME):
            return theirs
        if cached is None and told.kept is not Written.OLDER:
            return theirs
        # What the cache has may be newer: look at both.
        try:
            found = await self._cache.find(person)
        except (Unavailable, ReplyError, BadRecord):
            if cached is None or cached.outcome in (Outcome.NOT_FOUND, Outcome.CANNOT_CHECK):
                return theirs
            return self._aged(cached, now)
        if found.record is None or _rank(found.record) <= _rank(told.record):
            return theirs
        return self._aged(verdict_of(found, now, self._freshness), now)

    async def _unknown(
        self, person: NationalId, told: Told, cached: Verdict | None, now: datetime
    ) -> Verdict:
        """The verdict where the registry does not know the person.

        A record in the cache is not undone by that: a table that is empty for a moment would make
        everybody unknown. The next export decides.
        """
        nobody = self._of_registry(Found(None, told.asked_at), now)
        if cached is None:
            return nobody
        if cached.as_of is not None and cached.as_of > told.asked_at:
            return cached
        if cached.outcome is Outcome.NOT_FOUND:
            return nobody
        if cached.outcome is Outcome.CANNOT_CHECK:
            try:
                found = await self._cache.find(person)
            except BadRecord:
                return cached
            if found.record is None:
                return nobody
        self._registry.events.registry_contradicted()
        return replace(cached, stale=True) if cached.as_of else cached

    def _of_registry(self, found: Found, now: datetime) -> Verdict:
        verdict = verdict_of(found, now, self._freshness)
        return verdict if verdict is CANNOT_CHECK else replace(verdict, source=Source.REGISTRY)

    def _aged(self, cached: Verdict, now: datetime) -> Verdict:
        """What the cache says, told with its date where it is older than wished."""
        if cached.as_of is None or cached.stale or now - cached.as_of <= self._any_outcome:
            return cached
        return replace(cached, stale=True)


def keeping(
    commands: Commands, cache: Cache
) -> Callable[[NationalId, Record], Awaitable[Written | None]]:
    """What writes an answer of the registry into the generation in service, and the one before.

    It says what became of it in service; None: it could not be written.
    """

    async def keep(person: NationalId, record: Record) -> Written | None:
        layouts = [generation.layout for generation in cache.kept]
        if cache.current is None:
            return None
        try:
            async with asyncio.timeout(WRITTEN_WITHIN):
                written = await asyncio.gather(
                    *(write_person(commands, layout, person, record) for layout in layouts)
                )
                return written[0]
        except (Unavailable, ReplyError, BadRecord, TimeoutError):
            return None

    return keep


def _rank(record: Record) -> tuple[int, int]:
    """What person_store.py orders by, to the hundredths that are kept."""
    return hundredths_of(record.updated_at), hundredths_of(record.confirmed_at or _EPOCH)
