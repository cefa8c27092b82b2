"""
USSD turns: a request in, the next screen out, whatever network brought it.

A network may send a request twice, or two at once; the same request gets the same answer, and
the dialogue moves once. Where the sessions cannot be reached, a dialogue that needs none is
answered all the same, and everybody else is told to dial again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from dialogue.advance import leave
from dialogue.conversation import Conversation
from dialogue.phrases import Phrases
from dialogue.state import EXPIRED, State
from dialogue.steps import Show
from dialogue.tree import Tree
from eligibility.answer import Asker, Inquirer
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sessions import SessionStore
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from telecom.service_code import NotAServiceCode, match, normalise_dialled
from ussd.rendering import render
from ussd.sessions import Heard, Session, UssdReply, decode, encode

MOST_INPUTS = 16
"""Answers dialled at once beyond this are not menu answers any more."""

MOST_RACES = 4
"""Times that another request for the same session may be quicker before this one gives up."""

_AWAY = (Unavailable, ReplyError)


@dataclass(frozen=True, slots=True)
class UssdRequest:
    """One request of a USSD network.

    `text` is everything typed in the session so far, joined with `*`. `service_code` is what was
    dialled: the code alone or the whole string. Either may hold an ID.
    """

    operator: str
    session_id: str = field(repr=False)
    msisdn: Msisdn
    service_code: str = field(repr=False)
    text: str = field(repr=False)


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


def _uncounted(_: Turned) -> None:
    """Count nothing."""


class UssdConversations:
    """All USSD sessions of a gateway."""

    def __init__(
        self,
        tree: Tree,
        phrases: Phrases,
        inquirer: Inquirer,
        sessions: SessionStore,
        hashes: KeyedHash,
        *,
        times: UssdTimes,
        language: str | None = None,
        turned: Callable[[Turned], None] = _uncounted,
    ) -> None:
        self._tree = tree
        self._phrases = phrases
        self._inquirer = inquirer
        self._sessions = sessions
        self._hashes = hashes
        self._times = times
        self._language = language if language in tree.languages else tree.languages[0]
        self._turned = turned

    async def turn(self, request: UssdRequest) -> UssdReply:
        """Answer a request. Raises nothing for a fault of ours or of Redis: it is told."""
        key = self._hashes.of(
            "ussd_session",
            "\x00".join((request.operator, request.msisdn.digits, request.session_id)),
        )
        for _ in range(MOST_RACES):
            try:
                stored = await self._sessions.load(f"ussd:{key}")
            except _AWAY:
                return self._unkept(await self._begin(request))
            session = None
            if stored is not None:
                session = decode(stored.blob)
                if session is None:
                    return self._exit(EXPIRED, self._tree.exits.expired, Turned.EXPIRED)
            given = self._given(session, request)
            if isinstance(given, UssdReply):
                return given
            following = await (
                self._begin(request)
                if session is None or given is None
                else self._go_on(session, given, request)
            )
            ttl = self._times.ended if following.over else self._times.session
            version = stored.version if stored is not None else 0
            try:
                if await self._sessions.save(f"ussd:{key}", version, encode(following), ttl):
                    return self._counted(following)
            except _AWAY:
                return self._unkept(following)
            # Another request for this session was quicker: see what it left.
        return self._exit(EXPIRED, self._tree.exits.busy, Turned.UNAVAILABLE)

    def _given(self, session: Session | None, request: UssdRequest) -> str | UssdReply | None:
        """What was typed; None for a beginning; a reply where there is nothing to do."""
        if session is None:
            return None
        if Heard.of(self._hashes, request.text) == session.heard:
            self._turned(Turned.REPEATED)
            return session.reply
        if session.over:
            # An id that is used again begins anew; what goes on after the end comes too late.
            if not request.text:
                return None
            return self._exit(session.state, self._tree.exits.expired, Turned.EXPIRED)
        newest = session.heard.newest(self._hashes, request.text)
        if newest is None:
            self._turned(Turned.REPEATED)
            return session.reply
        return newest

    async def _begin(self, request: UssdRequest) -> Session:
        """A session from its first request: the code, and what was dialled after it."""
        conversation = self._conversation(request, EXPIRED)
        heard = Heard.of(self._hashes, request.text)
        try:
            found = match(self._tree.entries, request.service_code)
        except NotAServiceCode:
            found = None
        if found is None:
            show = await conversation.start("", language=self._language)
        else:
            entry, dialled = found
            typed = [part for part in normalise_dialled(request.text).split("*") if part]
            inputs = [*dialled, *(part.rstrip("#") for part in typed)]
            show = await conversation.start(entry, inputs[:MOST_INPUTS], language=self._language)
        return self._session(conversation, show, heard)

    async def _go_on(self, session: Session, typed: str, request: UssdRequest) -> Session:
        """The session after an answer: another page, or what the dialogue says next."""
        heard = Heard.of(self._hashes, request.text)
        language = self._phrases.get(session.state.language)
        if language is not None and len(session.pages) > 1:
            key = normalise_dialled(typed).strip("#")
            if key == language.more_key and session.page < len(session.pages) - 1:
                return session.turned(+1, heard)
            if key == language.back_key and session.page > 0:
                return session.turned(-1, heard)
            if session.last:
                return session.turned(0, heard)
        conversation = self._conversation(request, session.state)
        return self._session(conversation, await conversation.reply(typed), heard)

    def _conversation(self, request: UssdRequest, state: State) -> Conversation:
        asker = Asker(self._hashes.of("asker", request.msisdn.digits))
        return Conversation(
            self._tree,
            self._inquirer,
            asker,
            Channel.USSD,
            turn_seconds=self._times.turn,
            state=state,
        )

    def _session(self, conversation: Conversation, show: Show, heard: Heard) -> Session:
        pages = tuple(render(self._phrases, show))
        return Session(conversation.state, pages, show.last, heard)

    def _unkept(self, session: Session) -> UssdReply:
        """What to say where the session cannot be kept: its end, if it has come to it."""
        if session.over:
            return self._counted(session)
        return self._exit(session.state, self._tree.exits.unavailable, Turned.UNAVAILABLE)

    def _counted(self, session: Session) -> UssdReply:
        self._turned(Turned.ENDED if session.over else Turned.CONTINUED)
        return session.reply

    def _exit(self, state: State, exit_: str, turned: Turned) -> UssdReply:
        """Close the session with one of the tree's exits."""
        self._turned(turned)
        if state.language not in self._tree.languages:
            state = replace(state, language=self._language)
        _, show = leave(self._tree, state, exit_)
        return UssdReply(render(self._phrases, show)[0], more=False)
