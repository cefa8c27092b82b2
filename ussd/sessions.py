"""
One USSD session, as it is kept between two requests.

    {"v":1,"tree":"3f…",…}                            the dialogue's state, as it writes itself
    {"v":2,"pages":["…"],"page":0,"last":false,"entry":"*4*1420","length":12,"digest":"9f…"}
    (these two again, of a session that was cut off and is offered now)

What was heard last may hold an ID, so only keyed hashes of it are kept. Of a cumulative text its
length and hash: enough to know it again, and to know what continues it. Of a single event, in
place of those two:

    "heard":{"session":"2a","unit":1,"digest":"9f…","at":1795.1,"counted":true}
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from dialogue import state as dialogue_state
from dialogue.state import State
from eligibility.answer import Answer
from state.keyed_hash import KeyedHash

VERSION = 2

NO_NUMBER = "-"
"""The number of a session where the network gives none (smpp/ussd_tlv.py)."""

REPEAT_SECONDS = 2.0
"""Within this, the same event again is a network's repeat: nobody reads a screen and types so
soon. Gateways of a site must agree on the time of day to about a second."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer with a tracking code, and the language (or script) that it was given in."""

    answer: Answer = field(repr=False)
    language: str


@dataclass(frozen=True, slots=True)
class UssdReply:
    """What to show; `more` says whether an answer is awaited (CON) or not (END)."""

    text: str
    more: bool
    told: Told | None = field(default=None, compare=False, repr=False)
    """The answer that came with it: to be told another way where this cannot be shown."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The cumulative text of a request: its length in characters and its keyed hash."""

    length: int
    digest: str

    @classmethod
    def of(cls, hashes: KeyedHash, text: str) -> "Heard":
        """What is kept of a text."""
        return cls(len(text), hashes.of("ussd_text", text))

    def newest(self, hashes: KeyedHash, text: str) -> str | None:
        """What a later text adds to this one; None if it does not continue it."""
        if len(text) <= self.length or hashes.of("ussd_text", text[: self.length]) != self.digest:
            return None
        if not self.length:
            return text
        # What the person typed may hold a * itself: only the first one joins.
        return text[self.length + 1 :] if text[self.length] == "*" else None


@dataclass(frozen=True, slots=True)
class HeardUnit:
    """One event of a dialogue: the session's number, the unit's, a keyed hash, and when (s).

    `counted`: the network has numbered this dialogue's units differently, so that two of one
    number are one.
    """

    session_id: str
    unit: int | None
    digest: str
    at: float
    counted: bool = False

    def repeats(self, last: "HeardUnit") -> bool:
        """Whether this is `last` once more, and not the same answer to another screen.

        By its number where the network counts; else by its time, since a person reads first.
        """
        same = (self.session_id, self.unit, self.digest) == (
            last.session_id,
            last.unit,
            last.digest,
        )
        return same and (last.counted or abs(self.at - last.at) <= REPEAT_SECONDS)

    def after(self, last: "HeardUnit") -> "HeardUnit":
        """This one, knowing what came before it."""
        both = self.unit is not None and last.unit is not None
        counted = last.counted or (both and self.unit != last.unit)
        return replace(self, counted=True) if counted else self


@dataclass(frozen=True, slots=True)
class Session:
    """A session after an answer: what is shown, and where the dialogue stands behind it.

    `last`: the dialogue is over, though pages may remain to be read. `entry` is the service code
    of the tree that it began at. `offer`: a session that was cut off; this one asks whether to go
    on with it, and `state` holds the tree and language of both.
    """

    state: State
    pages: tuple[str, ...] = field(repr=False)
    last: bool
    heard: Heard | HeardUnit
    page: int = 0
    entry: str = ""
    offer: "Session | None" = None

    @property
    def reply(self) -> UssdReply:
        """What is shown now."""
        return UssdReply(self.pages[self.page], more=not self.over)

    @property
    def over(self) -> bool:
        """Whether the network closes the session with this answer."""
        return self.last and self.page == len(self.pages) - 1

    def belongs_to(self, session_id: str) -> bool:
        """Whether this is the dialogue that the network numbers so; NO_NUMBER: any dialogue."""
        return isinstance(self.heard, HeardUnit) and session_id in (
            NO_NUMBER,
            self.heard.session_id,
        )

    def turned(self, step: int, heard: Heard | HeardUnit) -> "Session":
        """The same dialogue, some pages on or back, within what there is."""
        page = min(max(self.page + step, 0), len(self.pages) - 1)
        return replace(self, page=page, heard=heard)


# Made once: json.dumps would make one for each session, and this is done in every turn.
_TO_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(session: Session) -> bytes:
    """The session as two lines of JSON, or four."""
    fields = {
        "v": VERSION,
        "pages": session.pages,
        "page": session.page,
        "last": session.last,
        "entry": session.entry,
        **_heard_fields(session.heard),
    }
    own = dialogue_state.encode(session.state) + b"\n" + _TO_JSON(fields).encode()
    return own if session.offer is None else own + b"\n" + encode(session.offer)


def _heard_fields(heard: Heard | HeardUnit) -> dict[str, Any]:
    if isinstance(heard, Heard):
        return {"length": heard.length, "digest": heard.digest}
    unit = {
        "session": heard.session_id,
        "unit": heard.unit,
        "digest": heard.digest,
        "at": heard.at,
        "counted": heard.counted,
    }
    return {"heard": unit}


def decode(blob: bytes) -> Session | None:
    """The session in JSON; None for anything that is none, or of another version."""
    lines = blob.split(b"\n")
    if len(lines) not in (2, 4):
        return None
    session = _decode(*lines[:2])
    if session is None or len(lines) == 2:
        return session
    offer = _decode(*lines[2:])
    return replace(session, offer=offer) if offer is not None else None


def _decode(state: bytes, own: bytes) -> Session | None:
    try:
        fields: Any = json.loads(own.decode())
    except (ValueError, RecursionError):
        return None
    match fields:
        case {
            "v": 2,
            "pages": [str(), *_] as pages,
            "page": int() as page,
            "last": bool() as last,
        } if 0 <= page < len(pages) and all(type(text) is str for text in pages):
            heard = _heard(fields)
            entry = fields.get("entry", "")
            if heard is None or not isinstance(entry, str):
                return None
            return Session(dialogue_state.decode(state), tuple(pages), last, heard, page, entry)
    return None


def _heard(fields: dict[str, Any]) -> Heard | HeardUnit | None:
    match fields:
        case {"length": int() as length, "digest": str() as digest} if length >= 0:
            return Heard(length, digest)
        case {
            "heard": {
                "session": str() as session_id,
                "unit": int() | None as unit,
                "digest": str() as digest,
                "at": int() | float() as at,
                "counted": bool() as counted,
            }
        }:
            return HeardUnit(session_id, unit, digest, at, counted)
    return None
