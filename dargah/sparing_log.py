"""
Spares the log: what may be said once a request is written at most once a second.

The first line of a kind is written at once. What comes within the second after it is counted, and
the count, `left_out`, is in the next line of that kind: the next one that comes, or one of its own
when the second is over. Lines that tell of one thing each (a tracking code, an entry put aside) are
never left out.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

EVERY: Final = 1.0
"""Seconds between two lines of one event."""

ONCE_A_REQUEST: Final = frozenset(
    {
        "api_keys_unreadable",
        "follow_up_failed",
        "language_not_remembered",
        "ledger_unavailable",
        "lookup_failed",
        "registry_fault",
        "sms_not_kept",
    }
)
"""Events that say only that, and why, a store could not be asked; one failover has thousands."""

Later = Callable[[float, Callable[[], None]], None]
"""Calls a function after so many seconds, or never where there is no loop to do so."""


class SparingLog:
    """A processor of structlog. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float], later: Later) -> None:
        self._clock, self._later = clock, later
        self._until: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def __call__(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """The line, or structlog's DropEvent."""
        name = event["event"]
        if name not in ONCE_A_REQUEST:
            return event
        now = self._clock()
        over_in = self._until.get(name, now) - now
        if over_in > 0:
            if name not in self._left_out:
                self._later(over_in, lambda: self._tell(logger.name, method, name))
            self._left_out[name] = self._left_out.get(name, 0) + 1
            raise structlog.DropEvent
        self._until[name] = now + EVERY
        if left_out := self._left_out.pop(name, 0):
            event["left_out"] = left_out
        return event

    def _tell(self, logger: str, method: str, name: str) -> None:
        if name in self._left_out:
            self._until.pop(name, None)  # a loop may call a moment before the time
            getattr(structlog.get_logger(logger), method)(name)
