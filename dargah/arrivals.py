"""
Arrivals at a steady rate, from a process of their own, which waits for no answer.

    python -m dargah.arrivals RATE SEED

It writes when it began (eight octets: seconds of the monotonic clock), then one octet for each
arrival, at its time or as soon after as it can, until it is told to end by SIGTERM; then one line
to standard error: arrivals, and how many of them went out late. Gaps are exponential, as between
callers who do not know each other. Who hears it makes the same gaps from the seed, and so knows
when each arrival was meant to be. It starts beside a measurement, so it imports the standard
library alone.
"""

import os
import signal
import struct
import sys
import time
from collections.abc import Iterator
from itertools import accumulate
from random import Random

LATE = 0.001
"""Seconds after its time from which an arrival counts as late."""
BEGIN = struct.Struct("=d")
HEAD_START = 0.02


def due(rate: float, seed: int) -> Iterator[float]:
    """When arrivals are meant to be, in seconds from the beginning, without end."""
    draw = Random(seed)  # noqa: S311 - both sides make the same
    return accumulate(draw.expovariate(rate) for _ in iter(int, 1))


def main(rate: float, seed: int) -> None:
    """Arrive until SIGTERM."""
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clock = time.monotonic
    begin = clock() + HEAD_START
    os.write(1, BEGIN.pack(begin))
    arrivals = late = 0
    meant = due(rate, seed)
    coming = next(meant)
    try:
        while not over:
            now = clock() - begin
            if coming > now:
                time.sleep(min(coming - now, 0.1))
                continue
            batch = [coming]
            while (coming := next(meant)) <= now:
                batch.append(coming)
            os.write(1, b"." * len(batch))
            punctual = clock() - begin - LATE
            arrivals += len(batch)
            late += sum(moment < punctual for moment in batch)
    except BrokenPipeError:
        return
    os.write(2, b"%d %d\n" % (arrivals, late))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
