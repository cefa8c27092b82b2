"""The Asterisk stand-in, held to what a real Asterisk did."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier.agi_words import CallFacts, words
from carrier.channel import Asked, Channel, Dialplan, Heard, Over, Waiting

TRACE = Path(__file__).parent / "data" / "fastagi_trace.txt"
LENGTHS = {"p1": 10801 / 8000, "p2": 10801 / 8000, "long": 20.0}
LENGTHS |= {f"digits/{n}": 0.6 for n in range(100)}

# What the caller of each recorded call did, and when; the trace has only what was seen of it.
TYPED = {
    "getdata": [(1.0 + 0.2 * n, digit) for n, digit in enumerate("0012345679")]
    + [(4.0, "1"), (5.259, "2"), (9.609, "#")],
    "barge": [(1.2, "5")],
    "exec": [(6.2, "7")] + [(7.0 + 0.2 * n, digit) for n, digit in enumerate("0012345679")],
    "hupdata": [(1.0, "1"), (1.2, "2")],
}
HUNG_UP = {
    "hupplay": 1.5,
    "hupdata": 2.102,
    "hupidle": 1.5,
    "huprace": 2.0,
    "nosig": 1.5,
    "exithup": 1.5,
}
DIALPLANS = {
    "nosig": Dialplan(answered=True, sighup=False),
    "exithup": Dialplan(answered=True, exit_on_hangup=True),
    "queue": Dialplan(answered=True, queues={"q1": "TIMEOUT", "q2": "JOINEMPTY"}),
}
NETWORK_LINES = 2
"""agi_network and agi_network_script, which the trace leaves out."""
ANSWERED = Dialplan(answered=True)
DEAD = "511 Command Not Permitted on a dead channel or intercept routine"
FACTS = CallFacts("agi://127.0.0.1:14573/x?lang=fa", "Local/x@ivr-00000000;2", "1795290509.1")


@dataclass(frozen=True)
class Recorded:
    """One call on record.

    sent: when, after how many lines of Asterisk's, what. said: those lines.
    """

    name: str
    sent: list[tuple[float, int, str]]
    said: list[str]
    ended: float


def recorded() -> Iterator[Recorded]:
    """Every call of the trace."""
    for section in TRACE.read_text(encoding="utf-8").split("\n== ")[1:]:
        name, *lines = section.splitlines()
        sent: list[tuple[float, int, str]] = []
        said: list[str] = []
        at = 0.0
        for line in lines:
            found = re.match(r" *([\d.]+) (?:([<>]) '(.*)'|--)", line)
            assert found or not line, line
            if not found:
                continue
            at = float(found[1])
            text = (found[3] or "").replace("\\\\", "\\")
            if found[2] == ">":
                sent.append((at, len(said), text))
            elif found[2] == "<":
                said.append(text)
        yield Recorded(name, sent, said, at)


def played_again(call: Recorded) -> list[str]:
    """What the stand-in says to the same commands at the same times."""
    head = call.said[: call.said.index("")]
    facts = dict(line.split(": ", 1) for line in head)
    channel = Channel(
        CallFacts(
            request=facts["agi_request"],
            channel=facts["agi_channel"],
            uniqueid=facts["agi_uniqueid"],
            callerid=facts["agi_callerid"],
            context=facts["agi_context"],
            extension=facts["agi_extension"],
            priority=int(facts["agi_priority"]),
            arguments=(facts["agi_arg_1"], facts["agi_arg_2"]),
        ),
        LENGTHS.get,
        DIALPLANS.get(call.name, ANSWERED),
    )
    acts = [(at, after, "send", line) for at, after, line in call.sent]
    acts += [(at, 0, "type", digit) for at, digit in TYPED.get(call.name, [])]
    acts += [(HUNG_UP[call.name], 0, "hang up", "")] if call.name in HUNG_UP else []
    raw = bytearray()
    now = 0.0

    def pass_time(until: float, lines: int = 0) -> None:
        # A command that was sent on a reply is sent on ours, a millisecond sooner or later.
        nonlocal now, raw
        raw += channel.bytes_to_send()
        while (at := channel.next_deadline()) is not None:
            if at > until and raw.count(b"\n") >= lines + NETWORK_LINES:
                break
            now = max(now, at)
            channel.tick(now)
            raw += channel.bytes_to_send()
        now = max(now, until)

    for at, after, act, what in sorted(acts):
        pass_time(at, after)
        match act:
            case "send":
                channel.receive_bytes(what.encode() + b"\n", now)
            case "type":
                channel.type(what, now)
            case "hang up" if any(isinstance(event, Over) for event in channel.hang_up(now)):
                break
    pass_time(call.ended, len(call.said))
    said: list[str] = raw.decode().split("\n")[:-1]
    return said


def like(line: str) -> str:
    """A line without what no two Asterisks, or no two playings, have in common."""
    line = re.sub(r"agi_threadid: \d+", "agi_threadid: N", line)
    # The usage text is cut in the record.
    line = re.sub(r"Send the given file, allowing playback to be inte.*", "Send", line)
    # A frame of sound is 20 ms: a digit or a hang-up is noticed at the end of one.
    return re.sub(r"endpos=(\d+)", lambda found: f"endpos={round(int(found[1]) / 320)}", line)


@pytest.mark.parametrize("call", list(recorded()), ids=lambda call: call.name)
def test_it_says_what_asterisk_said(call: Recorded) -> None:
    """To each recorded call's commands the stand-in replies as the real Asterisk did."""
    said = [like(line) for line in played_again(call)]
    assert said[0] == "agi_network: yes"
    assert said[1].startswith("agi_network_script: ")
    assert said[2:] == [like(line) for line in call.said]


# What the record has no example of


def channel(*, sounds: dict[str, float] | None = None, answered: bool = True) -> Channel:
    """A call whose environment was sent."""
    lengths = LENGTHS if sounds is None else sounds
    made = Channel(FACTS, lengths.get, Dialplan(answered=answered))
    made.bytes_to_send()
    return made


def said(of: Channel) -> list[str]:
    """The lines that it has to say now."""
    return of.bytes_to_send().decode().split("\n")[:-1]


def test_the_environment_of_a_call() -> None:
    """The gateway learns the line, the caller and the URL, in Asterisk's order and words."""
    lines = Channel(FACTS).bytes_to_send().decode().split("\n")
    assert lines[:3] == [
        "agi_network: yes",
        "agi_network_script: x?lang=fa",
        "agi_request: agi://127.0.0.1:14573/x?lang=fa",
    ]
    assert lines[-2:] == ["", ""]
    assert "agi_callerid: unknown" in lines
    assert "9121234567" not in repr(CallFacts("agi://h", "Local/x", "1.1", "09121234567"))


def test_typing_over_a_prompt_stops_it() -> None:
    """The first digit stops the prompts and counts; the others are waited for."""
    line = channel()
    assert line.receive_bytes(b'EXEC Read "ID,long&p1,3,,1,5"\n', 0.0) == [
        Asked(),
        Heard("long", asked=True),
    ]
    assert line.type("1", 2.0) == line.type("2", 3.0) == []
    assert line.next_deadline() == 8.0
    line.type("3", 7.9)
    assert said(line) == ["200 result=0"]
    assert line.variables["ID"] == "123"
    assert line.next_deadline() is None


def test_a_prompt_then_silence_then_time_out() -> None:
    """Its listener is told when the prompts are over, and that nobody typed."""
    line = channel()
    line.receive_bytes(b"GET DATA p1 2000 10\n", 0.0)
    assert line.tick(LENGTHS["p1"]) == [Waiting()]
    assert line.tick(LENGTHS["p1"] + 2.0) == []
    assert said(line) == ["200 result= (timeout)"]


def test_asterisk_s_own_times() -> None:
    """Told no time, GET DATA waits six seconds, and two more for each further digit."""
    line = channel()
    line.receive_bytes(b'GET DATA ""\n', 0.0)
    assert line.next_deadline() == 6.0
    line.type("*", 1.0)
    assert line.next_deadline() == 3.0
    line.tick(3.0)
    assert said(line) == ["200 result=* (timeout)"]
    line.receive_bytes(b'GET DATA "" -1 4\n', 4.0)
    assert line.next_deadline() is None


def test_keys_that_nobody_listens_to() -> None:
    """Over Playback, or between two commands, keys do nothing."""
    line = channel()
    assert line.type("5", 0.0) == []
    line.receive_bytes(b"EXEC Playback p1\nGET DATA p2 1000 1\n", 0.0)
    line.type("5", 1.0)
    assert not line.takes_digits
    assert said(line) == []
    assert line.tick(LENGTHS["p1"]) == [Asked(), Heard("p2", asked=True)]
    assert said(line) == ["200 result=0"]


def test_a_missing_prompt_and_a_last_one() -> None:
    """Read passes over a missing prompt, unless it is the last; GET DATA gives up at once."""
    line = channel()
    line.receive_bytes(b'EXEC Read "A,none&p1,1,,1,1"\n', 0.0)
    line.type("7", 0.1)
    line.receive_bytes(b'EXEC Read "B,p1&none,1,,1,1"\n', 1.0)
    line.tick(1.0 + LENGTHS["p1"])
    assert (line.variables["A"], line.variables["B"]) == ("7", "")
    assert line.variables["READSTATUS"] == "ERROR"
    line.receive_bytes(b"GET DATA none 1000 1\n", 5.0)
    assert said(line) == ["200 result=0", "200 result=0", "200 result=-1"]


def test_an_unanswered_call() -> None:
    """A call rings until it is answered, by ANSWER or by the first prompt of an application."""
    for command in (b"ANSWER\n", b"EXEC Playback p1\n", b'EXEC Read "A,p1,1"\n'):
        line = channel(answered=False)
        line.receive_bytes(b"CHANNEL STATUS\n", 0.0)
        line.receive_bytes(command, 0.0)
        line.hang_up(0.5)
        line.tick(9.0)
        assert said(line)[0] == "200 result=4"
        assert line.status == 6


def test_a_hang_up_while_read_collects() -> None:
    """Read ends with HANGUP in its status; the HANGUP line comes a moment later."""
    line = channel()
    line.receive_bytes(b'EXEC Read "A,p1,4,,1,5"\n', 0.0)
    line.hang_up(1.0)
    assert said(line) == ["200 result=0"]
    assert line.variables["READSTATUS"] == "HANGUP"
    assert line.hang_up(1.01) == []
    line.receive_bytes(b"NOOP\n", 1.02)
    assert said(line) == ["HANGUP", "200 result=0"]
    assert line.next_deadline() is None


def test_the_gateway_hangs_up() -> None:
    """HANGUP is acknowledged, then told as any other."""
    line = channel()
    line.receive_bytes(b"HANGUP\nHANGUP\n", 0.0)
    assert said(line) == ["200 result=1", "HANGUP", DEAD]


def test_the_dialplan_s_database_and_variables() -> None:
    """What is put is got, and a variable in braces is put in its place."""
    line = channel()
    line.receive_bytes(b"DATABASE PUT f k v\nDATABASE GET f k\nDATABASE DEL f k\n", 0.0)
    line.receive_bytes(b'DATABASE GET f k\nSET VARIABLE A "(b)"\n', 0.0)
    line.receive_bytes(b'GET VARIABLE A\nGET FULL VARIABLE "${A}${B}"\n', 0.0)
    assert said(line) == [
        "200 result=1",
        "200 result=1 (v)",
        "200 result=1",
        "200 result=0",
        "200 result=1",
        "200 result=1 ((b))",
        "200 result=1 ((b))",
    ]


def test_failure_ends_it() -> None:
    """A line that begins with "failure" ends the AGI, whatever follows."""
    assert channel().receive_bytes(b"FAILUREs happen\n", 0.0) == [Over()]


def test_a_line_without_an_end() -> None:
    """A line over 2047 octets is read as two; a flood of them behind a prompt ends the call."""
    line = channel()
    line.receive_bytes(b"x" * 3000 + b"\n", 0.0)
    assert said(line) == ["510 Invalid or unknown command"] * 2
    line.receive_bytes(b"EXEC Playback long\n", 0.0)
    assert Over() in line.receive_bytes(b"NOOP\n" * 100_000, 0.0)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("GET DATA  a\tb", ["GET", "DATA", "a", "b"]),
        (r'SET VARIABLE A "x \"y\" \\z"', ["SET", "VARIABLE", "A", r'x "y" \z']),
        ('STREAM FILE a ""', ["STREAM", "FILE", "a", ""]),
        (r"a\ b", ["a b"]),
        ('one"two three"four', ["onetwo threefour"]),
        ('"open', ["open"]),
        ("", []),
    ],
)
def test_words(line: str, parts: list[str]) -> None:
    """A command line falls into words as Asterisk parts it."""
    assert words(line) == parts


COMMANDS = st.sampled_from(
    [
        b"ANSWER",
        b"NOOP",
        b"HANGUP",
        b"GET DATA p1 1000 3",
        b"STREAM FILE p1 123",
        b"WAIT FOR DIGIT 500",
        b"EXEC Read A,p1&none,3,,2,1",
        b"EXEC Background p1&p2",
        b"EXEC Queue q1,,,,1",
        b"SAY NUMBER 21 5",
        b"GET OPTION p2 7 100",
        b"GET DATA p1 x",
        b'"',
    ]
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), COMMANDS.map(lambda line: line + b"\n")),
        st.tuples(st.just("send"), st.binary(max_size=60)),
        st.tuples(st.just("type"), st.sampled_from("0123456789*#").map(str.encode)),
        st.tuples(st.just("wait"), st.just(b"")),
        st.tuples(st.just("hang up"), st.just(b"")),
    ),
    max_size=30,
)


@given(ACTS)
def test_whatever_a_gateway_and_a_caller_do(acts: list[tuple[str, bytes]]) -> None:
    """Any commands, keys and hang-ups in any order: a line for a line, and time passes."""
    line = channel()
    now = 0.0
    for act, what in acts:
        now += 0.3
        match act:
            case "send":
                line.receive_bytes(what, now)
            case "type":
                line.type(what.decode(), now)
            case "wait" if (deadline := line.next_deadline()) is not None:
                now = max(now, deadline)
            case "hang up":
                line.hang_up(now)
        line.tick(now)
        deadline = line.next_deadline()
        assert deadline is None or deadline > now
        for each in said(line):
            assert re.match(r"200 result=|5[12]0|511|HANGUP|Send|It sets|<|    <", each)
