"""The recorded sessions, played again."""

from pathlib import Path

import pytest

from dargah.transcript import difference, digest, read_recorded, replayed
from tests.recorded_sessions import SESSIONS, samples, seen_in, shipped, walks

STAGE = shipped()


def test_ten_thousand_sessions_are_seen_as_they_were_recorded() -> None:
    """No screen, prompt or text changes by accident: `make sessions` where it was on purpose."""
    recorded = list(walks())
    assert len({tuple(inputs) for _, inputs in recorded}) == SESSIONS
    other = [inputs for seen, inputs in recorded if digest(seen_in(STAGE, inputs)) != seen]
    shortest = min(other, key=len, default=[])
    assert not other, (
        f"{len(other)} sessions look otherwise; the shortest, as it is now:\n"
        f"{seen_in(STAGE, shortest)}if this is meant: make sessions"
    )


def test_no_recorded_input_may_be_an_id() -> None:
    """People in recorded sessions go by name: nothing typed has the digits of an ID."""
    for _, inputs in walks():
        assert all(sum(char.isdigit() for char in part) < 8 for part in inputs)


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_a_session_to_be_read_is_as_it_was(path: Path) -> None:
    """Each of these pages is what a person sees today."""
    recorded = read_recorded(path)
    assert difference(recorded, replayed(STAGE, recorded)) == ""
