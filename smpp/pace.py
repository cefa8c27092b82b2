"""
How fast we may send: a token bucket at the contracted rate, slowed when the peer throttles.

A throttling answer halves the rate and pauses for 1, 2, 4 … seconds up to a cap, with jitter
so that several binds don't return together; then the rate regains 5 % of the contract a second.
"""

from collections.abc import Callable

from smpp.settings import SessionSettings

_REGAIN = 0.05
_LEAST = 0.05
_BURST = 0.1
# A deadline computed from floats may come a hair early; that hair must not spin the timer.
_HAIR = 1e-9


class Pace:
    """Tokens by time; `jitter` gives 0 to 1 and lengthens a pause by up to that share."""

    __slots__ = (
        "_at",
        "_cap",
        "_contract",
        "_jitter",
        "_pause",
        "_row",
        "_share",
        "_tokens",
        "_until",
    )

    def __init__(self, settings: SessionSettings, jitter: Callable[[], float]) -> None:
        self._contract = settings.rate
        self._pause = settings.throttle_pause
        self._cap = settings.throttle_pause_cap
        self._jitter = jitter
        self._share = 1.0
        self._row = 0
        self._until = 0.0
        self._tokens: float | None = None
        self._at = 0.0

    @property
    def rate(self) -> float | None:
        """PDUs a second at present, None for no limit."""
        return None if self._contract is None else self._contract * self._share

    def take(self, now: float) -> bool:
        """Whether one more PDU may go now; if so, it is counted."""
        if now + _HAIR < self._until:
            return False
        if self._contract is None:
            return True
        self._fill(now)
        assert self._tokens is not None
        if self._tokens < 1.0 - _HAIR:
            return False
        self._tokens = max(0.0, self._tokens - 1.0)
        return True

    def next_at(self, now: float) -> float:
        """When `take` may succeed again; `now` if it may already."""
        if now < self._until:
            return self._until
        if self._contract is None:
            return now
        self._fill(now)
        assert self._tokens is not None
        return now + max(0.0, 1.0 - self._tokens) / (self._contract * self._share)

    def throttled(self, now: float) -> float:
        """The peer wants less. Returns when the pause ends."""
        # The rest of a window that was in flight says the same thing once more, not twice as loud.
        if now < self._until:
            return self._until
        self._fill(now)
        self._share = max(_LEAST, self._share / 2)
        pause = min(self._cap, self._pause * 2.0**self._row)
        self._row = min(self._row + 1, 16)
        self._until = now + pause * (1.0 + self._jitter())
        return self._until

    def accepted(self) -> None:
        """The peer took one: the next pause is a first one again."""
        self._row = 0

    def _fill(self, now: float) -> None:
        rate = self.rate
        if rate is None:
            return
        # A tenth of a second's worth at once: what a timer can't space out.
        burst = max(1.0, rate * _BURST)
        if self._tokens is None:
            self._tokens, self._at = burst, now
        passed = max(0.0, now - self._at)
        self._at = max(now, self._at)
        self._tokens = min(burst, self._tokens + passed * rate)
        if now >= self._until:
            self._share = min(1.0, self._share + _REGAIN * passed)
