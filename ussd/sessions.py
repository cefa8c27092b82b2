"""
One USSD session, as it is kept between two requests.

    {"v":1,"state":{…},"pages":["…"],"page":0,"last":false,"length":12,"digest":"9f…"}

The text of a request is cumulative and may hold an ID, so only its length and keyed hash are
kept: enough to know it again, and to know what continues it.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from dialogue import state as dialogue_state
from dialogue.state import State
from state.keyed_hash import KeyedHash

VERSION = 1


@dataclass(frozen=True, slots=True)
class UssdReply:
    """What to show; `more` says whether an answer is awaited (CON) or not (END)."""

    text: str
    more: bool


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
class Session:
    """A session after an answer: what is shown, and where the dialogue stands behind it.

    `last`: the dialogue is over, though pages may remain to be read.
    """

    state: State
    pages: tuple[str, ...] = field(repr=False)
    last: bool
    heard: Heard
    page: int = 0

    @property
    def reply(self) -> UssdReply:
        """What is shown now."""
        return UssdReply(self.pages[self.page], more=not self.over)

    @property
    def over(self) -> bool:
        """Whether the network closes the session with this answer."""
        return self.last and self.page == len(self.pages) - 1

    def turned(self, step: int, heard: Heard) -> "Session":
        """The same dialogue, some pages on or back, within what there is."""
        page = min(max(self.page + step, 0), len(self.pages) - 1)
        return replace(self, page=page, heard=heard)


def encode(session: Session) -> bytes:
    """The session as JSON."""
    fields = {
        "v": VERSION,
        "state": json.loads(dialogue_state.encode(session.state)),
        "pages": session.pages,
        "page": session.page,
        "last": session.last,
        "length": session.heard.length,
        "digest": session.heard.digest,
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def decode(blob: bytes) -> Session | None:
    """The session in JSON; None for anything that is none, or of another version."""
    try:
        fields: Any = json.loads(blob)
    except (ValueError, RecursionError):
        return None
    match fields:
        case {
            "v": 1,
            "state": dict() as state,
            "pages": [str(), *_] as pages,
            "page": int() as page,
            "last": bool() as last,
            "length": int() as length,
            "digest": str() as digest,
        } if 0 <= page < len(pages) and length >= 0 and all(type(text) is str for text in pages):
            return Session(
                state=dialogue_state.decode(json.dumps(state).encode()),
                pages=tuple(pages),
                last=last,
                heard=Heard(length, digest),
                page=page,
            )
    return None
