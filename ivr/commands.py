r"""
AGI commands as lines of bytes.

    WORDS "first argument" 3000 "second \"quoted\" \\ argument"

Asterisk splits a line on blanks; double quotes group, a backslash escapes `"` and `\`, and
nothing escapes a line end: a CR or LF inside an argument would be a command of its own, so it
is refused (res/res_agi.c parse_args, agi_handle_command).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.errors import LocalProtocolError

LONGEST_LINE = 2047
"""Octets, line end included: AGI_BUF_LEN is 2048 up to Asterisk 22.0, with the closing NUL."""

MOST_WORDS = 127
"""MAX_ARGS less one."""

_WORDS = re.compile(r"[A-Z]+(?: [A-Z]+){0,3}")
_PROMPT = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+)*")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_ESCAPED = str.maketrans({'"': '\\"', "\\": "\\\\"})


@dataclass(frozen=True, slots=True)
class Command:
    """One command, ready to send. `line` may hold what a caller typed: it is not shown."""

    words: str
    line: bytes

    def __repr__(self) -> str:
        return f"Command({self.words})"


def command(words: str, *arguments: str | int) -> Command:
    """Build a command; `words` is its name ("GET DATA"). Raises LocalProtocolError."""
    # A line that begins with "failure" ends the AGI (agi_handle_command).
    if not _WORDS.fullmatch(words) or words.startswith("FAILURE"):
        raise LocalProtocolError("not the name of an AGI command")
    parts = [words, *(_argument(argument) for argument in arguments)]
    line = " ".join(parts).encode() + b"\n"
    if len(line) > LONGEST_LINE:
        raise LocalProtocolError(f"{words}: {len(line)} octets are more than Asterisk reads")
    if len(words.split()) + len(arguments) > MOST_WORDS:
        raise LocalProtocolError(f"{words}: more arguments than Asterisk reads")
    return Command(words, line)


def _argument(argument: str | int) -> str:
    if isinstance(argument, int):
        return str(argument)
    if any(character in argument for character in "\r\n\0"):
        raise LocalProtocolError("an argument holds a line end or a NUL")
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("an argument is not text") from None
    return f'"{argument.translate(_ESCAPED)}"'


def answer() -> Command:
    """Answer the call."""
    return command("ANSWER")


def channel_status() -> Command:
    """Ask for the state of the channel: 6 is up."""
    return command("CHANNEL STATUS")


def stream_file(prompt: str) -> Command:
    """Play one prompt to its end; digits do not stop it."""
    return command("STREAM FILE", _prompt(prompt), "")


def get_data(prompt: str | None, *, milliseconds: int, most: int) -> Command:
    """Play one prompt (None: silence) and collect up to `most` digits; `#` ends.

    The time is for each digit, and runs from the end of the prompt. Zero would mean Asterisk's
    own times and less for ever, so both are refused.
    """
    if milliseconds <= 0 or most <= 0:
        raise LocalProtocolError("a collection without an end")
    return command("GET DATA", _prompt(prompt) if prompt else "", milliseconds, most)


def playback(prompts: Sequence[str]) -> Command:
    """Play several prompts one after another; digits do not stop them."""
    return command("EXEC", "Playback", "&".join(_prompt(name) for name in prompts))


def read(variable: str, prompts: Sequence[str], *, milliseconds: int, most: int) -> Command:
    """Play several prompts and collect digits into a channel variable; the first digit stops
    the prompts."""
    if milliseconds <= 0 or most <= 0:
        raise LocalProtocolError("a collection without an end")
    names = "&".join(_prompt(name) for name in prompts)
    # EXEC hands over its second word alone: the whole list of arguments is that word.
    arguments = f"{_variable(variable)},{names},{most},,1,{milliseconds / 1000:g}"
    return command("EXEC", "Read", arguments)


def get_variable(name: str) -> Command:
    """Ask for a channel variable."""
    return command("GET VARIABLE", _variable(name))


def set_variable(name: str, value: str) -> Command:
    """Set a channel variable, for the dialplan to read."""
    return command("SET VARIABLE", _variable(name), value)


def _prompt(name: str) -> str:
    # `&` and `,` would be read by the application, `..` would leave the sounds folder.
    if not _PROMPT.fullmatch(name):
        raise LocalProtocolError("not the name of a prompt")
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise LocalProtocolError("not the name of a channel variable")
    return name
