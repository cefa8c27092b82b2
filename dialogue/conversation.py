"""
One conversation, with the look-ups that it needs.

Whatever was dialled beyond the service code is fed in as if typed one by one, up to the first
screen that needs more, the first wrong answer or the end.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from dialogue.advance import advance, leave
from dialogue.lookups import LOOKUPS, Inquiries
from dialogue.preferences import Preferences
from dialogue.state import EXPIRED, State
from dialogue.steps import Input, Looked, LookUp, OutOfTime, Show, Silent, Start, Typed
from dialogue.tree import Tree
from eligibility.answer import Answer, Asker
from telecom.channel import Channel


class Conversation:
    """A person's way through the tree on one channel.

    `state` is where it stands after each call: keep it, and hand it back for the next answer.
    `answer` is what the last inquiry of this object came to, where it has a tracking code.
    `turn_seconds` bounds a whole turn, look-ups included; what is late ends in exits.busy. `clock`
    gives the time of day in seconds; without one the length of a conversation is not limited.
    `preferences`, if given, say which language begins, and learn of another that is chosen.
    """

    def __init__(
        self,
        tree: Tree,
        inquirer: Inquiries,
        asker: Asker,
        channel: Channel,
        *,
        turn_seconds: float,
        state: State = EXPIRED,
        clock: Callable[[], float] = float,
        preferences: Preferences | None = None,
    ) -> None:
        self.state = state
        self._tree = tree.on(channel)
        self._clock = clock
        self._inquirer = inquirer
        self._asker = asker
        self._channel = channel
        self._turn_seconds = turn_seconds
        self._preferences = preferences
        self._chosen = ""
        self.answer: Answer | None = None

    async def refuse(self, exit_: str, *, language: str | None = None) -> Show:
        """End before the beginning, at one of the tree's exits; in the language as `start`."""
        spoken = await self._first_language(language) or ""
        self.state = replace(EXPIRED, language=spoken)
        return self.leave(exit_)

    async def start(
        self, entry: str, inputs: Sequence[str] = (), *, language: str | None = None
    ) -> Show:
        """Begin at a service code of the tree, with what was dialled after it.

        In the language that the person chose last, else in `language`, else in the tree's first.
        """
        language = await self._first_language(language)
        now = self._clock()
        typed = (Typed(text, now) for text in inputs)
        return await self._turn(Start(entry, language, now), *typed)

    async def reply(self, text: str) -> Show:
        """Go on with what the person typed."""
        return await self._turn(Typed(text, self._clock()))

    async def silence(self) -> Show:
        """Go on where the person typed nothing in time."""
        return await self._turn(Silent(self._clock()))

    def leave(self, exit_: str) -> Show:
        """End at one of the tree's exits."""
        self.state, show = leave(self._tree, self.state, exit_)
        return show

    async def _first_language(self, language: str | None) -> str | None:
        if self._preferences is None:
            return language
        return await self._preferences.language(self._asker) or language

    async def _turn(self, first: Input, *more: Input) -> Show:
        show = await self._in_time(first, *more)
        if self._chosen and self._preferences is not None:
            chosen, self._chosen = self._chosen, ""
            await self._preferences.choose(self._asker, chosen)
        return show

    async def _in_time(self, first: Input, *more: Input) -> Show:
        try:
            async with asyncio.timeout(self._turn_seconds):
                show = await self._feed(first)
                for given in more:
                    if show.last or show.wrong:
                        break
                    show = await self._feed(given)
                return show
        except TimeoutError:
            self.state, step = advance(self._tree, self.state, OutOfTime())
            assert isinstance(step, Show)
            return step

    async def _feed(self, given: Input) -> Show:
        before = self.state.language
        self.state, step = advance(self._tree, self.state, given)
        if isinstance(given, Typed) and self._tree.speaks(before):
            self._chosen = self.state.language if self.state.language != before else self._chosen
        while isinstance(step, LookUp):
            perform = LOOKUPS[step.what].perform
            result = await perform(self._inquirer, self._asker, self._channel, step)
            if isinstance(result, Answer) and result.tracking_code is not None:
                self.answer = result
            self.state, step = advance(self._tree, self.state, Looked(result))
        return step
