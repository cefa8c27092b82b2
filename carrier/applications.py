"""
The applications that EXEC runs here: Playback, Background, Read, Queue, Dial, Set, Wait, NoOp.

Each tells by a channel variable how it went; EXEC's own result says little. None of them notices
that a new command has come.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from carrier.listening import How, Listening

if TYPE_CHECKING:
    from carrier.channel import Channel

_KEYS = "0123456789*#"
_LONGEST_READ = 255
_READ_STATUS = {
    How.FULL: "OK",
    How.HASH: "OK",
    How.TIMEOUT: "TIMEOUT",
    How.HANGUP: "HANGUP",
    How.DONE: "ERROR",
}


def run(channel: "Channel", name: str, given: str, now: float) -> None:
    """Run an application by its name, whatever the case of its letters."""
    application = _APPLICATIONS.get(name.lower())
    if application is None:
        _result(channel, -2)
    else:
        application(channel, given, now)


def _result(channel: "Channel", value: int) -> None:
    channel.reply(f"200 result={value}")


def _prompts(channel: "Channel", names: str) -> tuple[list[tuple[str, float]], bool]:
    """Those that there are, since missing ones are passed over; and whether any was missing."""
    lengths = [(name, channel.sounds(name)) for name in names.split("&") if name]
    there = [(name, seconds) for name, seconds in lengths if seconds is not None]
    return there, len(there) < len(lengths)


def _playback(channel: "Channel", given: str, now: float) -> None:
    if channel.gone:
        _result(channel, -1)
        return
    channel.answer()
    prompts, missing = _prompts(channel, given.partition(",")[0])

    def ended(_: Listening, how: How, __: float) -> None:
        channel.variables["PLAYBACKSTATUS"] = "FAILED" if missing else "SUCCESS"
        _result(channel, -1 if how is How.HANGUP else 0)

    channel.listen(Listening(prompts, ended), now)


def _background(channel: "Channel", given: str, now: float) -> None:
    if channel.gone:
        _result(channel, -1)
        return
    channel.answer()
    prompts, missing = _prompts(channel, given.partition(",")[0])

    def ended(listening: Listening, how: How, _: float) -> None:
        channel.variables["BACKGROUNDSTATUS"] = "FAILED" if missing else "SUCCESS"
        digit = ord(listening.digits) if how is How.DIGIT else 0
        _result(channel, -1 if how is How.HANGUP else digit)

    channel.listen(Listening(prompts, ended, stops=_KEYS), now)


def _read(channel: "Channel", given: str, now: float) -> None:
    variable, names, most, _, attempts, seconds = [*given.split(","), *[""] * 5][:6]
    if not variable:
        _result(channel, -1)
        return
    if channel.gone:
        _read_ended(channel, variable, "", "HANGUP")
        return
    channel.answer()
    prompts, _missing = _prompts(channel, names)
    last = names.split("&")[-1]
    # Asterisk collects after the last prompt, and gives up where that is missing.
    waits = not last or channel.sounds(last) is not None
    first = _seconds(seconds)

    def ended(listening: Listening, how: How, _: float) -> None:
        _read_ended(channel, variable, listening.digits, _READ_STATUS[how])

    channel.listen(
        Listening(
            prompts,
            ended,
            most=_whole(most, _LONGEST_READ) or _LONGEST_READ,
            first=first or 6.0,
            between=first or 2.0,
            waits=waits,
            attempts=_whole(attempts, 1),
        ),
        now,
    )


def _read_ended(channel: "Channel", variable: str, digits: str, status: str) -> None:
    channel.variables[variable] = digits
    channel.variables["READSTATUS"] = status
    _result(channel, 0)


def _queue(channel: "Channel", given: str, now: float) -> None:
    name, *more = given.split(",")
    status = channel.dialplan.queues.get(name, "UNKNOWN")
    waits = _seconds(more[3]) if len(more) > 3 and status == "TIMEOUT" else 0.0

    def ended(_: Listening, how: How, __: float) -> None:
        # Who hung up while waiting leaves no status behind.
        channel.variables["QUEUESTATUS"] = "" if how is How.HANGUP else status
        _result(channel, -1 if how is How.HANGUP else 0)

    channel.listen(Listening([], ended, first=waits, waits=bool(waits)), now)


def _dial(channel: "Channel", _given: str, _now: float) -> None:
    channel.variables["DIALSTATUS"] = "BUSY"  # nobody else has a telephone here
    _result(channel, 0)


def _wait(channel: "Channel", given: str, now: float) -> None:
    def ended(_: Listening, how: How, __: float) -> None:
        _result(channel, -1 if how is How.HANGUP else 0)

    channel.listen(Listening([], ended, first=_seconds(given), waits=True), now)


def _set(channel: "Channel", given: str, _: float) -> None:
    name, _equals, value = given.partition("=")
    channel.variables[name] = value
    _result(channel, 0)


def _noop(channel: "Channel", _: str, __: float) -> None:
    _result(channel, 0)


def _answer(channel: "Channel", _: str, __: float) -> None:
    channel.answer()
    _result(channel, 0)


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() else default


def _seconds(text: str) -> float:
    try:
        return max(0.0, min(float(text), 3600.0))
    except ValueError:
        return 0.0


_APPLICATIONS: dict[str, Callable[["Channel", str, float], None]] = {
    "answer": _answer,
    "background": _background,
    "dial": _dial,
    "noop": _noop,
    "playback": _playback,
    "queue": _queue,
    "read": _read,
    "set": _set,
    "verbose": _noop,
    "wait": _wait,
}
