"""
What each AGI command does on a channel, and Asterisk's very words of reply (res_agi.c; observed on
20.20.1). Applications that EXEC may run are in carrier/applications.py.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrier import applications
from carrier.agi_words import words
from carrier.listening import SAMPLES, How, Listening

if TYPE_CHECKING:
    from carrier.channel import Channel

KEYS = "0123456789*#ABCD"
_UNKNOWN = "510 Invalid or unknown command"
_DEAD = "511 Command Not Permitted on a dead channel or intercept routine"
_USAGE = "520-Invalid command syntax.  Proper usage follows:"
_USAGE_END = "520 End of proper usage."
_NO_USAGE = "520 Invalid command syntax.  Proper usage not available."
_STREAM_FILE_USAGE = """\
Send the given file, allowing playback to be interrupted by the given digits, if any.
It sets the following channel variables upon completion:
<variable>PLAYBACKSTATUS</variable>: The status of the playback attempt as a text string.
    <value>SUCCESS</value>
    <value>FAILED</value>"""
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_LONGEST_COLLECTION = 1024
_FIRST, _BETWEEN = 6.0, 2.0
"""What GET DATA waits where it was told nothing."""


class _BadArguments(ValueError):
    """A word that should have been a number."""


def run(channel: "Channel", line: str, now: float) -> None:
    """Do one command line."""
    if line[:7].lower() == "failure":
        channel.close()
        return
    said = words(line)
    for length in (3, 2, 1):
        found = _COMMANDS.get(" ".join(said[:length]).upper()) if len(said) >= length else None
        if found is not None:
            _do(channel, found, said[length:], now)
            return
    channel.reply(_UNKNOWN)


def _do(channel: "Channel", known: "_Known", arguments: list[str], now: float) -> None:
    if channel.gone and not known.dead:
        channel.reply(_DEAD)
        return
    if len(arguments) >= known.least:
        try:
            known.do(channel, arguments, now)
        except _BadArguments:
            pass
        else:
            return
    if known.usage:
        channel.reply("\n".join((_USAGE, known.usage, _USAGE_END)))
    else:
        channel.reply(_NO_USAGE)


def _number(arguments: list[str], at: int, default: int) -> int:
    if len(arguments) <= at:
        return default
    try:
        return int(arguments[at])
    except ValueError:
        raise _BadArguments from None


def _result(value: object) -> str:
    return f"200 result={value}"


# What only replies


def _noop(channel: "Channel", _: list[str], __: float) -> None:
    channel.reply(_result(0))


def _done(channel: "Channel", _: list[str], __: float) -> None:
    channel.reply(_result(1))


def _answer(channel: "Channel", _: list[str], __: float) -> None:
    channel.answer()
    channel.reply(_result(0))


def _channel_status(channel: "Channel", _: list[str], __: float) -> None:
    channel.reply(_result(channel.status))


def _hangup(channel: "Channel", _: list[str], now: float) -> None:
    channel.reply(_result(1))
    channel.hang_up_now(now)


def _get_variable(channel: "Channel", arguments: list[str], _: float) -> None:
    value = _value(channel, arguments[0])
    channel.reply(_result(0) if value is None else f"{_result(1)} ({value})")


def _get_full_variable(channel: "Channel", arguments: list[str], _: float) -> None:
    value = _VARIABLE.sub(lambda found: _value(channel, found[1]) or "", arguments[0])
    channel.reply(f"{_result(1)} ({value})")


def _value(channel: "Channel", name: str) -> str | None:
    facts = channel.facts
    own = {
        "CHANNEL": facts.channel,
        "CHANNEL(language)": facts.language,
        "CALLERID(num)": facts.callerid,
        "EXTEN": facts.extension,
        "CONTEXT": facts.context,
        "UNIQUEID": facts.uniqueid,
    }
    return channel.variables.get(name, own.get(name))


def _set_variable(channel: "Channel", arguments: list[str], _: float) -> None:
    channel.variables[arguments[0]] = arguments[1]
    channel.reply(_result(1))


def _set_callerid(channel: "Channel", arguments: list[str], _: float) -> None:
    channel.variables["CALLERID(num)"] = arguments[0]
    channel.reply(_result(1))


def _database_get(channel: "Channel", arguments: list[str], _: float) -> None:
    value = channel.database.get("/".join(arguments[:2]))
    channel.reply(_result(0) if value is None else f"{_result(1)} ({value})")


def _database_put(channel: "Channel", arguments: list[str], _: float) -> None:
    channel.database["/".join(arguments[:2])] = arguments[2]
    channel.reply(_result(1))


def _database_del(channel: "Channel", arguments: list[str], _: float) -> None:
    found = channel.database.pop("/".join(arguments[:2]), None)
    channel.reply(_result(0 if found is None else 1))


# What plays and listens


def _stream_file(channel: "Channel", arguments: list[str], now: float) -> None:
    offset = _number(arguments, 2, 0)
    _stream(channel, arguments[0], arguments[1], offset, now, None)


def _get_option(channel: "Channel", arguments: list[str], now: float) -> None:
    waits = _number(arguments, 2, 5000) / 1000
    _stream(channel, arguments[0], arguments[1], 0, now, waits)


def _stream(
    channel: "Channel", name: str, stops: str, offset: int, now: float, waits: float | None
) -> None:
    seconds = channel.sounds(name)
    if seconds is None:
        channel.variables["PLAYBACKSTATUS"] = "FAILED"
        channel.reply("200 result=-1 endpos=0")
        return
    end = round(seconds * SAMPLES)

    def ended(listening: Listening, how: How, at: float) -> None:
        channel.variables["PLAYBACKSTATUS"] = "SUCCESS"
        result = {How.DIGIT: _ord(listening), How.HANGUP: -1}.get(how, 0)
        position = min(end, offset + listening.samples(at))
        channel.reply(f"{_result(result)} endpos={position}")

    left = max(0.0, seconds - offset / SAMPLES)
    channel.listen(
        Listening(
            [(name, left)],
            ended,
            stops=stops,
            first=waits,
            waits=waits is not None,
            watched=True,
        ),
        now,
    )


def _get_data(channel: "Channel", arguments: list[str], now: float) -> None:
    name = arguments[0]
    milliseconds = _number(arguments, 1, 0)
    most = _number(arguments, 2, _LONGEST_COLLECTION)
    first: float | None = milliseconds / 1000
    between = first
    if milliseconds == 0:
        first, between = _FIRST, _BETWEEN
    elif milliseconds < 0:
        first = between = None
    seconds = channel.sounds(name) if name else 0.0
    if seconds is None:
        channel.reply(_result(-1))
        return

    def ended(listening: Listening, how: How, _: float) -> None:
        if how is How.HANGUP:
            channel.reply(_result(-1))
        elif how is How.TIMEOUT:
            channel.reply(f"{_result(listening.digits)} (timeout)")
        else:
            channel.reply(_result(listening.digits))

    prompts = [(name, seconds)] if name else []
    channel.listen(
        Listening(
            prompts,
            ended,
            most=max(1, most),
            first=first,
            between=between,
            waits=True,
            watched=True,
        ),
        now,
    )


def _wait_for_digit(channel: "Channel", arguments: list[str], now: float) -> None:
    milliseconds = _number(arguments, 0, 0)

    def ended(listening: Listening, how: How, _: float) -> None:
        result = {How.DIGIT: _ord(listening), How.HANGUP: -1}.get(how, 0)
        channel.reply(_result(result))

    channel.listen(
        Listening(
            [],
            ended,
            stops=KEYS,
            first=None if milliseconds < 0 else milliseconds / 1000,
            waits=True,
            watched=True,
            interrupted=_result(1),
        ),
        now,
    )


def _say_number(channel: "Channel", arguments: list[str], now: float) -> None:
    # Persian numbers it can't say: it takes the English words, under the Persian folder.
    number = _number(arguments, 0, 0)
    tens = [f"digits/{number // 10 * 10}"] if number > 20 else []
    ones = [f"digits/{number % 10 if number > 20 else number}"] if number % 10 or not tens else []
    _say(channel, tens + ones, arguments[1], now)


def _say_digits(channel: "Channel", arguments: list[str], now: float) -> None:
    _say(channel, [f"digits/{digit}" for digit in arguments[0]], arguments[1], now)


def _say(channel: "Channel", names: list[str], stops: str, now: float) -> None:
    def ended(listening: Listening, how: How, _: float) -> None:
        result = {How.DIGIT: _ord(listening), How.HANGUP: -1}.get(how, 0)
        channel.reply(_result(result))

    prompts = [(name, seconds) for name in names if (seconds := channel.sounds(name)) is not None]
    channel.listen(Listening(prompts, ended, stops=stops), now)


def _exec(channel: "Channel", arguments: list[str], now: float) -> None:
    # EXEC hands over its second word alone.
    given = arguments[1] if len(arguments) > 1 else ""
    applications.run(channel, arguments[0], given, now)


def _ord(listening: Listening) -> int:
    return ord(listening.digits) if listening.digits else 0


@dataclass(frozen=True, slots=True)
class _Known:
    do: Callable[["Channel", list[str], float], None]
    least: int = 0
    """Arguments."""
    dead: bool = False
    """Whether it works after a hang-up."""
    usage: str = ""


_COMMANDS = {
    "ANSWER": _Known(_answer),
    "ASYNCAGI BREAK": _Known(_noop, dead=True),
    "CHANNEL STATUS": _Known(_channel_status),
    "DATABASE DEL": _Known(_database_del, 2, dead=True),
    "DATABASE GET": _Known(_database_get, 2, dead=True),
    "DATABASE PUT": _Known(_database_put, 3, dead=True),
    "EXEC": _Known(_exec, 1, dead=True),
    "GET DATA": _Known(_get_data, 1),
    "GET FULL VARIABLE": _Known(_get_full_variable, 1, dead=True),
    "GET OPTION": _Known(_get_option, 2),
    "GET VARIABLE": _Known(_get_variable, 1, dead=True),
    "HANGUP": _Known(_hangup),
    "NOOP": _Known(_noop, dead=True),
    "SAY DIGITS": _Known(_say_digits, 2),
    "SAY NUMBER": _Known(_say_number, 2),
    "SET AUTOHANGUP": _Known(_noop, 1),
    "SET CALLERID": _Known(_set_callerid, 1),
    "SET CONTEXT": _Known(_noop, 1),
    "SET EXTENSION": _Known(_noop, 1),
    "SET PRIORITY": _Known(_noop, 1),
    "SET VARIABLE": _Known(_set_variable, 2, dead=True),
    "STREAM FILE": _Known(_stream_file, 2, usage=_STREAM_FILE_USAGE),
    "VERBOSE": _Known(_done, 1, dead=True),
    "WAIT FOR DIGIT": _Known(_wait_for_digit, 1),
}
