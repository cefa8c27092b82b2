"""
What a USSD network sends, and what is to be done about it.

    UssdRequest   cumulative: everything typed in the session so far (HTTP aggregators)
    UssdUnit      one event: what was dialled, or one answer (SMPP)

Both stand on the same sessions. A network repeats itself, and the rule by which a repeat is
known is each kind's own: a cumulative text is the same text; a unit is the same unit.
"""

from dataclasses import dataclass, field

from dialogue.state import EXPIRED, State
from state.keyed_hash import KeyedHash
from telecom.msisdn import Msisdn
from telecom.screen import USSD, Limit
from ussd.sessions import Heard, HeardUnit, Session

LONGEST_SESSION_ID = 64
"""A vendor's parameter may be 65,535 octets long; beyond this its hash is kept."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a dialogue: a service code, and what was typed after it. Either may hold an ID."""

    dialled: str = field(repr=False)
    typed: str = field(repr=False)
    heard: Heard | HeardUnit


@dataclass(frozen=True, slots=True)
class GoOn:
    """Go on with one answer."""

    session: Session
    typed: str = field(repr=False)
    heard: Heard | HeardUnit


@dataclass(frozen=True, slots=True)
class Again:
    """Show what is shown already: this was heard before, or follows nothing."""

    session: Session


@dataclass(frozen=True, slots=True)
class TooLate:
    """There is no such dialogue any more."""

    state: State


Todo = Begin | GoOn | Again | TooLate


@dataclass(frozen=True, slots=True)
class UssdRequest:
    """One request of a USSD network that sends everything each time.

    `text` is everything typed in the session so far, joined with `*`. `service_code` is what was
    dialled: the code alone or the whole string. Either may hold an ID.
    """

    operator: str
    session_id: str = field(repr=False)
    msisdn: Msisdn
    service_code: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def limit(self) -> Limit:
        """What can be shown: all that the standard allows."""
        return USSD

    @property
    def whole(self) -> bool:
        """Whether it can be answered without a session: all that was typed is here."""
        return True

    @property
    def opens(self) -> bool:
        """Whether what was kept before is of no interest."""
        return False

    def key(self, hashes: KeyedHash) -> str:
        """Where the session is kept."""
        parts = (self.operator, self.msisdn.digits, self.session_id)
        return hashes.of("ussd_session", "\x00".join(parts))

    def todo(self, session: Session | None, hashes: KeyedHash) -> Todo:
        """What to do, given the session as it was left."""
        heard = Heard.of(hashes, self.text)
        begin = Begin(self.service_code, self.text, heard)
        if session is None:
            return begin
        if not isinstance(session.heard, Heard):
            return TooLate(session.state)
        if heard == session.heard:
            return Again(session)
        if session.over:
            # An id that is used again begins anew; what goes on after the end comes too late.
            return TooLate(session.state) if self.text else begin
        newest = session.heard.newest(hashes, self.text)
        return Again(session) if newest is None else GoOn(session, newest, heard)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue of a network that sends one event at a time.

    A handset holds one at a time, so the session is kept under its number, and `session_id` (as
    the network numbers it, "-" if it doesn't) says which dialogue it is. `session_ttl` in
    seconds; None: as all sessions. `limit`: what its gateway can show.
    """

    operator: str
    session_id: str
    msisdn: Msisdn
    session_ttl: float | None = None
    limit: Limit = USSD

    def key(self, hashes: KeyedHash) -> str:
        """Where the handset's session is kept."""
        return hashes.of("ussd_handset", f"{self.operator}\x00{self.msisdn.digits}")

    def kept_id(self, hashes: KeyedHash) -> str:
        """The session's number as it is kept."""
        if len(self.session_id) <= LONGEST_SESSION_ID:
            return self.session_id
        return hashes.of("ussd_session_id", self.session_id)


@dataclass(frozen=True, slots=True)
class UssdUnit:
    """One event of a dialogue: what was dialled (`opens`), or one answer.

    `unit` is the network's number for it, None if it has none; `at` the time in seconds.
    """

    dialogue: Dialogue
    opens: bool
    text: str = field(repr=False)
    unit: int | None
    at: float

    @property
    def operator(self) -> str:
        """Whose network it came by."""
        return self.dialogue.operator

    @property
    def msisdn(self) -> Msisdn:
        """Whose handset it is."""
        return self.dialogue.msisdn

    @property
    def limit(self) -> Limit:
        """What its gateway can show."""
        return self.dialogue.limit

    @property
    def whole(self) -> bool:
        """Whether it can be answered without a session."""
        return self.opens

    def key(self, hashes: KeyedHash) -> str:
        """Where the session is kept."""
        return self.dialogue.key(hashes)

    def todo(self, session: Session | None, hashes: KeyedHash) -> Todo:
        """What to do, given the handset's session as it was left."""
        last = session.heard if session is not None else None
        session_id = self.dialogue.kept_id(hashes)
        # What is dialled is never the same as what is typed, though it may read the same.
        digest = hashes.of("ussd_dialled" if self.opens else "ussd_typed", self.text)
        heard = HeardUnit(session_id, self.unit, digest, self.at)
        if isinstance(last, HeardUnit) and session is not None and last.session_id == session_id:
            if heard.repeats(last):
                return Again(session)
            if not self.opens and not session.over:
                return GoOn(session, self.text, heard.after(last))
        if self.opens:
            return Begin(self.text, "", heard)
        return TooLate(EXPIRED if session is None else session.state)
