"""
The cache: one HGET a lookup, one more for whom it does not find, and never a wrong "not found".

The generation that answers is held in memory and looked up again twice a second. A person who is
not in their bucket is believed to be unknown only where the same bucket says that it is whole: an
emptied, freed or swapped cache gives Unavailable, and whoever asked is told that it cannot be
checked now.

Where the servers of a person's bucket do not answer, a copy of it may: what it says is told as
stale, since nobody knows what was written last. It too has to show that the bucket is whole.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from eligibility.buckets import WHOLE
from eligibility.freshness import Found, Freshness, verdict_of
from eligibility.generation import BadGeneration, Generation
from eligibility.generations import Generations, Pointer
from eligibility.national_id import NationalId
from eligibility.quick_verdict import QuickVerdicts
from eligibility.record import BadRecord, unpack
from eligibility.verdict import CANNOT_CHECK, Verdict
from state.commands import Commands
from state.errors import ReplyError, Unavailable

POLLED_EVERY = 0.5
"""Seconds. A switch or a rollback is noticed within this time."""

COPY_AGAIN = 0.1
"""Seconds until a copy that did not answer is asked once more."""


class Cache:
    """Looks people up. `refresh` or `start` before the first lookup; `close` at the end.

    `noticed` is told of each generation that begins to answer. `copy_of` gives who else may be
    asked for a key while its server does not answer, or None.
    """

    def __init__(
        self,
        cache: Commands,
        state: Commands,
        freshness: Freshness,
        *,
        polled_every: float = POLLED_EVERY,
        noticed: Callable[[Generation], None] | None = None,
        copy_of: Callable[[bytes], Commands | None] = lambda key: None,
    ) -> None:
        self._copy_of = copy_of
        self._cache = cache
        self._generations = Generations(cache, state)
        self._freshness = freshness
        self._quick = QuickVerdicts(freshness)
        self._polled_every = polled_every
        self._noticed = noticed
        self._current: Generation | None = None
        self._previous: Generation | None = None
        self._polling: asyncio.Task[None] | None = None

    @property
    def generation(self) -> int | None:
        """The number of the generation that answers, None where there is none."""
        return self._current.number if self._current else None

    @property
    def current(self) -> Generation | None:
        """The generation that answers, None where there is none."""
        return self._current

    @property
    def kept(self) -> list[Generation]:
        """The generation that answers, and the one before.

        What is learned of a person is for both, so that going back undoes none of it.
        """
        return [generation for generation in (self._current, self._previous) if generation]

    async def refresh(self) -> None:
        """Look the pointer up. Raises Unavailable, ReplyError, BadGeneration."""
        try:
            pointer = await self._generations.pointer()
        except BadGeneration:  # perhaps only the one before, which answers nobody
            pointer = Pointer(await self._generations.current(), None)
        current, self._previous = pointer.current, pointer.previous
        if current == self._current:
            return  # the same object goes on, and with it what was judged of its people
        self._current = current
        if current and self._noticed:
            self._noticed(current)

    async def start(self) -> None:
        """Look the pointer up, and again and again from now on. Never fails."""
        await self._try_refresh()
        self._polling = asyncio.create_task(self._poll(), name="poll generations")

    async def close(self) -> None:
        """Stop looking. The connections are the caller's."""
        if self._polling:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def find(self, person: NationalId) -> Found:
        """What the cache knows. Raises Unavailable, ReplyError, BadRecord."""
        current = self._current
        if current is not None and (found := await self._find_or_be_sure(person, current)):
            return found
        # The generation may have been freed, or the first one loaded, since the last look.
        try:
            await self.refresh()
        except BadGeneration as error:
            raise Unavailable(str(error)) from None
        if self._current is None:
            raise Unavailable("no generation has been loaded")
        if found := await self._find_or_be_sure(person, self._current):
            return found
        raise Unavailable("the people of the current generation are not in the cache")

    async def verdict(self, person: NationalId, now: datetime) -> Verdict:
        """The verdict on a person at an aware moment. Raises Unavailable, ReplyError."""
        current = self._current
        try:
            if current is not None:
                key, field = current.layout.address(person)
                packed = await self._cache.send(b"HGET", key, field)
                if packed is not None:
                    return self._quick.verdict(packed, current, now)
            return verdict_of(await self.find(person), now, self._freshness)
        except BadRecord:
            return CANNOT_CHECK
        except Unavailable:
            copied = await self._verdict_of_copy(person, now)
            if copied is None:
                raise
            return copied

    async def _verdict_of_copy(self, person: NationalId, now: datetime) -> Verdict | None:
        """What a copy says, told as stale; None where there is none, or none that is whole."""
        current = self._current
        if current is None:
            return None
        key, field = current.layout.address(person)
        try:
            packed, whole = await self._copied(key, field)
            if not whole:
                return None
            found = _found(packed, current) if packed else _nobody(current)
        except (Unavailable, ReplyError):
            return None
        except BadRecord:
            return CANNOT_CHECK
        verdict = verdict_of(found, now, self._freshness)
        return verdict if verdict is CANNOT_CHECK else replace(verdict, stale=True)

    async def _copied(self, key: bytes, field: bytes) -> tuple[bytes | None, bytes | None]:
        """A record and the mark of its bucket, from a copy. Raises Unavailable, ReplyError.

        Asked again once: the replica that is made the master may end its connections.
        """
        for pause in (COPY_AGAIN, 0.0):
            copy = self._copy_of(key)
            if copy is None:
                break
            try:
                packed, whole = await copy.send(b"HMGET", key, field, WHOLE)
                return packed, whole
            except Unavailable:
                await asyncio.sleep(pause)
        raise Unavailable("no copy answers")

    async def _find_or_be_sure(self, person: NationalId, generation: Generation) -> Found | None:
        """The person, or that there is none; None where their bucket is not whole.

        One command: between two the Redis could be swapped for another, which is whole but has not
        this person.
        """
        key, field = generation.layout.address(person)
        packed, whole = await self._cache.send(b"HMGET", key, field, WHOLE)
        if packed is not None:
            return _found(packed, generation)
        return _nobody(generation) if whole else None

    async def _try_refresh(self) -> None:
        # What is held in memory stays right for as long as its buckets are there.
        with suppress(Unavailable, ReplyError, BadGeneration):
            await self.refresh()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._polled_every)
            await self._try_refresh()


def _found(packed: bytes, generation: Generation) -> Found:
    return Found.of(unpack(packed), generation.as_of, generation.number)


def _nobody(generation: Generation) -> Found:
    return Found(None, generation.as_of, generation.number)
