"""
What a channel does while a command plays prompts and waits for digits; no socket, no clock.

One task goes through its prompts, then waits, and ends in one of these ways:

    done      prompts are over, and nothing is waited for
    digit     a digit that stops it was typed
    full      all digits that it collects were typed
    hash      # was typed while it collects
    timeout   no digit, or no further one, in time
    hangup    the caller is gone
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

SAMPLES = 8000
"""A second of sound."""


class How(StrEnum):
    """How it ended."""

    DONE = "done"
    DIGIT = "digit"
    FULL = "full"
    HASH = "hash"
    TIMEOUT = "timeout"
    HANGUP = "hangup"


class Listening:
    """Prompts to play, digits to take; see the head of this file. Times in seconds.

    prompts: (name, length). stops: digits that end it and are told. most: digits to collect, 0
    for none. first, between: how long to wait for the first digit and for each further one;
    None for ever; `waits` says whether to wait at all. watched: whether a new command ends
    it, and `interrupted` the reply then, if there is one.
    """

    __slots__ = (
        "_at",
        "_began",
        "_between",
        "_first",
        "_most",
        "_prompts",
        "_stops",
        "_waits",
        "attempts",
        "deadline",
        "digits",
        "ended",
        "interrupted",
        "playing",
        "watched",
    )

    def __init__(
        self,
        prompts: Sequence[tuple[str, float]],
        ended: Callable[["Listening", How, float], None],
        *,
        stops: str = "",
        most: int = 0,
        first: float | None = None,
        between: float | None = None,
        waits: bool = False,
        attempts: int = 1,
        watched: bool = False,
        interrupted: str = "",
    ) -> None:
        self._prompts = prompts
        self._stops = stops
        self._most = most
        self._first = first
        self._between = between
        self._waits = waits
        self._at = 0
        self._began = 0.0
        self.ended = ended
        self.attempts = attempts
        self.watched = watched
        self.interrupted = interrupted
        self.digits = ""
        self.playing = False
        self.deadline: float | None = None

    @property
    def takes_digits(self) -> bool:
        """Whether a digit makes a difference to it."""
        return bool(self._most or self._stops)

    def samples(self, now: float) -> int:
        """How far into the prompt that plays, or played last."""
        return round((now - self._began) * SAMPLES)

    def play(self, now: float, heard: Callable[[str], None]) -> How | None:
        """Begin, or go on with the next prompt; how it ended, None if it hasn't."""
        self.playing = True
        while self._at < len(self._prompts):
            name, seconds = self._prompts[self._at]
            self._began = now
            heard(name)
            if seconds:
                self.deadline = now + seconds
                return None
            self._at += 1
        self.playing = False
        if not self._waits:
            return How.DONE
        self.deadline = None if self._first is None else now + self._first
        return None

    def tick(self, now: float, heard: Callable[[str], None]) -> How | None:
        """The deadline has come."""
        if self.playing:
            self._at += 1
            return self.play(now, heard)
        if self.attempts > 1 and not self.digits:
            self.attempts -= 1
            self._at = 0
            return self.play(now, heard)
        return How.TIMEOUT

    def type(self, digit: str, now: float) -> How | None:
        """A digit was typed."""
        if not self._most:
            if digit not in self._stops:
                return None
            self.digits = digit
            return How.DIGIT
        if digit == "#":
            return How.HASH
        # The first digit stops the prompts: barge-in.
        self.playing = False
        self.digits += digit
        if len(self.digits) >= self._most:
            return How.FULL
        self.deadline = None if self._between is None else now + self._between
        return None
