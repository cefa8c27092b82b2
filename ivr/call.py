"""
One call, from answer to goodbye, on the tree that every channel shares.

An ID has 10 digits, a foreign national's 12. GET DATA has one time-out for all digits, and it
must leave a person time to find the card; so ten are collected first, and then a short while is
left for two more. Who types ten and `#`, or a twelve-digit code, waits for nothing; who types
ten alone waits two seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from dialogue.conversation import Conversation
from dialogue.lookups import Inquiries
from dialogue.notice import RECORDING
from dialogue.phrases import language_of_script
from dialogue.preferences import Preferences
from dialogue.steps import Show
from dialogue.tree import Menu, Message, Question
from dialogue.typed import most_digits
from dialogue.version import Versions
from eligibility.answer import Asker
from ivr.errors import MissingPrompt
from ivr.fastagi import Environment
from ivr.line import Line
from ivr.prompts import FOLDER, Prompts
from ivr.version import SpokenVersion
from state.keyed_hash import KeyedHash
from telecom.channel import Channel
from telecom.msisdn import Msisdn, NotAnMsisdn

RESULT = "DARGAH_RESULT"
"""The channel variable that tells the dialplan how the call went."""

DONE = "DONE"
OPERATOR = "OPERATOR"
"""The caller needs somebody to talk to: a hand-over, or the exit after too many wrong answers."""
FAILED = "FAILED"
"""A prompt was missing: nothing true could be said, or not all of it."""

ID_DIGITS, MORE_DIGITS = 10, 2

_RESTRICTED = 0x60
"""Bits of callingpres (ITU-T Q.951.3, Q.931 4.5.10): the caller withholds the number, or there is
none."""
_FAILED_SCREENING = 0x02
"""The lower two bits: the number was given by the caller's own equipment and proved wrong."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallTimes:
    """In seconds, but for `repeats`: how often a verdict may be heard again."""

    digit: float = 8.0
    more_digits: float = 2.0
    repeat: float = 4.0
    turn: float = 5.0
    repeats: int = 5


class Calls:
    """What is done with every call; give its `take` to the FastAGI server.

    `entry` is the service code of the tree at which calls begin. A call ends on the version of the
    dialogue on which it began. `recorded` says whether there is a recording of the notice in a
    language.
    """

    def __init__(
        self,
        versions: Versions[SpokenVersion],
        inquirer: Inquiries,
        hashes: KeyedHash,
        *,
        entry: str,
        times: CallTimes | None = None,
        preferences: Preferences | None = None,
        recorded: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._versions = versions
        self._inquirer = inquirer
        self._hashes = hashes
        self._entry = entry
        self._times = times or CallTimes()
        self._preferences = preferences
        self._recorded = recorded

    async def take(self, line: Line, environment: Environment) -> None:
        """One call. Raises Hangup and LineStuck; whatever it held is free then."""
        version = self._versions.current
        conversation = Conversation(
            version.tree,
            self._inquirer,
            self._asker(environment),
            Channel.VOICE,
            turn_seconds=self._times.turn,
            clock=time.time,
            preferences=self._preferences,
        )
        try:
            result = await self._call(line, conversation, version)
        except MissingPrompt:
            # Not which: among the names may be the digits of a code.
            _log.error(
                "prompt_missing",
                screen=conversation.state.screen,
                language=conversation.state.language,
            )
            result = FAILED
        await line.set_variable(RESULT, result)

    async def _call(self, line: Line, conversation: Conversation, version: SpokenVersion) -> str:
        said = Prompts(version.voices, version.phrases)
        await line.answer()
        screen = await conversation.start(self._entry)
        await self._notice(line, screen.language)
        while not screen.last:
            typed = await self._ask(line, screen, version, said)
            screen = await (conversation.reply(typed) if typed else conversation.silence())
        await line.play(said.screen(screen))
        if screen.hand_over or screen.screen == version.tree.exits.tries:
            return OPERATOR
        if "code" in screen.values:
            await self._repeat(line, screen, said)
        await line.play([said.own(screen.language, "goodbye")])
        return DONE

    async def _notice(self, line: Line, language: str) -> None:
        notice = self._versions.notice()
        language = language_of_script(language)  # a script is read, never heard
        if notice is None or language not in notice.spoken or not self._recorded(language):
            return
        try:
            await line.play([f"{FOLDER}/{language}/{RECORDING}"])
        except MissingPrompt:
            # Here, but not where Asterisk is. A call is worth more than its notice.
            _log.warning("notice_recording_missing", language=language)

    async def _ask(self, line: Line, screen: Show, version: SpokenVersion, said: Prompts) -> str:
        prompts = said.screen(screen)
        match version.tree.on(Channel.VOICE).screens[screen.screen]:
            case Menu(options=options):
                longest = max(len(option.key) for option in options)
                typed = await line.ask(prompts, max_digits=longest, seconds=self._times.digit)
                return typed.text
            case Message():
                await line.play(prompts)
                return ""
            case Question(ask=ask) as question if ask != "national_id":
                most = most_digits(question)
                typed = await line.ask(prompts, max_digits=most, seconds=self._times.digit)
                return typed.text
        typed = await line.ask(prompts, max_digits=ID_DIGITS, seconds=self._times.digit)
        if len(typed.text) < ID_DIGITS:
            return typed.text
        more = await line.ask((), max_digits=MORE_DIGITS, seconds=self._times.more_digits)
        return typed.text + more.text

    async def _repeat(self, line: Line, screen: Show, said: Prompts) -> None:
        offer = [said.own(screen.language, "repeat")]
        for _ in range(self._times.repeats):
            typed = await line.ask(offer, max_digits=1, seconds=self._times.repeat)
            if typed.text != "1":
                return
            await line.play(said.screen(screen))

    def _asker(self, environment: Environment) -> Asker:
        try:
            pres = int(environment["callingpres"] or 0)
            if not pres & _RESTRICTED and pres & 0x03 != _FAILED_SCREENING:
                number = Msisdn.parse(environment["callerid"])
                return Asker(self._hashes.of("asker", number.digits), contact=number)
        except (NotAnMsisdn, ValueError):
            pass
        return Asker(self._hashes.of("call", environment["uniqueid"]), known=False)
