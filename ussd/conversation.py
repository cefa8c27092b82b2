"""
USSD turns: a request in, the next screen out, whatever network brought it.

A network may send a request twice, or two at once; the same request gets the same answer, and
the dialogue moves once. Where the sessions cannot be reached, a dialogue that needs none is
answered all the same, and everybody else is told to dial again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from dialogue.advance import leave
from dialogue.conversation import Conversation
from dialogue.lookups import Inquiries
from dialogue.phrases import read_as
from dialogue.preferences import Preferences
from dialogue.state import EXPIRED, State
from dialogue.steps import Show
from dialogue.version import Version, Versions
from eligibility.answer import Asker
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sessions import SessionStore
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from telecom.screen import USSD, Limit
from telecom.service_code import NotAServiceCode, TooMuchDialled, match, normalise_dialled
from ussd.rendering import prove_keys, render
from ussd.requests import Again, Begin, Dialogue, GoOn, Todo, TooLate, UssdRequest, UssdUnit
from ussd.sessions import Session, UssdReply, decode, encode

MOST_INPUTS = 16
"""Answers dialled at once beyond this are not menu answers any more."""

MOST_RACES = 4
"""Times that another request for the same session may be quicker before this one gives up."""

_AWAY = (Unavailable, ReplyError)


@dataclass(frozen=True, slots=True)
class UssdTimes:
    """In seconds: how long a session is kept, an ended one, and how long a turn may take."""

    session: float = 180.0
    ended: float = 30.0
    turn: float = 5.0


class Turned(StrEnum):
    """What became of a request, for those who count."""

    CONTINUED = "continued"
    ENDED = "ended"
    REPEATED = "repeated"
    EXPIRED = "expired"
    UNAVAILABLE = "unavailable"
    ABORTED = "aborted"
    """The network ended the dialogue."""
    REFUSED = "refused"
    """The network did not take our screen."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A session after a request, and what it comes from: the version's words, and the step."""

    session: Session
    version: Version
    show: Show | None = None


def _uncounted(_: Turned) -> None:
    """Count nothing."""


class UssdConversations:
    """All USSD sessions of a gateway. Each goes on with the version that it began on."""

    def __init__(
        self,
        versions: Versions[Version],
        inquirer: Inquiries,
        sessions: SessionStore,
        hashes: KeyedHash,
        *,
        times: UssdTimes,
        preferences: Preferences | None = None,
        language: str | None = None,
        turned: Callable[[Turned], None] = _uncounted,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._versions = versions
        self._inquirer = inquirer
        self._sessions = sessions
        self._hashes = hashes
        self._times = times
        self._preferences = preferences
        self._language = language
        self._turned = turned
        self._clock = clock

    async def turn(self, request: UssdRequest) -> UssdReply:
        """Answer a request. Raises nothing for a fault of ours or of Redis: it is told."""
        reply = await self._answer(request, self._times.session)
        assert reply is not None  # whoever sends everything each time is always answered
        return reply

    async def begin(
        self,
        dialogue: Dialogue,
        dialled: str,
        unit: int | None = None,
        *,
        gone: Callable[[], bool] = bool,
    ) -> UssdReply | None:
        """Answer what was dialled. Whatever dialogue the handset had is over.

        gone: whether the network has ended the dialogue by now; then it is not kept. None: it was
        over before the answer was ready, so nothing is to be sent. Raises nothing for a fault of
        ours or of Redis: it is told.
        """
        return await self._unit(UssdUnit(dialogue, True, dialled, unit, self._clock()), gone)

    async def go_on(
        self,
        dialogue: Dialogue,
        text: str,
        unit: int | None = None,
        *,
        gone: Callable[[], bool] = bool,
    ) -> UssdReply | None:
        """Answer one answer. As `begin`; without a session the person is told to dial again."""
        return await self._unit(UssdUnit(dialogue, False, text, unit, self._clock()), gone)

    async def abort(self, dialogue: Dialogue, turned: Turned = Turned.ABORTED) -> None:
        """Drop a dialogue: nothing will be sent. Another one of the handset's stays."""
        self._turned(turned)
        key = f"ussd:{dialogue.key(self._hashes)}"
        session_id = dialogue.kept_id(self._hashes)
        try:
            for _ in range(MOST_RACES):
                stored = await self._sessions.load(key)
                session = None if stored is None else decode(stored.blob)
                if stored is None or session is None or not session.belongs_to(session_id):
                    return
                # Over this very version alone: a new dialogue may have begun meanwhile.
                if await self._sessions.save(key, stored.version, b"", 0.001):
                    return
        except _AWAY:
            return  # it ends by its time

    def prove(self, limit: Limit) -> None:
        """Raises ValueError where every text could not be shown on such a screen."""
        prove_keys(self._versions.current.phrases, limit)

    def busy(self, limit: Limit = USSD) -> UssdReply:
        """The last word where there is no room for one turn more."""
        exits = self._versions.current.tree.exits
        return self._exit(EXPIRED, exits.busy, Turned.UNAVAILABLE, limit)

    def unavailable(self, limit: Limit = USSD) -> UssdReply:
        """The last word where a turn cannot even begin."""
        exits = self._versions.current.tree.exits
        return self._exit(EXPIRED, exits.unavailable, Turned.UNAVAILABLE, limit)

    async def _unit(self, unit: UssdUnit, gone: Callable[[], bool]) -> UssdReply | None:
        return await self._answer(unit, unit.dialogue.session_ttl or self._times.session, gone)

    async def _answer(
        self, request: UssdRequest | UssdUnit, ttl: float, gone: Callable[[], bool] = bool
    ) -> UssdReply | None:
        key = f"ussd:{request.key(self._hashes)}"
        for race in range(MOST_RACES):
            try:
                stored = await self._sessions.load(key)
            except _AWAY:
                if not request.whole:
                    return self.unavailable(request.limit)
                following = await self._following(request, request.todo(None, self._hashes))
                return self._unkept(following, request.limit)
            session = None
            if stored is not None:
                session = decode(stored.blob)
            if stored is not None and session is None and not request.opens:
                todo: Todo = TooLate(EXPIRED)
            else:
                todo = request.todo(session, self._hashes)
            match todo:
                case Again(session):
                    self._turned(Turned.REPEATED)
                    return session.reply
                case TooLate() if race and not request.whole:
                    # It was there when we began: the network has ended it meanwhile.
                    return None
                case TooLate(state):
                    expired = self._versions.current.tree.exits.expired
                    return self._exit(state, expired, Turned.EXPIRED, request.limit)
            try:
                following = await self._following(request, todo)
            except _AWAY:
                # What the conversation began on must be fetched, and cannot be now.
                return self.unavailable(request.limit)
            if gone():
                return None
            session = following.session
            version = stored.version if stored is not None else 0
            kept_for = self._times.ended if session.over else ttl
            try:
                if await self._sessions.save(key, version, encode(session), kept_for):
                    return self._counted(session)
            except _AWAY:
                return self._unkept(following, request.limit)
            # Another request for this session was quicker: see what it left.
        return self.busy(request.limit)

    async def _following(self, request: UssdRequest | UssdUnit, todo: Todo) -> _Turn:
        """The session after this request. Raises Unavailable or ReplyError."""
        if isinstance(todo, GoOn):
            return await self._go_on(todo, request.msisdn, request.limit)
        assert isinstance(todo, Begin)
        return await self._begin(todo, request.msisdn, request.limit)

    async def _begin(self, todo: Begin, msisdn: Msisdn, limit: Limit) -> _Turn:
        """A session from its first request: the code, and what was dialled after it."""
        version = self._versions.current
        conversation = self._conversation(version, msisdn, EXPIRED)
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
        else:
            show = await conversation.start(entry, inputs, language=self._language)
        notice = self._versions.notice()
        first = notice.text(show.language) if notice is not None else None
        screens = tuple(render(version.phrases, show, limit, first))
        return _Turn(Session(conversation.state, screens, show.last, todo.heard), version, show)

    async def _go_on(self, todo: GoOn, msisdn: Msisdn, limit: Limit) -> _Turn:
        """The session after an answer: another page, or what the dialogue says next."""
        session, heard = todo.session, todo.heard
        # A version that nobody knows any more: the one in service says that it is expired.
        version = await self._versions.of(session.state.tree) or self._versions.current
        spoken = session.state.language
        # Turning pages is no answer, and ends by the conversation's time alone.
        late = 0 < session.state.since < self._clock() - version.tree.seconds
        if version.tree.speaks(spoken) and len(session.pages) > 1 and not late:
            language = read_as(version.phrases, spoken)
            key = normalise_dialled(todo.typed).strip("#")
            if key == language.more_key and session.page < len(session.pages) - 1:
                return _Turn(session.turned(+1, heard), version)
            if key == language.back_key and session.page > 0:
                return _Turn(session.turned(-1, heard), version)
            if session.last:
                return _Turn(session.turned(0, heard), version)
        conversation = self._conversation(version, msisdn, session.state)
        show = await conversation.reply(todo.typed)
        screens = tuple(render(version.phrases, show, limit))
        return _Turn(Session(conversation.state, screens, show.last, heard), version, show)

    def _conversation(self, version: Version, msisdn: Msisdn, state: State) -> Conversation:
        asker = Asker(self._hashes.of("asker", msisdn.digits))
        return Conversation(
            version.tree,
            self._inquirer,
            asker,
            Channel.USSD,
            turn_seconds=self._times.turn,
            state=state,
            clock=self._clock,
            preferences=self._preferences,
        )

    def _unkept(self, following: _Turn, limit: Limit) -> UssdReply:
        """What to say where the session cannot be kept: its end, if it has come to it."""
        session, show = following.session, following.show
        if not session.over and show is not None and show.last:
            # Perhaps it is the notice alone that makes pages of it.
            screens = tuple(render(following.version.phrases, show, limit))
            session = replace(session, pages=screens)
        if session.over:
            return self._counted(session)
        unavailable = self._versions.current.tree.exits.unavailable
        return self._exit(session.state, unavailable, Turned.UNAVAILABLE, limit)

    def _counted(self, session: Session) -> UssdReply:
        self._turned(Turned.ENDED if session.over else Turned.CONTINUED)
        return session.reply

    def _exit(self, state: State, exit_: str, turned: Turned, limit: Limit) -> UssdReply:
        """Close the session with one of the tree's exits."""
        self._turned(turned)
        version = self._versions.current
        tree = version.tree.on(Channel.USSD)
        if not tree.speaks(state.language):
            asked = self._language or ""
            state = replace(state, language=asked if tree.speaks(asked) else tree.languages[0])
        _, show = leave(tree, state, exit_)
        return UssdReply(render(version.phrases, show, limit)[0], more=False)
