"""A registry in the test's hands and what it gives, a clock that it turns, and a count."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

from eligibility.national_id import NationalId
from eligibility.person_store import Written
from eligibility.registry import FaultKind, Registry
from eligibility.registry_breaker import BreakerSettings, BreakerState
from eligibility.registry_budget import RegistryBudget
from eligibility.registry_guard import GuardedRegistry, GuardSettings, Refusal
from eligibility.verdict import Kind, Record, Status
from state.commands import Commands
from tests.loading import NOW

GIVEN = {
    "status": "active",
    "valid_until": "2027-03-20",
    "kind": "main",
    "branch": 12,
    "updated_at": "2026-11-01T08:00:00+03:30",
}
"""What a registry gives of somebody."""

RECORD = Record(
    Status.ACTIVE,
    date(2027, 3, 20),
    Kind.MAIN,
    12,
    datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
    NOW,
)
"""What is made of it."""


class Clock:
    """Seconds and moments that pass when told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def seconds(self) -> float:
        """What goes only forward."""
        return self.passed

    def now(self) -> datetime:
        """An aware moment."""
        return NOW + timedelta(seconds=self.passed)


class RegistryStub:
    """Answers from `people`, or fails with `fault`; waits first for `gate`, if there is one."""

    name = "stub"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.people: dict[NationalId, Record] = {}
        self.fault: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked: list[NationalId] = []
        self._arrived = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.closed = False

    async def person(self, person: NationalId) -> Record | None:
        """As Registry.person; what it knows is confirmed at the moment it was asked."""
        asked_at = self._clock.now()
        self.asked.append(person)
        self._arrived.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if self.fault:
            raise self.fault
        found = self.people.get(person)
        if found is None:
            return None
        return Record(
            found.status, found.valid_until, found.kind, found.branch, found.updated_at, asked_at
        )

    async def begun(self, count: int) -> None:
        """Wait until it was asked so many times."""
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                self._arrived.clear()
                await self._arrived.wait()

    async def prove(self) -> None:
        """Always well."""

    async def close(self) -> None:
        """As Registry.close."""
        self.closed = True


class Count(Counter[str]):
    """Counts events by their words; `failed` is set by each fault."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = asyncio.Event()

    def registry_answered(self, known: bool, seconds: float) -> None:
        """Counted as `known` or `unknown`."""
        assert seconds >= 0
        self["known" if known else "unknown"] += 1

    def registry_failed(self, kind: FaultKind, seconds: float) -> None:
        """Counted by its kind."""
        assert seconds >= 0
        self[kind.value] += 1
        self.failed.set()

    def registry_refused(self, why: Refusal) -> None:
        """Counted by the reason."""
        self[f"refused:{why.value}"] += 1

    def registry_breaker(self, state: BreakerState) -> None:
        """Counted by the new state."""
        self[f"breaker:{state.value}"] += 1

    def registry_contradicted(self) -> None:
        """Counted."""
        self["contradicted"] += 1


async def not_kept(person: NationalId, record: Record) -> Written | None:
    """A cache that cannot be written to."""
    return None


def guarded(
    registry: Registry,
    clock: Clock,
    state: Commands,
    *,
    count: Count | None = None,
    keep: Callable[[NationalId, Record], Awaitable[Written | None]] = not_kept,
    per_second: float = 1000,
    at_once: int = 3,
    timeout: float = 20,
    remembered_for: float = 60,
) -> GuardedRegistry:
    """A guard that opens after three faults, for eight seconds at first and 32 at the most."""
    return GuardedRegistry(
        registry,
        RegistryBudget(state, per_second, seconds=clock.seconds),
        GuardSettings(timeout, at_once, remembered_for, BreakerSettings(3, 8.0, 32.0)),
        keep=keep,
        events=Count() if count is None else count,
        clock=clock.now,
        seconds=clock.seconds,
        random=lambda: 0.5,
    )
