"""
Who holds the telephone: reacts to what a channel does.

A script types its next entry each time that a command takes digits. What is left of an entry
goes into the next command, as fingers go on that have begun; over a prompt that takes no digits
it is lost.
"""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from carrier.channel import Asked, Event, Heard, Waiting

HANG_UP = "hangup"
"""An entry of a script: hang up here."""


class Telephone(Protocol):
    """What a caller can do with a call."""

    @property
    def takes_digits(self) -> bool:
        """Whether a key pressed now makes a difference."""

    def press(self, digits: str) -> str:
        """Press keys for as long as a command takes them; those that are left."""

    def hang_up(self) -> None:
        """Put the receiver down."""


class Caller(Protocol):
    """Told of everything that happens on the line, in order."""

    def noticed(self, event: Event, telephone: Telephone) -> None:
        """React, or don't."""


class Script:
    """Types its entries, one for each question; then listens, until the other side ends.

    barge_in: types over the prompts; otherwise when they are over. Raises ValueError for an
    entry that no keypad has.
    """

    def __init__(self, entries: Iterable[str] = (), *, barge_in: bool = True) -> None:
        self._entries = deque(entries)
        self._when = Asked if barge_in else Waiting
        self._left = ""
        for entry in self._entries:
            if entry != HANG_UP and not set(entry) <= set("0123456789*#ABCD"):
                raise ValueError("a keypad has 0 to 9, * and #")

    def noticed(self, event: Event, telephone: Telephone) -> None:
        """React."""
        if isinstance(event, self._when):
            entry = self._left or (self._entries.popleft() if self._entries else "")
            if entry == HANG_UP:
                telephone.hang_up()
            else:
                self._left = telephone.press(entry)
        elif isinstance(event, Heard) and not event.asked:
            self._left = ""
