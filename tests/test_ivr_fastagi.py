import contextlib
import io
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import commands
from ivr.commands import Command, command
from ivr.errors import Hangup, LocalProtocolError, MissingPrompt, RemoteProtocolError
from ivr.fastagi import (
    ENVIRONMENT_LINES,
    CallBegan,
    Environment,
    Event,
    FastAgi,
    HungUp,
    Replied,
)
from ivr.pyst2_door import AGI, AGIError, AGIHangup, spoken

TRACE = Path(__file__).parent / "data" / "fastagi_trace.txt"
ENVIRONMENT = b"agi_request: agi://127.0.0.1/x\nagi_callerid: 09121234567\n\n"
NOOP = command("NOOP")


def begun() -> FastAgi:
    """A connection whose environment has come."""
    agi = FastAgi()
    assert isinstance(agi.receive_bytes(ENVIRONMENT)[0], CallBegan)
    return agi


def reply_to(sent: Command, raw: bytes) -> list[Event]:
    """What comes of a reply to one command."""
    agi = begun()
    agi.send(sent)
    return agi.receive_bytes(raw)


def exchanges() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each section of the trace as (direction, line); only what keeps one command in flight."""
    for section in TRACE.read_text().split("\n== ")[1:]:
        name, *lines = section.splitlines()
        talk = [(m[1], m[2]) for m in (re.match(r" *[\d.]+ ([<>]) '(.*)'", x) for x in lines) if m]
        yield name, [(way, line.replace("\\\\", "\\")) for way, line in talk]


def replayed(talk: list[tuple[str, str]]) -> list[tuple[str, Event | str]]:
    """What our side makes of a section, up to the first command that came too soon in it."""
    agi = FastAgi()
    agi_waits = False
    seen: list[tuple[str, Event | str]] = []
    for way, line in talk:
        if way == ">":
            if agi_waits:
                return seen
            agi.send(Command(line, line.encode()))
            agi_waits = True
            seen.append((">", line))
            continue
        for event in agi.receive_bytes(line.encode() + b"\n"):
            agi_waits = agi_waits and not isinstance(event, Replied)
            seen.append(("<", event))
    return seen


def answers(section: str) -> list[tuple[str, Replied]]:
    """Command and reply, in order, of a section of the trace."""
    seen = replayed(dict(exchanges())[section])
    pairs, asked = [], ""
    for way, what in seen:
        if isinstance(what, str):
            asked = what
        elif isinstance(what, Replied):
            pairs.append((asked, what))
        assert way in "<>"
    return pairs


def test_every_recorded_call_is_understood() -> None:
    """Every call that a real Asterisk made to us on record begins, and no line puzzles us."""
    sections = list(exchanges())
    assert len(sections) == 12
    for name, talk in sections:
        seen = [what for _, what in replayed(talk)]
        assert isinstance(seen[0], CallBegan), name
        assert seen[0].environment["callerid"] == "09121234567"
        assert seen[0].environment["request"].startswith("agi://127.0.0.1:14573/")
        assert seen[0].environment["arg_2"] == "second"
        assert len(seen) > 1, name


def test_recorded_digits() -> None:
    """Digits, none at all, and digits cut short by the clock are told apart."""
    replies = [reply for _, reply in answers("getdata")]
    assert [(r.result, r.text) for r in replies] == [
        ("0012345679", None),
        ("12", "timeout"),
        ("", None),
        ("", "timeout"),
        ("-1", None),
        ("", "timeout"),
        ("0", None),
    ]


def test_recorded_playing() -> None:
    """A prompt played out, stopped by a digit, and missing are three different replies."""
    replies = [reply for _, reply in answers("barge")]
    assert [(r.result, r.endpos) for r in replies[:2]] == [("53", 9760), ("-1", 0)]
    assert replies[2].result == "6"
    assert replies[3] == Replied(200, "0", None, 10801)


def test_recorded_values() -> None:
    """Values come back as they are: quotes, backslashes, Persian, unset and empty."""
    env = dict(answers("env"))
    assert env["FOO BAR"].code == 510
    assert env["STREAM FILE"].code == 520
    assert env["GET VARIABLE NOPE"] == Replied(200, "0")
    assert env["GET VARIABLE A"].text == 'x "y" \\z سلام'
    executed = dict(answers("exec"))
    assert executed["GET VARIABLE NID"].text == ""
    assert executed["GET VARIABLE READSTATUS"].text == "TIMEOUT"


@pytest.mark.parametrize("section", ["hupplay", "hupdata", "hupidle", "huprace", "exithup"])
def test_recorded_hangup(section: str) -> None:
    """A caller who hangs up is noticed once, whenever it happens."""
    seen = [what for _, what in replayed(dict(exchanges())[section])]
    assert [type(what) for what in seen].count(HungUp) == 1


def test_hangup_before_the_reply() -> None:
    """A hang-up that crosses a command is reported before the command's refusal."""
    raw = b"HANGUP\n511 Command Not Permitted on a dead channel or intercept routine\nHANGUP\n"
    assert reply_to(NOOP, raw) == [HungUp(), Replied(511)]


def test_text_runs_to_the_last_bracket() -> None:
    """A value with brackets in it is whole."""
    asked = commands.get_variable("A")
    assert reply_to(asked, b"200 result=1 (a (b) c) endpos=5)\n") == [
        Replied(200, "1", "a (b) c) endpos=5")
    ]
    assert reply_to(asked, b"200 result=0 (timeout) endpos=160\n") == [
        Replied(200, "0", "timeout", 160)
    ]


def test_both_shapes_of_520() -> None:
    """Bad arguments are refused in one line or in many; both are one refusal."""
    assert reply_to(NOOP, b"520 Invalid command syntax.  Proper usage not available.\n") == [
        Replied(520)
    ]
    block = b"520-Invalid command syntax.\n200 result=0\nHANGUP\n520 End of proper usage.\n"
    assert reply_to(NOOP, block) == [Replied(520)]


@pytest.mark.parametrize(
    "stray",
    [b"520-Usage:\n free text\n520 End of proper usage.\n", b"520 Usage not available.\n"],
)
def test_stray_usage_after_an_application(stray: bytes) -> None:
    """The usage text that follows an application's 1 is nobody's reply, however late it is."""
    agi = begun()
    agi.send(command("EXEC", "Foo", ""))
    assert agi.receive_bytes(b"200 result=1\n") == [Replied(200, "1")]
    agi.send(NOOP)
    assert agi.receive_bytes(stray + b"200 result=0\n") == [Replied(200, "0")]
    agi.send(NOOP)
    assert agi.receive_bytes(stray) == [Replied(520)]


def test_one_command_at_a_time() -> None:
    """A second command while the first is out would silence both, so it is never sent."""
    with pytest.raises(LocalProtocolError):
        FastAgi().send(NOOP)
    agi = begun()
    agi.send(NOOP)
    with pytest.raises(LocalProtocolError):
        agi.send(NOOP)


@pytest.mark.parametrize(
    "raw",
    [
        b"\n",
        b"agi_x y\n",
        b": y\n",
        b"GET / HTTP/1.1\r\n",
        b"agi_callerid: 1\nagi_callerid: 2\n",
        b"a" * 1_000_000,
        b"agi_x: " + b"a" * 1_000_000 + b"\n",
        b"".join(b"agi_arg_%d: x\n" % n for n in range(ENVIRONMENT_LINES + 1)),
        b"".join(b"agi_arg_%d: %s\n" % (n, b"x" * 2000) for n in range(100)),
        ENVIRONMENT + b"200 result=0\n",
        ENVIRONMENT + b"agi_request: again\n",
        ENVIRONMENT + b"520-" + b"\n" + b"x\n" * 100_000,
    ],
)
def test_hostile_peer(raw: bytes) -> None:
    """A peer that floods, repeats itself or speaks another language is dropped."""
    agi = FastAgi()
    with pytest.raises(RemoteProtocolError):
        agi.receive_bytes(raw)
    assert agi.receive_bytes(ENVIRONMENT) == []
    with pytest.raises(LocalProtocolError):
        agi.send(NOOP)


def test_hostile_values_are_only_values() -> None:
    """Quotes, colons and odd bytes in a caller's name stay in the name, and are never shown."""
    raw = b'agi_calleridname: "a\\": b\x00\xff: 520-\r\nagi_dnid:\n\n'
    (began,) = FastAgi().receive_bytes(raw)
    assert isinstance(began, CallBegan)
    assert began.environment["calleridname"] == '"a\\": b\x00\ufffd: 520-'
    assert began.environment["dnid"] == ""
    assert began.environment["nothing"] == ""
    assert "a" not in repr(began.environment).removeprefix("Environment")
    assert "0912" not in repr(Replied(200, "09121234567", "09121234567"))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes(noise: bytes, after: bool) -> None:
    """Whatever a peer sends, it is understood or dropped; nothing else happens."""
    agi = begun() if after else FastAgi()
    if after:
        agi.send(NOOP)
    with contextlib.suppress(RemoteProtocolError):
        agi.receive_bytes(noise)


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    """A stream as TCP may cut it."""
    ends = sorted(min(cut, len(raw)) for cut in cuts)
    return [raw[i:j] for i, j in zip([0, *ends], [*ends, len(raw)], strict=True)]


@given(st.lists(st.integers(0, 99), max_size=8), st.lists(st.integers(0, 99), max_size=8))
def test_any_cut(first: list[int], second: list[int]) -> None:
    """However TCP cuts a call, the same things happen in it in the same order."""
    agi = FastAgi()
    seen = [event for piece in pieces(ENVIRONMENT, first) for event in agi.receive_bytes(piece)]
    agi.send(NOOP)
    raw = b"520-Usage\nx\n520 End\nHANGUP\r\nHANGUP\n"
    seen += [event for piece in pieces(raw, second) for event in agi.receive_bytes(piece)]
    assert seen[1:] == [Replied(520), HungUp()]
    assert isinstance(seen[0], CallBegan)


@given(st.lists(st.text(max_size=60), max_size=20))
def test_no_injection(values: list[str]) -> None:
    """Whatever stands in a value, Asterisk reads one command with just those values."""
    try:
        line = command("SET VARIABLE", *values).line
    except LocalProtocolError:
        assert any(set("\r\n\0") & set(v) for v in values) or any(
            "\ud800" <= c <= "\udfff" for v in values for c in v
        )
        return
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert b"\r" not in line
    lexer = shlex.shlex(line.decode().rstrip("\n"), posix=True)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    lexer.quotes, lexer.escapedquotes = '"', '"'
    assert list(lexer) == ["SET", "VARIABLE", *values]


@pytest.mark.parametrize(
    "words", ["", "get data", "FAILURE", "FAILURES NOW", "GET\nDATA", "GET  DATA", "A B C D E"]
)
def test_not_a_command(words: str) -> None:
    """What is not the name of a command is never sent."""
    with pytest.raises(LocalProtocolError):
        command(words)


def test_bounds_of_a_command() -> None:
    """A command longer than Asterisk reads, or of too many words, is never sent."""
    assert len(command("NOOP", "x" * 2039).line) == 2047
    with pytest.raises(LocalProtocolError):
        command("NOOP", "x" * 2040)
    command("NOOP", *range(126))
    with pytest.raises(LocalProtocolError):
        command("NOOP", *range(127))


@pytest.mark.parametrize("name", ["", "a&b", "a,b", "../x", "a b", "/etc/x", "a.wav", "A", "a\n"])
def test_not_a_prompt(name: str) -> None:
    """A prompt's name can name nothing but a prompt."""
    with pytest.raises(LocalProtocolError):
        commands.stream_file(name)
    with pytest.raises(LocalProtocolError):
        commands.playback(["ok", name])
    with pytest.raises(LocalProtocolError):
        commands.read("X", ["ok", name], milliseconds=1, most=1)


def test_no_collection_for_ever() -> None:
    """Asterisk takes a negative time as for ever; we never ask that."""
    with pytest.raises(LocalProtocolError):
        commands.get_data("x", milliseconds=-1, most=10)
    with pytest.raises(LocalProtocolError):
        commands.read("X", ["x"], milliseconds=100, most=0)


def pyst2(replies: str) -> AGI:
    """pyst2's own AGI over text, without the signal handler that it would install."""
    before = signal.getsignal(signal.SIGHUP)
    try:
        return AGI(
            stdin=io.StringIO(ENVIRONMENT.decode() + replies),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def test_pyst2_reads_as_we_do() -> None:
    """An older library, where it is sound, reads the same call in the same words."""
    oracle = pyst2("200 result=0 (timeout) endpos=160\n510 Invalid or unknown command\n")
    began = FastAgi().receive_bytes(ENVIRONMENT)[0]
    assert isinstance(began, CallBegan)
    assert oracle.env == began.environment.values
    theirs = oracle.execute("NOOP")
    ours = reply_to(NOOP, b"200 result=0 (timeout) endpos=160\n")
    assert ours == [
        Replied(200, theirs["result"][0], theirs["result"][1], int(theirs["endpos"][0]))
    ]
    with pytest.raises(AGIError):
        oracle.execute("FOO")


def test_pyst2_sends_as_we_do() -> None:
    """An older library sends the same line for an ordinary value, quotes around it or not."""
    oracle = pyst2("200 result=1\n200 result=1234\n")
    oracle.set_variable("A", "two words")
    oracle.get_data("p1", 3000, 10)
    theirs = [shlex.split(line) for line in oracle.stdout.getvalue().splitlines()]
    ours = [
        shlex.split(sent.line.decode())
        for sent in (
            commands.set_variable("A", "two words"),
            commands.get_data("p1", milliseconds=3000, most=10),
        )
    ]
    assert theirs == ours


def test_pyst2_names() -> None:
    """A script that catches pyst2's exceptions catches ours."""
    with pytest.raises(AGIHangup), spoken():
        raise Hangup
    with pytest.raises(AGIError), spoken():
        raise MissingPrompt(("x",))


def test_environment_by_name() -> None:
    """A caller's number is found by its name, without Asterisk's prefix."""
    assert Environment({"agi_callerid": "1"})["callerid"] == "1"
