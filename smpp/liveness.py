"""Whether the peer is still there: enquire_link after silence, and how often it may go unheard."""

from enum import StrEnum

from smpp.settings import SessionSettings


class Due(StrEnum):
    """What the silence asks for now."""

    NOTHING = "nothing"
    ASK = "ask"
    GIVE_UP = "give up"


class Liveness:
    """Any PDU from the peer is a sign of life (2.9: enquire_link_timer, inactivity_timer)."""

    __slots__ = ("_asked_at", "_carried_at", "_heard_at", "_misses", "_settings")

    def __init__(self, settings: SessionSettings, now: float) -> None:
        self._settings = settings
        self._heard_at = self._carried_at = now
        self._asked_at: float | None = None
        self._misses = 0

    def heard(self, now: float) -> None:
        """A PDU came."""
        self._heard_at, self._asked_at, self._misses = now, None, 0

    def carried(self, now: float) -> None:
        """A message went one way or the other."""
        self._carried_at = now

    def idle(self, now: float) -> bool:
        """Whether no message has passed for too long."""
        longest = self._settings.inactivity_timeout
        return longest is not None and now >= self._carried_at + longest

    def due(self, now: float) -> Due:
        """ASK counts as asked."""
        if now < self._ask_at():
            return Due.NOTHING
        if self._asked_at is not None:
            self._misses += 1
            if self._misses >= self._settings.enquire_link_misses:
                return Due.GIVE_UP
        self._asked_at = now
        return Due.ASK

    def next_deadline(self) -> float:
        """When `due` or `idle` will say something."""
        longest = self._settings.inactivity_timeout
        if longest is None:
            return self._ask_at()
        return min(self._ask_at(), self._carried_at + longest)

    def _ask_at(self) -> float:
        if self._asked_at is not None:
            return self._asked_at + self._settings.enquire_link_timeout
        return self._heard_at + self._settings.enquire_link_interval
