"""The recorded sessions, played again."""

from pathlib import Path

import pytest

from dargah.transcript import difference, digest, play, read_recorded, replayed, transcript
from dialogue.paths import reachable
from dialogue.tree import Lookup
from tests.recorded_sessions import SESSIONS, samples, shipped, walks

STAGE = shipped()


UNTYPED = {"busy", "expired", "unavailable", "too_long"}
"""Exits that no few answers lead to: something must fail, change or take too long."""


def test_ten_thousand_sessions_are_seen_as_they_were_recorded() -> None:
    """No screen, prompt or text changes by accident, wherever in the tree and in any language."""
    other: list[list[str]] = []
    sessions: set[tuple[str, ...]] = set()
    come_to: set[tuple[str, str]] = set()
    for recorded, inputs in walks():
        played = list(play(STAGE, inputs))
        sessions.add(tuple(inputs))
        for _, scene in played:
            come_to |= {(seen.screen, seen.language) for seen in scene.channels}
        if digest(transcript(played)) != recorded:
            other.append(inputs)
    shortest = min(other, key=len, default=[])
    assert not other, (
        f"{len(other)} sessions look otherwise; the shortest, as it is now:\n"
        f"{transcript(list(play(STAGE, shortest)))}if this is meant: make sessions"
    )
    assert len(sessions) == SESSIONS
    shown = {
        name
        for name in reachable(STAGE.tree)
        if not isinstance(STAGE.tree.screens[name], Lookup) and name not in UNTYPED
    }
    # The code that nobody knows is answered before another language can be chosen.
    wanted = {(name, code) for name in shown for code in STAGE.tree.languages}
    assert wanted - come_to <= {("unknown_code", code) for code in STAGE.tree.languages[1:]}


def test_no_recorded_input_may_be_an_id() -> None:
    """People in recorded sessions go by name: nothing typed has the digits of an ID."""
    for _, inputs in walks():
        assert all(sum(char.isdigit() for char in part) < 8 for part in inputs)


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_a_session_to_be_read_is_as_it_was(path: Path) -> None:
    """Each of these pages is what a person sees today."""
    recorded = read_recorded(path)
    assert difference(recorded, replayed(STAGE, recorded)) == ""
