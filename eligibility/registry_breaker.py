"""
When to leave a failing registry alone.

    (CLOSED, N faults in a row)   -> OPEN        nobody asks, for a pause
    (OPEN, the pause is over)     -> HALF_OPEN   one question goes through, as a probe
    (HALF_OPEN, answered)         -> CLOSED
    (HALF_OPEN, fault)            -> OPEN        for twice the pause, up to a limit

Pauses are shortened at random by up to a half, so that the gateways of a country do not probe
all at once. What a question begun in an earlier state comes to is of no account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether the registry is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """`faults` in a row open it; pauses in seconds, doubled from `pause` to `longest_pause`."""

    faults: int
    pause: float
    longest_pause: float


class Breaker:
    """`random` gives numbers from 0 to below 1; every `now` is in seconds of one clock."""

    def __init__(
        self,
        settings: BreakerSettings,
        *,
        random: Callable[[], float],
        changed: Callable[[BreakerState], None],
    ) -> None:
        self._settings = settings
        self._random = random
        self._changed = changed
        self._state = BreakerState.CLOSED
        self._faults = 0
        self._pauses = 0
        self._until = 0.0
        self._term = 0

    @property
    def state(self) -> BreakerState:
        """How it stands; a pause that is over is seen by the next question only."""
        return self._state

    def would_admit(self, now: float) -> bool:
        """Whether `admit` would let a question through; asking this changes nothing."""
        return self._state is BreakerState.CLOSED or (
            self._state is BreakerState.OPEN and now >= self._until
        )

    def admit(self, now: float) -> int | None:
        """Let a question through: a ticket for `settle`, or None. Every ticket must be settled."""
        if not self.would_admit(now):
            return None
        if self._state is BreakerState.OPEN:
            self._turn(BreakerState.HALF_OPEN)
        return self._term

    def settle(self, ticket: int, *, answered: bool, now: float) -> None:
        """Say what a question came to."""
        if ticket != self._term:
            return
        if answered:
            self._faults = self._pauses = 0
            if self._state is BreakerState.HALF_OPEN:
                self._turn(BreakerState.CLOSED)
            return
        self._faults += 1
        if self._state is BreakerState.HALF_OPEN or self._faults >= self._settings.faults:
            self._until = now + self._pause()
            self._turn(BreakerState.OPEN)

    def _pause(self) -> float:
        own = self._settings
        whole = min(own.pause * 2.0 ** min(self._pauses, 60), own.longest_pause)
        self._pauses += 1
        return whole * (1 - self._random() / 2)

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._term += 1
        self._faults = 0
        self._changed(state)
