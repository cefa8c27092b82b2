"""
Where a conversation stands, between two answers.

    {"v":1,"tree":"3f…","language":"fa","screen":"ask_id","tries":0,"turns":1,"ended":false}

It never holds an ID: a look-up follows the question in the same turn.
"""

import json
from dataclasses import dataclass, fields
from typing import Any

VERSION = 1
MOST_OCTETS = 1024


@dataclass(frozen=True, slots=True)
class State:
    """One conversation. `tree` is the digest of the tree that it began on.

    `tries` are wrong answers in a row at this screen, `turns` all answers so far.
    """

    tree: str
    language: str
    screen: str
    tries: int = 0
    turns: int = 0
    ended: bool = False


EXPIRED = State(tree="", language="", screen="", ended=True)
"""A conversation of which nothing is known any more."""


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
    }
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )


def decode(blob: bytes) -> State:
    """The state in JSON. Anything that is none, or of another version, is EXPIRED."""
    try:
        kept: Any = json.loads(blob) if len(blob) <= MOST_OCTETS else None
    except (ValueError, RecursionError):
        return EXPIRED
    if not isinstance(kept, dict) or kept.pop("v", None) != VERSION:
        return EXPIRED
    if kept.keys() != {field.name for field in fields(State)}:
        return EXPIRED
    state = State(**kept)
    texts = (state.tree, state.language, state.screen)
    counts = (state.tries, state.turns)
    sound = (
        all(type(text) is str for text in texts)
        and all(type(count) is int and count >= 0 for count in counts)
        and type(state.ended) is bool
    )
    return state if sound else EXPIRED
