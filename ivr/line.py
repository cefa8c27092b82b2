"""
A telephone line: one Asterisk channel that we may speak on and listen to.

Every method raises Hangup when the caller is gone and LineStuck when Asterisk says nothing.
Asterisk answers -1 alike for a hang-up and for a missing prompt; the HANGUP line, which comes
up to 50 ms later, or the state of the channel tells them apart.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from ivr import commands
from ivr.commands import Command
from ivr.errors import CommandRefused, Hangup, LineStuck, MissingPrompt, RemoteProtocolError
from ivr.fastagi import CallBegan, Environment, FastAgi, HungUp, Replied

UP = "6"
"""AST_STATE_UP, in the reply to CHANNEL STATUS."""

DIGITS = "DARGAH_DIGITS"
"""The channel variable that `Read` collects into."""

_TYPED = re.compile(r"[0-9*#A-D]*")


@dataclass(frozen=True, slots=True)
class Digits:
    """What the caller typed; `timed_out` where neither `#` nor the last digit ended it."""

    text: str = field(repr=False)
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class LineTimes:
    """In seconds. How long Asterisk may take, besides what it was told to wait for."""

    reply: float = 10.0
    prompts: float = 120.0
    hangup: float = 0.2
    """How long after a -1 the HANGUP line may still come; 46 ms is the longest seen."""


class Line:
    """One call. `write` takes the bytes for Asterisk; what comes back is fed by the server."""

    def __init__(self, write: Callable[[bytes], None], times: LineTimes | None = None) -> None:
        self._write = write
        self._times = times or LineTimes()
        self._agi = FastAgi()
        self._gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._began: asyncio.Future[Environment] = loop.create_future()
        self._reply: asyncio.Future[Replied] | None = None

    @property
    def hung_up(self) -> bool:
        """Whether the caller or the connection is gone."""
        return self._gone.is_set()

    def receive_bytes(self, data: bytes) -> None:
        """What Asterisk sent. Raises RemoteProtocolError."""
        for event in self._agi.receive_bytes(data):
            match event:
                case CallBegan():
                    if not self._began.done():
                        self._began.set_result(event.environment)
                case Replied():
                    if self._reply is not None and not self._reply.done():
                        self._reply.set_result(event)
                case HungUp():
                    self.lost()

    def lost(self) -> None:
        """The caller or the connection is gone."""
        self._gone.set()
        for waiting in (self._began, self._reply):
            if waiting is not None and not waiting.done():
                waiting.set_exception(Hangup())
                # Retrieved here, in case that nobody waits for it any more.
                waiting.exception()

    async def began(self) -> Environment:
        """Wait for the environment."""
        return await self._began

    async def answer(self) -> None:
        """Answer the call."""
        if (await self._send(commands.answer())).result != "0":
            raise Hangup

    async def play(self, prompts: Sequence[str]) -> None:
        """Play prompts to their end. Raises MissingPrompt if any was not there."""
        if not prompts:
            return
        if len(prompts) == 1:
            reply = await self._send(commands.stream_file(prompts[0]), self._times.prompts)
            if reply.result == "-1":
                await self._why(prompts)
            return
        await self._execute(commands.playback(prompts), self._times.prompts, prompts)
        if await self.variable("PLAYBACKSTATUS") == "FAILED":
            raise MissingPrompt(tuple(prompts))

    async def ask(self, prompts: Sequence[str], *, max_digits: int, seconds: float) -> Digits:
        """Play prompts and collect digits; the first digit stops the prompts, `#` ends.

        `seconds` is for each digit and runs from the end of the prompts. One
        missing prompt raises MissingPrompt; among several Asterisk passes over it in silence,
        unless it is the last.
        """
        milliseconds = round(seconds * 1000)
        limit = self._times.prompts + seconds * (max_digits + 1)
        if len(prompts) > 1:
            return await self._read(prompts, milliseconds, max_digits, limit)
        name = prompts[0] if prompts else None
        asked = commands.get_data(name, milliseconds=milliseconds, most=max_digits)
        reply = await self._send(asked, limit)
        if reply.result == "-1":
            await self._why(prompts)
        return Digits(_typed(reply.result), reply.text == "timeout")

    async def variable(self, name: str) -> str | None:
        """A channel variable, None if it is not set."""
        reply = await self._send(commands.get_variable(name))
        return reply.text if reply.result == "1" else None

    async def set_variable(self, name: str, value: str) -> None:
        """Leave a word for the dialplan."""
        await self._send(commands.set_variable(name, value))

    async def up(self) -> bool:
        """Whether the call is answered and not hung up."""
        try:
            return (await self._send(commands.channel_status())).result == UP
        except Hangup:
            return False

    async def _read(
        self, prompts: Sequence[str], milliseconds: int, most: int, limit: float
    ) -> Digits:
        asked = commands.read(DIGITS, prompts, milliseconds=milliseconds, most=most)
        await self._execute(asked, limit, prompts)
        status = await self.variable("READSTATUS")
        if status not in ("OK", "TIMEOUT"):
            await self._why(prompts)
        typed = _typed(await self.variable(DIGITS) or "")
        if typed:
            # What was typed may be somebody's ID; a channel's variables are shown and logged.
            await self.set_variable(DIGITS, "")
        return Digits(typed, status == "TIMEOUT")

    async def _execute(self, command: Command, limit: float, prompts: Sequence[str]) -> None:
        result = (await self._send(command, limit)).result
        if result == "-2":
            raise CommandRefused(f"{command.words}: the application is not loaded")
        if result.startswith("-"):
            await self._why(prompts)

    async def _why(self, prompts: Sequence[str]) -> NoReturn:
        """Tell a hang-up from a missing prompt."""
        try:
            async with asyncio.timeout(self._times.hangup):
                await self._gone.wait()
        except TimeoutError:
            if await self.up():
                raise MissingPrompt(tuple(prompts)) from None
        raise Hangup

    async def _send(self, command: Command, limit: float = 0.0) -> Replied:
        if self.hung_up:
            raise Hangup
        self._write(self._agi.send(command))
        self._reply = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit + self._times.reply):
                reply = await self._reply
        except TimeoutError:
            raise LineStuck(command.words) from None
        if reply.code == 511:
            raise Hangup
        if reply.code != 200:
            raise CommandRefused(f"{command.words}: {reply.code}")
        return reply


def _typed(text: str) -> str:
    if not _TYPED.fullmatch(text):
        raise RemoteProtocolError("digits that no telephone has")
    return text
