"""
What comes after a USSD request: the next session, from the one that was kept.

    Begin ─▶ from a service code and what was dialled after it; or the offer to resume
    GoOn  ─▶ another page, an answer to the offer, or what the dialogue says next

Nothing is written here: ussd/conversation.py keeps what comes, or not.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from dialogue.conversation import Conversation
from dialogue.lookups import Inquiries
from dialogue.phrases import read_as
from dialogue.preferences import Preferences
from dialogue.resume import ANEW, GO_ON
from dialogue.state import EXPIRED, State
from dialogue.steps import Show
from dialogue.version import Version, Versions
from eligibility.answer import Asker
from state.keyed_hash import KeyedHash
from telecom.channel import Channel
from telecom.screen import Limit
from telecom.service_code import NotAServiceCode, TooMuchDialled, match, normalise_dialled
from ussd.rendering import render
from ussd.requests import Begin, GoOn, UssdRequest, UssdUnit
from ussd.resuming import Resuming
from ussd.sessions import Heard, HeardUnit, Session, Told

Asking = UssdRequest | UssdUnit
"""Who asks, by what operator, and what their screen holds."""

MOST_INPUTS = 16
"""Answers dialled at once beyond this are not menu answers any more."""


class Turned(StrEnum):
    """What became of a request, for those who count."""

    CONTINUED = "continued"
    ENDED = "ended"
    OFFERED = "offered"
    """Cut off before, and asked whether to go on there."""
    RESUMED = "resumed"
    REPEATED = "repeated"
    EXPIRED = "expired"
    UNAVAILABLE = "unavailable"
    ABORTED = "aborted"
    """The network ended the dialogue."""
    REFUSED = "refused"
    """The network did not take our screen."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A session after a request, and what it comes from: the version's words, and the step.

    `told`: the answer that it ends with. `noticed`: a notice stands before the step. `turned`:
    what to count if not what it looks like. `anew`: what was cut off before is not wanted any more.
    """

    session: Session
    version: Version
    show: Show | None = None
    told: Told | None = None
    noticed: bool = False
    turned: Turned | None = None
    anew: bool = False


class Turning:
    """Sessions that follow sessions. Each goes on with the version that it began on.

    turn_seconds: how long a turn may take. clock: the time of day in seconds. Every method raises
    Unavailable or ReplyError where a session's own version must be fetched and cannot be.
    """

    def __init__(
        self,
        versions: Versions[Version],
        inquirer: Inquiries,
        hashes: KeyedHash,
        resuming: Resuming,
        *,
        turn_seconds: float,
        preferences: Preferences | None,
        language: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._versions = versions
        self._inquirer = inquirer
        self._hashes = hashes
        self._resuming = resuming
        self._turn_seconds = turn_seconds
        self._preferences = preferences
        self._language = language
        self._clock = clock

    async def begin(self, todo: Begin, request: Asking, *, anew: bool = False) -> Turn:
        """A session from its first request: the code, and what was dialled after it.

        anew: it is known that the person does not want to go on with another.
        """
        version = self._versions.current
        conversation = self._conversation(version, request, EXPIRED)
        entry, inputs = "", list[str]()
        try:
            if found := match(version.tree.entries, todo.dialled):
                entry, dialled = found
                typed = [part for part in normalise_dialled(todo.typed).split("*") if part]
                inputs = [*dialled, *(part.rstrip("#") for part in typed)]
        except TooMuchDialled:
            inputs = [""] * (MOST_INPUTS + 1)
        except NotAServiceCode:
            pass
        if len(inputs) > MOST_INPUTS:
            # The code is right, and none of it is to be answered as if the rest had not come.
            show = await conversation.refuse(version.tree.exits.turns, language=self._language)
        elif entry and not inputs and not anew:
            # Asked together, so that they travel together.
            show, offered = await asyncio.gather(
                conversation.start(entry, language=self._language),
                self._resuming.offered(request.msisdn, entry, request.limit),
            )
            if offered is not None:
                return self._offer(*offered, todo.heard, request.limit)
        else:
            show = await conversation.start(entry, inputs, language=self._language)
        screens, noticed = self._first_screens(version, show, request.limit)
        session = Session(conversation.state, screens, show.last, todo.heard, entry=entry)
        told = told_by(conversation, show)
        return Turn(session, version, show, told, noticed=noticed, anew=anew)

    def _first_screens(
        self, version: Version, show: Show, limit: Limit
    ) -> tuple[tuple[str, ...], bool]:
        """The pages of a session's first step, and whether a notice stands before it."""
        notice = self._versions.notice()
        first = notice.text(show.language) if notice is not None else None
        return tuple(render(version.phrases, show, limit, first)), first is not None

    def _offer(
        self, kept: Session, version: Version, show: Show, heard: Heard | HeardUnit, limit: Limit
    ) -> Turn:
        """A session that asks whether to go on with another."""
        screens, _ = self._first_screens(version, show, limit)
        state = replace(kept.state, screen=show.screen, tries=0, turns=0, answers=())
        session = Session(state, screens, False, heard, entry=kept.entry, offer=kept)
        return Turn(session, version, show, turned=Turned.OFFERED)

    async def _offer_answered(
        self, todo: GoOn, kept: Session, version: Version, request: Asking
    ) -> Turn:
        """The session after the offer: the one that was cut off, a new one, or the offer again."""
        session, heard = todo.session, todo.heard
        key = normalise_dialled(todo.typed).strip("#")
        if key == GO_ON and version.digest == kept.state.tree:
            # The time away was not the person's.
            state = kept.state
            state = replace(state, since=int(self._clock()) if state.since else 0)
            resumed = replace(kept, state=state, heard=heard)
            return Turn(resumed, version, turned=Turned.RESUMED)
        if key in (GO_ON, ANEW):
            begin = Begin(f"{session.entry}#", "", heard)
            return await self.begin(begin, request, anew=True)
        tries = session.state.tries + 1
        if tries >= version.tree.tries:
            conversation = self._conversation(version, request, session.state)
            show = conversation.leave(version.tree.exits.tries)
            screens = tuple(render(version.phrases, show, request.limit))
            return Turn(Session(conversation.state, screens, show.last, heard), version, show)
        again = replace(session, state=replace(session.state, tries=tries), heard=heard, page=0)
        return Turn(again, version, turned=Turned.OFFERED)

    async def go_on(self, todo: GoOn, request: Asking) -> Turn:
        """The session after an answer: another page, or what the dialogue says next."""
        session, heard = todo.session, todo.heard
        # A version that nobody knows any more: the one in service says that it is expired.
        version = await self._versions.of(session.state.tree) or self._versions.current
        spoken = session.state.language
        # Turning pages is no answer, and ends by the conversation's time alone. The time before an
        # offer was not the person's.
        since = 0 if session.offer is not None else session.state.since
        late = 0 < since < self._clock() - version.tree.seconds
        if version.tree.speaks(spoken) and len(session.pages) > 1 and not late:
            language = read_as(version.phrases, spoken)
            key = normalise_dialled(todo.typed).strip("#")
            if key == language.more_key and session.page < len(session.pages) - 1:
                return Turn(session.turned(+1, heard), version)
            if key == language.back_key and session.page > 0:
                return Turn(session.turned(-1, heard), version)
            if session.last:
                return Turn(session.turned(0, heard), version)
        if session.offer is not None:
            return await self._offer_answered(todo, session.offer, version, request)
        conversation = self._conversation(version, request, session.state)
        show = await conversation.reply(todo.typed)
        screens = tuple(render(version.phrases, show, request.limit))
        after = Session(conversation.state, screens, show.last, heard, entry=session.entry)
        return Turn(after, version, show, told_by(conversation, show))

    def _conversation(self, version: Version, request: Asking, state: State) -> Conversation:
        number = request.msisdn
        token = self._hashes.of("asker", number.digits)
        asker = Asker(token, contact=number, operator=request.operator)
        return Conversation(
            version.tree,
            self._inquirer,
            asker,
            Channel.USSD,
            turn_seconds=self._turn_seconds,
            state=state,
            clock=self._clock,
            preferences=self._preferences,
        )


def told_by(conversation: Conversation, show: Show) -> Told | None:
    """The answer with which a conversation ends, if it ends with one that has a tracking code."""
    answer = conversation.answer
    return Told(answer, show.language) if show.last and answer is not None else None
