"""The peer's messages that we have not answered yet, by sequence number, bounded."""


class Debts:
    """A peer may use one sequence number twice before we answer: both get an answer."""

    __slots__ = ("_by_sequence", "_count", "_most")

    def __init__(self, most: int) -> None:
        self._by_sequence: dict[int, int] = {}
        self._count = 0
        self._most = most

    def __len__(self) -> int:
        return self._count

    def incur(self, sequence: int) -> bool:
        """One message more; False if there are too many already."""
        if self._count >= self._most:
            return False
        self._by_sequence[sequence] = self._by_sequence.get(sequence, 0) + 1
        self._count += 1
        return True

    def settle(self, sequence: int) -> bool:
        """One message answered; False if there was none."""
        owed = self._by_sequence.pop(sequence, 0)
        if not owed:
            return False
        if owed > 1:
            self._by_sequence[sequence] = owed - 1
        self._count -= 1
        return True

    def clear(self) -> None:
        """The link is over; nobody waits any more."""
        self._by_sequence.clear()
        self._count = 0
