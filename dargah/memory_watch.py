"""The memory of processes while something goes on, looked at every second."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EVERY = 1.0
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Memory:
    """Octets in each second: of the loader with its children, and of Redis.

    Of the loader its own, without pages of files; a child that shares with it counts in full.
    """

    loader: tuple[int, ...]
    redis: tuple[int, ...]


class MemoryWatch:
    """Looks until it is cancelled; `run` is to be a task."""

    def __init__(self, loader: int, redis: int) -> None:
        self._loader = loader
        self._redis = redis
        self._seen: list[tuple[int, int]] = []

    async def run(self) -> None:
        """Look every second."""
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """One look; nothing is kept of it when the loader has ended."""
        own = sum(_field(pid, "RssAnon") + _field(pid, "RssShmem") for pid in family(self._loader))
        if own:
            self._seen.append((own, _field(self._redis, "VmRSS")))

    @property
    def seen(self) -> Memory:
        """What was seen so far."""
        loader, redis = zip(*self._seen, strict=True) if self._seen else ((), ())
        return Memory(loader, redis)


def family(pid: int) -> Iterator[int]:
    """A process and those below it, as far as they are still there."""
    yield pid
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from family(int(child))


def _field(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The values as bars of eight heights from 0 to the highest; of many the highest of each few.

    An empty text of no values.
    """
    if not values or max(values) <= 0:
        return ""
    step = max(1, -(-len(values) // width))
    peaks = [max(values[n : n + step]) for n in range(0, len(values), step)]
    return "".join(_BARS[min(7, int(8 * peak / max(peaks)))] for peak in peaks)
