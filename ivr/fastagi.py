"""
FastAGI, the server's side: bytes in, events out. No socket, no clock.

Asterisk connects once for each call and writes its environment, lines of `agi_name: value`
ended by an empty one. Then we command and it replies:

    200 result=<value>[ (<text>)][ endpos=<samples>]
    510 Invalid or unknown command
    511 Command Not Permitted on a dead channel
    520-Invalid command syntax. ...  lines ...  520 End of proper usage.
    520 Invalid command syntax.  Proper usage not available.
    HANGUP                           at any time, and a second one at the end

One command is in flight, never more: a second would stop the first and its reply would never
come (res_agi.c watches the connection while it plays).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ivr.commands import Command
from ivr.errors import LocalProtocolError, RemoteProtocolError

ENVIRONMENT_OCTETS = 65_536
ENVIRONMENT_LINES = 128
"""Asterisk sends some 22 lines and one for each AGI() argument, of which it allows 127."""
LINE_OCTETS = 8_192
"""Asterisk's own line buffer since July 2025. A longer reply is no reply of ours to expect."""
USAGE_OCTETS = 65_536

_KEY = re.compile(r"[a-z0-9_]{1,64}")
_REPLY = re.compile(r"(\d{3})(?:[ -](.*))?", re.DOTALL)
_RESULT = re.compile(r"result=(\S*)(?: \((.*)\))?(?: endpos=(\d{1,18}))?\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Environment:
    """What Asterisk says about a call. It holds the caller's number: it is not shown."""

    values: Mapping[str, str] = field(repr=False)

    def __getitem__(self, name: str) -> str:
        """A value by its name without `agi_`; empty where Asterisk sent none."""
        return self.values.get(f"agi_{name}", "")


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The environment is complete; commands may be sent."""

    environment: Environment


@dataclass(frozen=True, slots=True)
class Replied:
    """The reply to the command in flight. `text` is what stood in brackets, None without any.

    Both may be what a caller typed: they are not shown.
    """

    code: int
    result: str = field(default="", repr=False)
    text: str | None = field(default=None, repr=False)
    endpos: int | None = None


@dataclass(frozen=True, slots=True)
class HungUp:
    """Asterisk said HANGUP. Comes once."""


Event = CallBegan | Replied | HungUp


class State(Enum):
    """Where the connection stands."""

    ENVIRONMENT = auto()
    IDLE = auto()
    WAITING = auto()
    BROKEN = auto()


class FastAgi:
    """One connection from Asterisk."""

    def __init__(self) -> None:
        self.state = State.ENVIRONMENT
        self.hung_up = False
        self._buffer = bytearray()
        self._environment: dict[str, str] = {}
        self._octets = 0
        self._in_usage = False
        self._usage_octets = 0
        self._in_flight: Command | None = None
        self._stray_usage = False

    def send(self, command: Command) -> bytes:
        """The bytes of a command. Raises LocalProtocolError where none may be sent now."""
        if self.state is not State.IDLE:
            raise LocalProtocolError(f"{command.words} while {self.state.name}")
        self.state, self._in_flight = State.WAITING, command
        return command.line

    def receive_bytes(self, data: bytes) -> list[Event]:
        """Read what came. Raises RemoteProtocolError, after which the connection is useless."""
        if self.state is State.BROKEN:
            return []
        self._buffer += data
        events: list[Event] = []
        try:
            while (end := self._buffer.find(b"\n")) >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if event := self._line(line):
                    events.append(event)
            if len(self._buffer) > LINE_OCTETS:
                raise RemoteProtocolError("a line without an end")
        except RemoteProtocolError:
            self.state = State.BROKEN
            self._buffer.clear()
            self._environment.clear()
            raise
        return events

    def _line(self, raw: bytes) -> Event | None:
        if len(raw) > LINE_OCTETS:
            raise RemoteProtocolError("a line too long")
        line = raw.removesuffix(b"\r").decode("utf-8", "replace")
        if self.state is State.ENVIRONMENT:
            self._octets += len(raw) + 1
            return self._environment_line(line)
        if self._in_usage:
            return self._usage_line(line, len(raw) + 1)
        if line == "HANGUP":
            if self.hung_up:
                return None
            self.hung_up = True
            return HungUp()
        return self._reply_line(line)

    def _environment_line(self, line: str) -> Event | None:
        if not line:
            if not self._environment:
                raise RemoteProtocolError("no environment")
            self.state = State.IDLE
            environment = Environment(self._environment)
            self._environment = {}
            return CallBegan(environment)
        if self._octets > ENVIRONMENT_OCTETS or len(self._environment) >= ENVIRONMENT_LINES:
            raise RemoteProtocolError("an environment too large")
        # Only the first colon parts them: an address or a name may hold more.
        key, colon, value = line.partition(":")
        if not colon or not _KEY.fullmatch(key):
            raise RemoteProtocolError("an environment line without a name")
        # Asterisk sends each name once. A second one was smuggled in by a line end in a value.
        if key in self._environment:
            raise RemoteProtocolError("an environment name given twice")
        self._environment[key] = value.strip()
        return None

    def _reply_line(self, line: str) -> Event | None:
        match = _REPLY.fullmatch(line)
        if match is None:
            raise RemoteProtocolError("neither a reply nor HANGUP")
        if line.startswith("520-"):
            self._in_usage, self._usage_octets = True, 0
            return None
        code, rest = int(match[1]), match[2] or ""
        if code == 520 and self._stray_usage:
            self._stray_usage = False
            return None
        if code != 200:
            return self._replied(Replied(code))
        result = _RESULT.fullmatch(rest)
        if result is None:
            raise RemoteProtocolError("a reply without a result")
        endpos = int(result[3]) if result[3] else None
        return self._replied(Replied(200, result[1], result[2], endpos))

    def _usage_line(self, line: str, octets: int) -> Event | None:
        self._usage_octets += octets
        if self._usage_octets > USAGE_OCTETS:
            raise RemoteProtocolError("usage without an end")
        if not line.startswith("520 "):
            return None
        self._in_usage = False
        if self._stray_usage:
            self._stray_usage = False
            return None
        return self._replied(Replied(520))

    def _replied(self, reply: Replied) -> Replied:
        if self.state is not State.WAITING or self._in_flight is None:
            raise RemoteProtocolError("a reply to nothing")
        # EXEC hands the application's own result to the code that reads 1 as "show the usage",
        # so a 520 block follows its 200, and may come when the next command is already out.
        executed = self._in_flight.words == "EXEC"
        self._stray_usage = executed and reply.code == 200 and reply.result == "1"
        self.state, self._in_flight = State.IDLE, None
        return reply
