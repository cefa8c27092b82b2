"""
10,000 sessions on the shipped tree, in tests/sessions: walks.txt has what was typed in each and a
digest of all that was seen; the .session files are some that can be read.

    make sessions                          the words changed on purpose: the same inputs, seen anew
    make sessions ARGS=--draw              the tree changed: others are drawn
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from config.settings import read_settings
from dargah.stage import Stage, stage_of
from dargah.transcript import (
    difference,
    digest,
    play,
    read_recorded,
    replayed,
    transcript,
    write_recorded,
)
from dargah.wandering import wander

FOLDER = Path(__file__).parent / "sessions"
WALKS = FOLDER / "walks.txt"
SESSIONS = 10_000
SEED = 1420


def shipped() -> Stage:
    """The dialogue that comes with Dargah, whatever the environment says."""
    return stage_of(read_settings(None, {}))


def walks() -> Iterator[tuple[str, list[str]]]:
    """Each session's digest, and its inputs."""
    for line in WALKS.read_text(encoding="utf-8").splitlines():
        seen, *inputs = line.split(" ")
        yield seen, inputs


def samples() -> list[Path]:
    """The sessions that can be read."""
    return sorted(FOLDER.glob("*.session"))


def seen_in(stage: Stage, inputs: list[str]) -> str:
    """All that is seen in a session, as its file would have it."""
    return transcript(list(play(stage, inputs)))


def drawn(stage: Stage) -> list[list[str]]:
    """So many different sessions; the same for the same tree."""
    draw = Random(SEED)
    found: dict[tuple[str, ...], None] = {}
    while len(found) < SESSIONS:
        found[tuple(wander(stage, draw))] = None
    return [list(inputs) for inputs in found]


def main(args: list[str]) -> None:
    """Write what is seen now."""
    stage = shipped()
    every = drawn(stage) if "--draw" in args else [inputs for _, inputs in walks()]
    lines = [" ".join([digest(seen_in(stage, inputs)), *inputs]) for inputs in every]
    WALKS.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for path in samples():
        recorded = read_recorded(path)
        now = replayed(stage, recorded)
        if changes := difference(recorded, now):
            print(changes)
            write_recorded(path, now, recorded.notes)
    print(f"{len(lines):,} sessions and {len(samples())} that can be read are as they are now.")


if __name__ == "__main__":
    main(sys.argv[1:])
