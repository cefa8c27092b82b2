"""
`dargah bench failover`: what callers are told around the loss of a master, 100 ms by 100 ms.

On real servers of the bench's own, on loopback: a Cluster of three masters with a replica each,
then one master with a replica and three Sentinels; each loses a master by kill -9 and by SIGSTOP.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from dargah.failover_run import Fault, Run, failover, filled_box
from dargah.steady import CANNOT_CHECK, KINDS, PLAIN, STALE, WRONG, percentile

SLICE: Final = 0.1
"""Seconds that one line of the picture stands for."""
WIDTH: Final = 40
SHADES: Final = {PLAIN: "█", STALE: "▒", CANNOT_CHECK: "·", WRONG: "!"}
CALM_LINES: Final = 2
"""Lines with nothing but plain answers that are shown at each end of a stretch of them."""
QUICK_SLICES: Final = 5
SLOW: Final = 0.05
"""Seconds: the p99 under which it is back to normal."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What was told to those who asked within one tenth of a second. Times in milliseconds."""

    at: float
    told: dict[str, int]
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """One failover. `back_after` is in seconds from the fault to the last answer that was not
    plain, `quick_after` to the first half second with every p99 under 50 ms."""

    servers: str
    fault: str
    rate: float
    told: dict[str, int]
    back_after: float
    quick_after: float
    events: list[tuple[float, str]]
    slices: list[Slice]

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


async def bench_failover(people: int, rate: float, note: Callable[[str], None]) -> list[Timeline]:
    """Every failover, one after the other; `note` is told what goes on."""
    found = []
    for sentinel, servers in ((False, "Cluster, 3 masters, 3 replicas"), (True, "Sentinel, 1 + 1")):
        note(f"{servers}: starting, and loading {people:,} people")
        async with filled_box(sentinel=sentinel, people=people) as box:
            for fault in Fault:
                note(f"{servers}: {fault}")
                run = await failover(box, fault, rate)
                found.append(timeline(run, servers, fault, rate))
    return found


def timeline(run: Run, servers: str, fault: str, rate: float) -> Timeline:
    """A run in slices."""
    slices: dict[int, list[int]] = defaultdict(list)
    for number, told in enumerate(run.told):
        slices[int(told.at / SLICE)].append(number)
    drawn = []
    for index in sorted(slices):
        here = [run.told[number] for number in slices[index]]
        took = [told.took for told in here]
        drawn.append(
            Slice(
                round(index * SLICE, 1),
                {kind: n for kind in KINDS if (n := sum(told.kind == kind for told in here))},
                round(percentile(took, 0.5) * 1000, 2),
                round(percentile(took, 0.99) * 1000, 2),
            )
        )
    struck = run.events[0][0]
    other = [told.at + told.took for told in run.told if told.kind != PLAIN]
    return Timeline(
        servers,
        fault,
        rate,
        {kind: sum(told.kind == kind for told in run.told) for kind in KINDS},
        round(max(other, default=struck) - struck, 2),
        round(_quick_from(drawn, struck) - struck, 2),
        [(round(at, 2), what) for at, what in run.events],
        drawn,
    )


def _quick_from(pieces: list[Slice], struck: float) -> float:
    """When the first QUICK_SLICES slices in a row began that were quick, at or after the fault."""
    after = [piece for piece in pieces if piece.at + SLICE > struck]
    for number, piece in enumerate(after):
        if all(one.p99_ms < SLOW * 1000 for one in after[number : number + QUICK_SLICES]):
            return max(struck, piece.at)
    return pieces[-1].at


def picture(found: Timeline) -> str:
    """A line for each tenth of a second: what was told, and p50 and p99 in milliseconds."""
    legend = "  ".join(f"{SHADES[kind]} {kind} {found.told[kind]:,}" for kind in KINDS)
    lines = [
        f"{found.servers}; {found.fault}; {found.rate:,.0f} lookups/s offered",
        legend,
        f"all plain again {found.back_after:g} s after the fault; p99 under 50 ms again after "
        f"{found.quick_after:g} s",
        "",
        f"{'s':>6}  {'told':<{WIDTH}} {'p50 ms':>8} {'p99 ms':>8}",
    ]
    return "\n".join([*lines, *_drawn(found)])


def _drawn(found: Timeline) -> Iterator[str]:
    notes = {int(at / SLICE): what for at, what in found.events}
    pieces = found.slices

    def calm(number: int) -> bool:
        near = pieces[max(0, number - CALM_LINES) : number + CALM_LINES + 1]
        return all(
            set(piece.told) == {PLAIN} and round(piece.at / SLICE) not in notes for piece in near
        )

    skipped = 0
    for number, piece in enumerate(pieces):
        if calm(number):
            skipped += 1
            continue
        if skipped:
            yield f"{'':>6}  ({skipped} lines with plain answers alone)"
            skipped = 0
        bar = _bar(piece.told)
        said = notes.get(round(piece.at / SLICE), "")
        after = f"  ◀ {said}" if said else ""
        yield f"{piece.at:>6.1f}  {bar:<{WIDTH}} {piece.p50_ms:>8.2f} {piece.p99_ms:>8.2f}{after}"
    if skipped:
        yield f"{'':>6}  ({skipped} lines with plain answers alone)"


def _bar(told: dict[str, int]) -> str:
    """Each kind by its share; what is there at all has one mark at the least."""
    whole = sum(told.values())
    bar = "".join(
        SHADES[kind] * max(1, round(WIDTH * told[kind] / whole)) for kind in KINDS if kind in told
    )
    return bar[:WIDTH] if WRONG not in told else bar[: WIDTH - 1] + SHADES[WRONG]
