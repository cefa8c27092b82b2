"""
Where a conversation stands, between two answers.

    {"v":2,"tree":"3f…","language":"fa","screen":"ask_id","tries":0,"turns":1,"ended":false,
     "depth":1,"since":1795240800,"answers":[]}

It never holds an ID: a look-up follows that question in the same turn, and of a text of the
person's own whatever may be an ID is masked (dialogue/typed.py).
"""

import json
from dataclasses import dataclass, field, fields
from typing import Any

VERSION = 2
MOST_OCTETS = 8192
MOST_ANSWER_OCTETS = 6144
"""What all kept answers may take in JSON, with the names of their questions."""


@dataclass(frozen=True, slots=True)
class State:
    """One conversation. `tree` is the digest of the tree that it began on.

    `tries` are wrong answers in a row at this screen, `turns` all answers so far, `depth` the
    screens since an entry; `since` is when it began, in seconds, 0 where nobody counts. `answers`
    are those kept, by the names of their questions.
    """

    tree: str
    language: str
    screen: str
    tries: int = 0
    turns: int = 0
    ended: bool = False
    depth: int = 0
    since: int = 0
    answers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


EXPIRED = State(tree="", language="", screen="", ended=True)
"""A conversation of which nothing is known any more."""

_NAMES = frozenset(field.name for field in fields(State))
# Made once: json.dumps would make one for each state, and this is done in every turn.
_TO_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(state: State) -> bytes:
    """The state as JSON."""
    kept = {
        "v": VERSION,
        "tree": state.tree,
        "language": state.language,
        "screen": state.screen,
        "tries": state.tries,
        "turns": state.turns,
        "ended": state.ended,
        "depth": state.depth,
        "since": state.since,
        "answers": state.answers,
    }
    return _TO_JSON(kept).encode(errors="surrogatepass")


def decode(blob: bytes) -> State:
    """The state in JSON. Anything that is none, or of another version, is EXPIRED."""
    try:
        kept: Any = json.loads(blob) if len(blob) <= MOST_OCTETS else None
    except (ValueError, RecursionError):
        return EXPIRED
    if not isinstance(kept, dict) or kept.pop("v", None) != VERSION or kept.keys() != _NAMES:
        return EXPIRED
    answers = _answers(kept.pop("answers"))
    if answers is None:
        return EXPIRED
    state = State(**kept, answers=answers)
    texts = (state.tree, state.language, state.screen)
    counts = (state.tries, state.turns, state.depth, state.since)
    sound = (
        all(type(text) is str for text in texts)
        and all(type(count) is int and count >= 0 for count in counts)
        and type(state.ended) is bool
    )
    return state if sound else EXPIRED


def _answers(kept: Any) -> tuple[tuple[str, str], ...] | None:
    if not isinstance(kept, list):
        return None
    pairs = []
    for pair in kept:
        match pair:
            case [str() as name, str() as value]:
                pairs.append((name, value))
            case _:
                return None
    return tuple(pairs)
