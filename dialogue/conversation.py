"""
One conversation, with the look-ups that it needs.

Whatever was dialled beyond the service code is fed in as if typed one by one, up to the first
screen that needs more, the first wrong answer or the end.
"""

import asyncio
from collections.abc import Sequence

from dialogue.advance import advance, leave
from dialogue.state import EXPIRED, State
from dialogue.steps import Input, Looked, LookUp, OutOfTime, Show, Silent, Start, Typed
from dialogue.tree import Tree
from eligibility.answer import Asker, Inquirer
from telecom.channel import Channel


class Conversation:
    """A person's way through the tree on one channel.

    `state` is where it stands after each call: keep it, and hand it back for the next answer.
    `turn_seconds` bounds a whole turn, look-ups included; what is late ends in exits.busy.
    """

    def __init__(
        self,
        tree: Tree,
        inquirer: Inquirer,
        asker: Asker,
        channel: Channel,
        *,
        turn_seconds: float,
        state: State = EXPIRED,
    ) -> None:
        self.state = state
        self._tree = tree
        self._inquirer = inquirer
        self._asker = asker
        self._channel = channel
        self._turn_seconds = turn_seconds

    async def start(
        self, entry: str, inputs: Sequence[str] = (), *, language: str | None = None
    ) -> Show:
        """Begin at a service code of the tree, with what was dialled after it."""
        return await self._turn(Start(entry, language), *map(Typed, inputs))

    async def reply(self, text: str) -> Show:
        """Go on with what the person typed."""
        return await self._turn(Typed(text))

    async def silence(self) -> Show:
        """Go on where the person typed nothing in time."""
        return await self._turn(Silent())

    def leave(self, exit_: str) -> Show:
        """End at one of the tree's exits."""
        self.state, show = leave(self._tree, self.state, exit_)
        return show

    async def _turn(self, first: Input, *more: Input) -> Show:
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
        self.state, step = advance(self._tree, self.state, given)
        while isinstance(step, LookUp):
            result = await self._inquirer.inquire(step.national_id, self._asker, self._channel)
            self.state, step = advance(self._tree, self.state, Looked(result))
        return step
