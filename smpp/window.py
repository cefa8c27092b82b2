"""
Our messages on their way: the queue, then the window of those that await an answer.

W outstanding over a round trip of R seconds give at most W/R messages a second.
"""

from collections import deque
from collections.abc import Container
from dataclasses import dataclass

from smpp.errors import Busy
from smpp.events import Unanswered
from smpp.pace import Pace
from smpp.pdu import MAX_SEQUENCE
from smpp.settings import SessionSettings


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that awaits its answer."""

    response_id: int
    at: float


@dataclass(frozen=True, slots=True)
class Load:
    """Messages on their way: ours that await an answer, ours in the queue, the peer's to answer."""

    outstanding: int
    queued: int
    to_answer: int


@dataclass(frozen=True, slots=True)
class _Queued:
    sequence: int
    octets: bytes
    response_id: int
    at: float


class SequenceNumbers:
    """1 to 0x7FFFFFFF, then 1 again (5.1.4), passing over those that still await an answer."""

    __slots__ = ("_last",)

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def next(self, in_use: Container[int]) -> int:
        """The next free one."""
        self._last = self._last % MAX_SEQUENCE + 1
        while self._last in in_use:
            self._last = self._last % MAX_SEQUENCE + 1
        return self._last


class Window:
    """Bounded both ways; the order of sending is the order of asking."""

    __slots__ = ("_pace", "_queue", "_sent", "_settings", "_wake")

    def __init__(self, settings: SessionSettings, pace: Pace) -> None:
        self._settings = settings
        self._pace = pace
        self._sent: dict[int, Sent] = {}
        self._queue: deque[_Queued] = deque()
        self._wake: float | None = None

    def __contains__(self, sequence: object) -> bool:
        return sequence in self._sent

    def __len__(self) -> int:
        return len(self._sent) + len(self._queue)

    @property
    def outstanding(self) -> int:
        """Messages that await an answer."""
        return len(self._sent)

    @property
    def queued(self) -> int:
        """Messages that have not gone out."""
        return len(self._queue)

    def admit(self, sequence: int, octets: bytes, response_id: int, now: float) -> None:
        """Take one message to be sent. Raises Busy when the queue is full."""
        room = not self._queue and len(self._sent) < self._settings.window
        if not room and len(self._queue) >= self._settings.queue:
            raise Busy("the window and the queue are full")
        if room and self._settings.queue == 0 and self._pace.next_at(now) > now:
            raise Busy("the rate is used up")
        self._queue.append(_Queued(sequence, octets, response_id, now))

    def release(self, now: float) -> list[bytes]:
        """The octets that may go now."""
        ready = []
        while self._queue and len(self._sent) < self._settings.window and self._pace.take(now):
            message = self._queue.popleft()
            self._sent[message.sequence] = Sent(message.response_id, now)
            ready.append(message.octets)
        waits_for_pace = self._queue and len(self._sent) < self._settings.window
        self._wake = self._pace.next_at(now) if waits_for_pace else None
        return ready

    def settle(self, sequence: int, response_id: int | None) -> Sent | None:
        """The message that this answers; None if there is none of that kind.

        response_id None: any kind, as for generic_nack.
        """
        sent = self._sent.get(sequence)
        if sent is None or response_id not in (None, sent.response_id):
            return None
        del self._sent[sequence]
        return sent

    def expire(self, now: float) -> list[Unanswered]:
        """Messages that waited too long, in the queue or for an answer."""
        events = []
        while self._sent:
            sequence, sent = next(iter(self._sent.items()))
            if now < sent.at + self._settings.response_timeout:
                break
            del self._sent[sequence]
            events.append(Unanswered(sequence, "timeout", sent=True))
        while self._queue and now >= self._queue[0].at + self._settings.queue_timeout:
            events.append(Unanswered(self._queue.popleft().sequence, "queue", sent=False))
        return events

    def abandon(self, reason: str) -> list[Unanswered]:
        """Every message, as the link is over."""
        events = [Unanswered(sequence, reason, sent=True) for sequence in self._sent]
        events += [Unanswered(message.sequence, reason, sent=False) for message in self._queue]
        self._sent.clear()
        self._queue.clear()
        self._wake = None
        return events

    def next_deadline(self) -> float | None:
        """When something here wants `expire` or `release`."""
        deadlines = []
        if self._sent:
            oldest = next(iter(self._sent.values()))
            deadlines.append(oldest.at + self._settings.response_timeout)
        if self._queue:
            deadlines.append(self._queue[0].at + self._settings.queue_timeout)
        if self._wake is not None:
            deadlines.append(self._wake)
        return min(deadlines, default=None)
