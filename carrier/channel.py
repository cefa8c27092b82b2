"""
An Asterisk channel in an AGI, without Asterisk: bytes in, bytes and events out.

No socket and no clock, like every protocol here. The replies are those that Asterisk 20.20.1
gave (tests/data/fastagi_trace.txt); what it does is in carrier/agi_commands.py.

While STREAM FILE, GET DATA or GET OPTION play, Asterisk watches the connection: new bytes stop
the command, and its reply never comes. WAIT FOR DIGIT replies 1. Nothing else notices; commands
then wait their turn. The HANGUP line comes up to 45 ms after the -1 of the command it ends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from carrier.agi_commands import run
from carrier.agi_words import CallFacts, environment
from carrier.listening import How, Listening

LONGEST_LINE = 2047
"""AGI_BUF_LEN less the NUL; what is longer is read as two lines."""
_HANGUP_DELAY = 0.041
_MOST_UNREAD = 256 * 1024
_RING, _UP = 4, 6


@dataclass(frozen=True, slots=True)
class Heard:
    """A prompt began to play. asked: while it plays, digits may be typed."""

    name: str = field(repr=False)
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A command began that takes digits; they may be typed over its prompts."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Its prompts are over, and it waits for digits."""


@dataclass(frozen=True, slots=True)
class Over:
    """Asterisk closes the connection: send what is left, then close."""


Event = Heard | Asked | Waiting | Over

Sounds = Callable[[str], float | None]
"""The length of a prompt in seconds; None where the file is missing."""


def silent(_: str) -> float:
    """Every prompt is there and takes no time."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Dialplan:
    """What the PBX has besides prompts. Queues by name with the QUEUESTATUS that they give."""

    queues: Mapping[str, str] = field(default_factory=dict)
    answered: bool = False
    """Whether the dialplan answered the call before the AGI."""
    sighup: bool = True
    """AGISIGHUP: whether a hang-up is told by a HANGUP line."""
    exit_on_hangup: bool = False
    """AGIEXITONHANGUP: whether the connection ends with the call."""


PLAIN = Dialplan()


class Channel:
    """One call. Feed it, then write `bytes_to_send`, and look at `next_deadline`."""

    def __init__(
        self, facts: CallFacts, sounds: Sounds = silent, dialplan: Dialplan = PLAIN
    ) -> None:
        self.facts = facts
        self.sounds = sounds
        self.dialplan = dialplan
        self.status = _UP if dialplan.answered else _RING
        self.gone = False
        """The caller hung up."""
        self.variables: dict[str, str] = {}
        self.database: dict[str, str] = {}
        self._unread = bytearray()
        self._out: list[str] = [environment(facts)]
        self._events: list[Event] = []
        self._doing: Listening | None = None
        self._hangup_at: float | None = None

    # For its owner

    @property
    def takes_digits(self) -> bool:
        """Whether a digit typed now makes a difference."""
        return self._doing is not None and self._doing.takes_digits

    @property
    def busy(self) -> bool:
        """Whether a command is at work."""
        return self._doing is not None

    def bytes_to_send(self) -> bytes:
        """What to write now; handed out once."""
        data = "".join(self._out).encode("utf-8", "surrogateescape")
        self._out.clear()
        return data

    def receive_bytes(self, data: bytes, now: float) -> list[Event]:
        """What the AGI server sent."""
        self._unread += data
        if len(self._unread) > _MOST_UNREAD:
            self._unread.clear()
            self._events.append(Over())
        elif self._doing is not None and self._doing.watched:
            self._interrupt(now)
        self._pump(now)
        return self._told()

    def type(self, digit: str, now: float) -> list[Event]:
        """The caller presses a key; nobody hears it if no command waits for digits."""
        if self._doing is not None:
            self._end(self._doing.type(digit, now), now)
            self._pump(now)
        return self._told()

    def hang_up(self, now: float) -> list[Event]:
        """The caller hangs up."""
        self.hang_up_now(now)
        return self.tick(now)

    def hang_up_now(self, now: float) -> None:
        """The call ends, by the caller's hand or by a command."""
        if self.gone:
            return
        self.gone = True
        at_work = self._doing is not None
        self._end(How.HANGUP if at_work else None, now)
        if self.dialplan.sighup:
            self._hangup_at = now + (_HANGUP_DELAY if at_work else 0.0)
        if self.dialplan.exit_on_hangup:
            self._out.append("HANGUP\nHANGUP\n")
            self._hangup_at = None
            self._events.append(Over())
        elif self._hangup_at == now:
            self._tell_hangup()

    def next_deadline(self) -> float | None:
        """When `tick` must be called."""
        doing = None if self._doing is None else self._doing.deadline
        if self._hangup_at is None or doing is None:
            return doing if self._hangup_at is None else self._hangup_at
        return min(self._hangup_at, doing)

    def tick(self, now: float) -> list[Event]:
        """Do what is due by now."""
        if self._hangup_at is not None and self._hangup_at <= now:
            self._tell_hangup()
        while (doing := self._doing) is not None:
            at = doing.deadline
            if at is None or at > now:
                break
            played = doing.playing
            self._end(doing.tick(at, self._heard), at)
            if played and self._doing is doing and not doing.playing and doing.takes_digits:
                self._events.append(Waiting())
            self._pump(at)
        return self._told()

    # For the commands

    def reply(self, line: str) -> None:
        """One line to the AGI server."""
        self._out.append(line + "\n")

    def close(self) -> None:
        """End the AGI from Asterisk's side."""
        self._events.append(Over())

    def answer(self) -> None:
        """The call is up, if it was not."""
        self.status = _UP

    def listen(self, listening: Listening, now: float) -> None:
        """Begin to play and to wait; the reply comes when it ends."""
        self._doing = listening
        if listening.takes_digits:
            self._events.append(Asked())
        how = listening.play(now, self._heard)
        if how is None and not listening.playing and listening.takes_digits:
            self._events.append(Waiting())
        self._end(how, now)

    # The parts

    def _pump(self, now: float) -> None:
        while self._doing is None and (line := self._line()) is not None:
            # A command that comes after an unread hang-up finds the HANGUP line first.
            if self._hangup_at is not None:
                self._tell_hangup()
            run(self, line, now)

    def _line(self) -> str | None:
        end = self._unread.find(b"\n", 0, LONGEST_LINE)
        if end < 0:
            if len(self._unread) < LONGEST_LINE:
                return None
            raw = bytes(self._unread[:LONGEST_LINE])
            del self._unread[:LONGEST_LINE]
        else:
            raw = bytes(self._unread[:end])
            del self._unread[: end + 1]
        return raw.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def _end(self, how: How | None, now: float) -> None:
        doing = self._doing
        if how is not None and doing is not None:
            self._doing = None
            doing.ended(doing, how, now)

    def _interrupt(self, now: float) -> None:
        doing, self._doing = self._doing, None
        if doing is not None and doing.interrupted:
            self.reply(doing.interrupted)

    def _tell_hangup(self) -> None:
        self._hangup_at = None
        self.reply("HANGUP")

    def _heard(self, name: str) -> None:
        self._events.append(Heard(name, self.takes_digits))

    def _told(self) -> list[Event]:
        told, self._events = self._events, []
        return told
