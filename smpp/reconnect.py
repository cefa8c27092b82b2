"""
How long to stay away before connecting again.

    lost, or no connection     1 s, doubled up to 60 s; 1 s again after 5 minutes of health
    0x05 already bound         30 s at least: the old session has to die first
    0x0E, 0x0F wrong secret    5 minutes at least, and an alarm: operators block who hammers
"""

from collections.abc import Callable
from dataclasses import dataclass

from smpp.pdu import Status

ALARMING = frozenset({Status.INVALID_PASSWORD, Status.INVALID_SYSTEM_ID})


@dataclass(frozen=True, slots=True)
class ReconnectSettings:
    """Seconds."""

    first: float = 1.0
    longest: float = 60.0
    healthy_after: float = 300.0
    already_bound: float = 30.0
    wrong_secret: float = 300.0


class Reconnect:
    """The delays of one bind. `jitter` gives 0 to 1; a delay grows by up to half of itself."""

    def __init__(self, settings: ReconnectSettings, jitter: Callable[[], float]) -> None:
        self._settings = settings
        self._jitter = jitter
        self._failures = 0
        self._bound_at: float | None = None
        self._least = 0.0

    def bound(self, now: float) -> None:
        """The bind holds."""
        self._bound_at = now

    def refused(self, status: int) -> None:
        """The SMSC refused the bind."""
        if status == Status.ALREADY_BOUND:
            self._least = self._settings.already_bound
        elif status in ALARMING:
            self._least = self._settings.wrong_secret

    def delay(self, now: float) -> float:
        """Seconds until the next attempt, after one that failed or a link that was lost."""
        settings = self._settings
        if self._bound_at is not None and now >= self._bound_at + settings.healthy_after:
            self._failures = 0
        grown = min(settings.longest, settings.first * 2.0 ** min(self._failures, 16))
        seconds = max(grown, self._least) * (1.0 + self._jitter() / 2)
        self._failures += 1
        self._bound_at, self._least = None, 0.0
        return seconds
