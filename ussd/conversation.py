"""
USSD turns: a request in, the next screen out, whatever network brought it.

A network may send a request twice, or two at once; the same request gets the same answer, and
the dialogue moves once. Where the sessions cannot be reached, a dialogue that needs none is
answered all the same, and everybody else is told to dial again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from dialogue.advance import leave
from dialogue.lookups import Inquiries
from dialogue.preferences import Preferences
from dialogue.state import EXPIRED, State
from dialogue.version import Version, Versions
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sessions import Beside, SessionStore
from telecom.channel import Channel
from telecom.screen import USSD, Limit
from ussd.rendering import prove_keys, render
from ussd.requests import Again, Begin, Dialogue, GoOn, Todo, TooLate, UssdRequest, UssdUnit
from ussd.resuming import Resuming, person_key
from ussd.sessions import Told, UssdReply, decode, encode
from ussd.turning import Turn, Turned, Turning

MOST_RACES = 4
"""Times that another request for the same session may be quicker before this one gives up."""

_AWAY = (Unavailable, ReplyError)


@dataclass(frozen=True, slots=True)
class UssdTimes:
    """In seconds: how long a session is kept, an ended one, and how long a turn may take.

    `resume`: for how long after a screen it is offered to go on there; 0: never.
    """

    session: float = 180.0
    ended: float = 30.0
    turn: float = 5.0
    resume: float = 0.0


def _uncounted(_: Turned) -> None:
    """Count nothing."""


def _nobody(_: Told) -> None:
    """Tell nobody."""


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
        self._sessions = sessions
        self._hashes = hashes
        self._times = times
        self._language = language
        self._turned = turned
        self._clock = clock
        self._resuming = Resuming(sessions, versions, hashes, times.resume)
        self._turning = Turning(
            versions,
            inquirer,
            hashes,
            self._resuming,
            turn_seconds=times.turn,
            preferences=preferences,
            language=language,
            clock=clock,
        )

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
        untold: Callable[[Told], object] = _nobody,
    ) -> UssdReply | None:
        """Answer what was dialled. Whatever dialogue the handset had is over.

        gone: whether the network has ended the dialogue by now; then it is not kept. None: it was
        over before the answer was ready, so nothing is to be sent; `untold` is given an answer
        that was found all the same. Raises nothing for a fault of ours or of Redis: it is told.
        """
        begun = UssdUnit(dialogue, True, dialled, unit, self._clock())
        return await self._unit(begun, gone, untold)

    async def go_on(
        self,
        dialogue: Dialogue,
        text: str,
        unit: int | None = None,
        *,
        gone: Callable[[], bool] = bool,
        untold: Callable[[Told], object] = _nobody,
    ) -> UssdReply | None:
        """Answer one answer. As `begin`; without a session the person is told to dial again."""
        typed = UssdUnit(dialogue, False, text, unit, self._clock())
        return await self._unit(typed, gone, untold)

    async def abort(self, dialogue: Dialogue, turned: Turned = Turned.ABORTED) -> None:
        """Drop a dialogue: nothing will be sent. Another one of the handset's stays."""
        self._turned(turned)
        key = f"{person_key(self._hashes, dialogue.msisdn)}:{dialogue.key(self._hashes)}"
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

    async def _unit(
        self, unit: UssdUnit, gone: Callable[[], bool], untold: Callable[[Told], object]
    ) -> UssdReply | None:
        ttl = unit.dialogue.session_ttl or self._times.session
        return await self._answer(unit, ttl, gone, untold)

    async def _answer(
        self,
        request: UssdRequest | UssdUnit,
        ttl: float,
        gone: Callable[[], bool] = bool,
        untold: Callable[[Told], object] = _nobody,
    ) -> UssdReply | None:
        told: Told | None = None
        key = f"{person_key(self._hashes, request.msisdn)}:{request.key(self._hashes)}"
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
                    if told is not None:
                        untold(told)
                    return None
                case TooLate(state):
                    expired = self._versions.current.tree.exits.expired
                    return self._exit(state, expired, Turned.EXPIRED, request.limit)
            try:
                following = await self._following(request, todo)
            except _AWAY:
                # What the conversation began on must be fetched, and cannot be now.
                return self.unavailable(request.limit)
            told = following.told
            if gone():
                if told is not None:
                    untold(told)
                return None
            session = following.session
            version = stored.version if stored is not None else 0
            kept_for = self._times.ended if session.over else ttl
            try:
                beside = self._beside(request, following)
                if await self._sessions.save(key, version, encode(session), kept_for, beside):
                    return self._counted(following)
            except _AWAY:
                return self._unkept(following, request.limit)
            # Another request for this session was quicker: see what it left.
        return self.busy(request.limit)

    def _beside(self, request: UssdRequest | UssdUnit, following: Turn) -> Beside | None:
        """What is kept of the session for who dials again."""
        if not self._resuming.serves(request.msisdn):
            return None
        if following.anew:
            return self._resuming.forgetting(request.msisdn)
        session, show = following.session, following.show
        if following.noticed and show is not None:
            # The notice may have ended by then.
            screens = tuple(render(following.version.phrases, show, request.limit))
            session = replace(session, pages=screens)
        return self._resuming.keeping(request.msisdn, session, following.version)

    async def _following(self, request: UssdRequest | UssdUnit, todo: Todo) -> Turn:
        """The session after this request. Raises Unavailable or ReplyError."""
        if isinstance(todo, GoOn):
            return await self._turning.go_on(todo, request)
        assert isinstance(todo, Begin)
        return await self._turning.begin(todo, request)

    def _unkept(self, following: Turn, limit: Limit) -> UssdReply:
        """What to say where the session cannot be kept: its end, if it has come to it."""
        session, show = following.session, following.show
        if not session.over and show is not None and show.last:
            # Perhaps it is the notice alone that makes pages of it.
            screens = tuple(render(following.version.phrases, show, limit))
            session = replace(session, pages=screens)
        if session.over:
            return self._counted(replace(following, session=session))
        unavailable = self._versions.current.tree.exits.unavailable
        return self._exit(session.state, unavailable, Turned.UNAVAILABLE, limit)

    def _counted(self, following: Turn) -> UssdReply:
        session = following.session
        looks = Turned.ENDED if session.over else Turned.CONTINUED
        self._turned(following.turned or looks)
        return replace(session.reply, told=following.told)

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
