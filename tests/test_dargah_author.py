"""What an author does at the terminal: try, record, replay, draw, measure."""

import argparse
import io
import json
import tempfile
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dargah.bench_dialogue import bench_dialogue
from dargah.cast import TYPED, cast_of
from dargah.commands import bench, dialogue
from dargah.failures import Failure
from dargah.rehearsal import Rehearsal
from dargah.transcript import difference, play, read_recorded, replayed, transcript
from dialogue.lookups import LOOKUPS
from dialogue.tree import Lookup, Question
from dialogue.typed import Right, read_answer
from telecom.screen import fits
from tests.recorded_sessions import shipped

STAGE = shipped()
NAMES = [name for what in LOOKUPS for name in cast_of(what)]


class Command(Protocol):
    """A file of dargah/commands."""

    def options(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def dargah(command: Command, *words: str) -> int:
    """Run a command here, without the process's own logging."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(settings=None)
    command.options(parser)
    return command.run(parser.parse_args(words))


def seen(*inputs: str) -> str:
    """A session's transcript."""
    return transcript(list(play(STAGE, inputs)))


@pytest.mark.parametrize("what", LOOKUPS)
def test_everything_that_can_be_looked_up_has_its_cast(what: str) -> None:
    """An author can see each branch of each look-up, and each comes to its own screen."""
    lookups = [screen for screen in STAGE.tree.screens.values() if isinstance(screen, Lookup)]
    lookup = next(screen for screen in lookups if screen.what == what)
    asking = "1" if what == "eligibility" else "2"
    reached = set()
    for name in cast_of(what):
        rehearsal = Rehearsal(STAGE)
        rehearsal.dial(f"*4*1420*{asking}")
        assert name in rehearsal.names
        scene = rehearsal.type(name)
        assert scene.sms is not None
        reached.add(rehearsal.ussd.state.screen)
    assert reached == set(lookup.on.values())


def test_what_stands_for_a_name_is_always_taken() -> None:
    """Naming somebody is never answered by "that is no ID"."""
    for screen in STAGE.tree.screens.values():
        if isinstance(screen, Question) and screen.ask in TYPED:
            assert isinstance(read_answer(screen, TYPED[screen.ask]), Right)


def test_outcomes_may_be_named_as_the_documents_name_them() -> None:
    """COVERED and OWN.NOT_FOUND are understood as covered and own.not_found are."""
    assert seen("*4*1420*1", "COVERED").lower() == seen("*4*1420*1", "covered").lower()
    assert seen("*1666*2", "OWN.NOT_FOUND").lower() == seen("*1666*2", "own.not_found").lower()


def test_channels_are_side_by_side() -> None:
    """Zero brings an operator by telephone and a wrong key on USSD; each then goes its own way."""
    rehearsal = Rehearsal(STAGE)
    rehearsal.dial("*4*1420")
    scene = rehearsal.type("0")
    assert scene.telephone is not None
    assert scene.telephone.hand_over
    assert scene.ussd is not None
    assert not scene.ussd.last
    after = rehearsal.type("1")
    assert after.telephone is None
    assert rehearsal.ussd.state.screen == "ask_id"
    assert not rehearsal.over


def test_dialled_at_once_comes_to_the_same_screen() -> None:
    """Dialling all at once shows what typing one by one comes to."""
    at_once = seen("*4*1420*1*covered+valid_until").splitlines()[1:]
    assert seen("*4*1420", "1", "covered+valid_until").splitlines()[-len(at_once) :] == at_once


def test_pages_are_turned_without_losing_the_place() -> None:
    """The key for more is a key of the phone: the tree does not hear it."""
    rehearsal = Rehearsal(STAGE)
    rehearsal.dial("*4*1420*3*1")
    before = rehearsal.ussd.state
    rehearsal.type("00")
    assert rehearsal.ussd.state == before


@given(
    st.sampled_from([*STAGE.tree.entries, "*9", "1420"]),
    st.lists(st.sampled_from([*NAMES, *"01239x", "00", "۱", ""]), max_size=24),
)
def test_any_session_can_be_played_and_read_again(entry: str, typed: list[str]) -> None:
    """Whatever is typed is shown within a USSD page, and its record plays to the same."""
    played = list(play(STAGE, [entry, *typed]))
    for _, scene in played:
        assert scene.ussd is None or all(map(fits, scene.ussd.lines))
    text = transcript(played)
    inputs = [
        line.partition(" ")[2] for line in text.splitlines() if line.startswith(("dial", "type"))
    ]
    assert inputs == [name for name, _ in played]
    assert seen(*inputs) == text


@pytest.mark.parametrize("typed", ["0012345679", "۰۰۱۲۳۴۵۶۷۹", "12 345 678", "1" * 8])
def test_no_real_person_is_typed(typed: str) -> None:
    """Digits that may be somebody's ID are refused before they are anywhere."""
    rehearsal = Rehearsal(STAGE)
    rehearsal.dial("*4*1420*1")
    with pytest.raises(Failure, match="somebody's ID") as refused:
        rehearsal.type(typed)
    assert typed not in str(refused.value)
    with pytest.raises(Failure, match="somebody's ID"):
        Rehearsal(STAGE).dial(f"*4*1420*1*{typed}")


def test_try_record_and_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A try becomes a test: recorded, found the same, found otherwise, and accepted."""
    file = tmp_path / "mine.session"
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n0012345679\ncovered+valid_until\n"))
    assert dargah(dialogue, "record", str(file)) == 0
    assert "somebody's ID" in capsys.readouterr().out
    kept = file.read_text(encoding="utf-8")
    assert kept == seen("*4*1420", "1", "covered+valid_until")
    with pytest.raises(Failure, match="is there already"):
        dargah(dialogue, "record", str(file))
    assert dargah(dialogue, "replay", str(file)) == 0
    file.write_text("# mine\n" + kept.replace("برقرار", "پایدار", 1), encoding="utf-8")
    capsys.readouterr()
    assert dargah(dialogue, "replay", str(file)) == 1
    out = capsys.readouterr().out
    assert "-  │ اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ پایدار است." in out
    assert "+  │ اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است." in out
    assert dargah(dialogue, "replay", "--accept", str(file)) == 0
    assert file.read_text(encoding="utf-8") == "# mine\n" + kept


def test_try_shows_every_channel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One answer is seen as a screen, as a text and as prompts by name."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdin", io.StringIO("not_found\n"))
    assert dargah(dialogue, "try", "--entry", "*4*1420*1") == 0
    out = capsys.readouterr().out
    assert "fa/not_found" in out
    assert "octets" in out
    assert out.count("کد ملی پیدا نشد") == 2


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", "nothing is dialled"),
        (b"type 1\n", ":1: dial CODE"),
        (b"# note\ndial *4*1420\nhello\n", ":3: type ANSWER"),
        (b"dial *4*1420\ntype 0012345679\n", ":2: 8 digits"),
        (b"dial *9\ntype 1\n", ":2: the session is over"),
        (b"dial *4*1420\n\xff\n", ":2: is not UTF-8"),
        (b"dial *4*1420\n" + b"type 7\n" * 300, "more than 200 inputs"),
        (b"x" * 1_000_001, "is over 1,000,000 octets"),
    ],
)
def test_a_broken_session_is_named_with_its_line(
    tmp_path: Path, content: bytes, where: str
) -> None:
    """A recorded session that cannot be played says where and why."""
    file = tmp_path / "broken.session"
    file.write_bytes(content)
    with pytest.raises(Failure) as refused:
        replayed(STAGE, read_recorded(file))
    assert str(file) in str(refused.value)
    assert where in str(refused.value)
    assert "0012345679" not in str(refused.value)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(b"dial *4*1420\n".__add__))
def test_any_octets_are_a_session_or_are_refused(octets: bytes) -> None:
    """A file of anything is read or refused in a sentence."""
    refused = ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.session"
        file.write_bytes(octets)
        try:
            recorded = read_recorded(file)
            difference(recorded, replayed(STAGE, recorded))
        except Failure as error:
            refused = str(error)
    assert not refused or refused.startswith(str(file))


def test_graph_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The drawing goes to standard output, and nothing with it."""
    assert dargah(dialogue, "graph") == 0
    assert capsys.readouterr().out.startswith("flowchart TD\n")


def test_the_bench_takes_every_kind_of_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """Both channels are measured, and the figures are to be had as JSON."""
    measured = bench_dialogue(STAGE, 0.001)
    assert [one.channel for one in measured.channels] == ["USSD", "telephone"]
    assert all(one.turns and 0 < one.median <= one.p99 for one in measured.channels)
    assert dargah(bench, "dialogue", "--seconds", "0.001", "--json") == 0
    assert json.loads(capsys.readouterr().out)["goal"] == 50.0
