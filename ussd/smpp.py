"""
USSD over one SMPP bind: a deliver_sm in, a turn of the dialogue, a submit_sm out.

    deliver_sm ─▶ UssdEvent ─▶ UssdConversations ─▶ UssdReply ─▶ submit_sm
        └─▶ deliver_sm_resp, status 0, before the turn: a network waits for no look-up

What the network has ended gets no answer any more. A screen that it refuses ends the dialogue;
it is never sent a second time, since a USSD screen has no value later. An answer that was on it
has: `untold` is given it where the screen was not shown for sure, and where nobody knows.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from smpp.dialect import SPECIFICATION, Dialect, Kind, TextEncoding
from smpp.errors import Busy, LocalProtocolError, NotBound
from smpp.events import Answered
from smpp.link import Outcome
from smpp.pdu import Address, ShortMessage
from smpp.ussd_tlv import UssdEvent, read_unit, write_reply
from telecom.msisdn import Msisdn, NotAnMsisdn
from telecom.screen import Limit
from ussd.conversation import UssdConversations
from ussd.requests import Dialogue
from ussd.sessions import NO_NUMBER, Told, UssdReply
from ussd.turning import Turned

log = structlog.get_logger("ussd")

LONGEST_TEXT = 254
"""Characters of an answer that are looked at; a USSD string has 182 at most."""

_INTERNATIONAL = 1


@dataclass(eq=False, slots=True)
class _Turn:
    """A turn under way; `over` once nobody waits for its answer."""

    dialogue: Dialogue
    kind: Kind
    unit: int | None
    text: str = field(repr=False)
    over: bool = False

    def same(self, other: "_Turn") -> bool:
        """Whether the network has sent one event twice."""
        return (self.dialogue, self.kind, self.unit, self.text) == (
            other.dialogue,
            other.kind,
            other.unit,
            other.text,
        )


class UssdOverSmpp:
    """The USSD of one bind; `operator` is whose sessions they are.

    submit: sends a message (`Esme.submit` or like it: raises NotBound, Busy). start: runs a
    coroutine and holds it. most: turns under way at once; one more is told to dial again.
    at_once: acknowledge before the turn. session_ttl: in
    seconds, None for that of all sessions. untold: takes an answer that could not be shown, and
    whose it is. odd: is told what was out of place, in a word:
    "ignored", "no_number", "joined", "too_many", "too_long" or "unsent". Raises ValueError where
    the phrases' key lines leave no room on the dialect's screen.
    """

    def __init__(
        self,
        conversations: UssdConversations,
        operator: str,
        dialect: Dialect = SPECIFICATION,
        *,
        submit: Callable[[ShortMessage], "asyncio.Future[Outcome]"],
        start: Callable[[Coroutine[Any, Any, None]], object],
        most: int,
        at_once: bool = True,
        session_ttl: float | None = None,
        untold: Callable[[Msisdn, Told], object] = lambda *_: None,
        odd: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._conversations = conversations
        self._operator = operator
        self._dialect = dialect
        self._limit = Limit(dialect.max_octets, dialect.text_encoding is TextEncoding.AUTO)
        conversations.prove(self._limit)
        self._submit = submit
        self._start = start
        self._most = most
        self._at_once = at_once
        self._session_ttl = session_ttl
        self._untold = untold
        self._odd = odd
        self._turns: dict[str, list[_Turn]] = {}
        self._count = 0
        self._closing = False

    @property
    def under_way(self) -> int:
        """Turns whose answer is not ready yet."""
        return self._count

    def close(self) -> None:
        """Begin no more turns: who comes now is told to dial again."""
        self._closing = True

    def received(self, message: ShortMessage, acknowledge: Callable[[], object]) -> None:
        """Take one unit; `acknowledge` is called once for each, soon. Never raises."""
        event = read_unit(message, self._dialect)
        if event.kind is Kind.OTHER:
            self._odd("ignored")
            acknowledge()
            return
        try:
            msisdn = subscriber(message.source)
        except NotAnMsisdn:
            self._odd("no_number")
            acknowledge()
            if event.kind is not Kind.ABORT:
                self._show(event, self._conversations.unavailable(self._limit), None)
            return
        dialogue = Dialogue(self._operator, event.session, msisdn, self._session_ttl, self._limit)
        if event.kind is Kind.ABORT:
            acknowledge()
            self._abort(dialogue)
        else:
            text = (event.text or "")[:LONGEST_TEXT]
            self._begin_turn(_Turn(dialogue, event.kind, event.unit, text), event, acknowledge)

    def _abort(self, dialogue: Dialogue) -> None:
        for turn in self._turns.get(dialogue.msisdn.digits, ()):
            if dialogue.session_id in (NO_NUMBER, turn.dialogue.session_id):
                turn.over = True
        self._start(self._conversations.abort(dialogue))

    def _begin_turn(self, turn: _Turn, event: UssdEvent, acknowledge: Callable[[], object]) -> None:
        number = turn.dialogue.msisdn.digits
        others = self._turns.get(number, [])
        if any(turn.same(other) and not other.over for other in others):
            self._odd("joined")
            acknowledge()
            return
        if turn.kind is Kind.BEGIN:
            # A handset holds one dialogue: nobody reads what the old one would say.
            for other in others:
                other.over = True
        if self._closing or self._count >= self._most:
            self._odd("too_many")
            acknowledge()
            self._show(event, self._conversations.busy(self._limit), None)
            return
        if self._at_once:
            acknowledge()
        self._turns.setdefault(number, others).append(turn)
        self._count += 1
        self._start(self._turn(turn, event, acknowledge))

    async def _turn(self, turn: _Turn, event: UssdEvent, acknowledge: Callable[[], object]) -> None:
        conversations = self._conversations
        say = conversations.begin if turn.kind is Kind.BEGIN else conversations.go_on
        reply: UssdReply | None = None
        try:
            reply = await say(
                turn.dialogue,
                turn.text,
                turn.unit,
                gone=lambda: turn.over,
                untold=lambda told: self._untold(turn.dialogue.msisdn, told),
            )
        except Exception as error:
            # Its text stays out of the log: it may quote what was typed.
            log.error("ussd_turn_failed", error=type(error).__name__)
            reply = conversations.busy(self._limit)
        finally:
            self._ended(turn)
            if not self._at_once:
                acknowledge()
        if reply is not None and not turn.over:
            self._show(event, reply, turn.dialogue)
        elif reply is not None:
            # Ended while it was being kept.
            self._not_shown(reply, turn.dialogue)

    def _ended(self, turn: _Turn) -> None:
        number = turn.dialogue.msisdn.digits
        turns = self._turns[number]
        turns.remove(turn)
        if not turns:
            del self._turns[number]
        self._count -= 1

    def _show(self, event: UssdEvent, reply: UssdReply, dialogue: Dialogue | None) -> None:
        try:
            outcome = self._submit(
                write_reply(event, reply.text, more=reply.more, dialect=self._dialect)
            )
        except LocalProtocolError as error:
            self._odd("too_long")
            log.error("ussd_screen_does_not_fit", reason=str(error))
            self._not_shown(reply, dialogue)
        except (NotBound, Busy):
            # The session stays: the network will ask again, or let it end.
            self._odd("unsent")
            self._not_shown(reply, dialogue)
        else:
            if dialogue is not None:
                outcome.add_done_callback(
                    lambda shown: self._shown(shown.result(), reply, dialogue)
                )

    def _shown(self, outcome: Outcome, reply: UssdReply, dialogue: Dialogue) -> None:
        if isinstance(outcome, Answered) and outcome.accepted:
            return
        # Where nobody knows, too: an answer read twice is better than none (docs/adr/0010).
        self._not_shown(reply, dialogue)
        # Unanswered may have been shown all the same, so that dialogue may go on.
        if isinstance(outcome, Answered):
            self._start(self._conversations.abort(dialogue, Turned.REFUSED))

    def _not_shown(self, reply: UssdReply, dialogue: Dialogue | None) -> None:
        if reply.told is not None and dialogue is not None:
            self._untold(dialogue.msisdn, reply.told)


def subscriber(source: Address) -> Msisdn:
    """Whose handset it is. Raises NotAnMsisdn.

    TON 1 says that the number is international, and so it comes without its plus; some networks
    say it of "0912…" too.
    """
    if source.ton == _INTERNATIONAL and not source.digits.startswith("+"):
        try:
            return Msisdn.parse(f"+{source.digits}")
        except NotAnMsisdn:
            pass
    return Msisdn.parse(source.digits)
