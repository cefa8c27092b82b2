"""
The dialogue tree, read from its file.

Shape is settled here: kinds, keys, types, limits, exits. Whether screens can be reached, targets
exist and texts fit is proven by dialogue/check.py, all findings at once.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources.abc import Traversable
from pathlib import Path

from config.toml_lines import Document, read_toml
from dialogue.guide import Guide
from dialogue.guide_words import our_guide
from dialogue.phrases import LANGUAGE, MOST_LANGUAGES
from dialogue.screen_file import read_screens
from dialogue.toml_table import Table
from dialogue.tree import CHANNELS, Exits, Message, Screen, Tree

MOST_TRIES = 10
MOST_TURNS = 100
MOST_SECONDS = 3600
SERVICE_CODE = re.compile(r"(?:\*[0-9]{1,8}){1,8}")
_LATER = ("depth", "seconds")


def load_tree(source: Path | Traversable, guide: Guide | None = None) -> Tree:
    """Read a tree that shows a guide, ours if none is given. Raises ConfigError."""
    return tree_of(read_toml(source), guide)


def tree_of(document: Document, guide: Guide | None = None) -> Tree:
    """The tree in a TOML document. Raises ConfigError with file and line."""
    topics: list[tuple[str, int, str]] = []

    def shown() -> Guide:
        known = guide or our_guide()
        topics[:] = [(topic.group, topic.place, topic.name) for topic in known.topics]
        return known

    top = Table(document)
    languages = top.names("languages", least=1)
    if not all(map(LANGUAGE.fullmatch, languages)):
        top.refuse("languages", "must hold codes of two or three small letters, such as fa")
    if len(languages) > MOST_LANGUAGES:
        top.refuse("languages", f"has more than {MOST_LANGUAGES}")
    limits = top.table("limits")
    tries = limits.number("tries", 1, MOST_TRIES)
    turns = limits.number("turns", 1, MOST_TURNS)
    depth = limits.number_or("depth", MOST_TURNS, 1, MOST_TURNS)
    seconds = limits.number_or("seconds", MOST_SECONDS, 1, MOST_SECONDS)
    limits.end()
    written = top.table("screens")
    subtrees = top.table_or_none("subtrees")
    screens = read_screens(written, subtrees, languages, None, shown)
    by_channel = {
        channel: read_screens(written, subtrees, languages, channel, shown) for channel in CHANNELS
    }
    exits = _exits(top.table("exits"), screens)
    entries = top.table("entries")
    codes = entries.own_keys()
    for code in codes:
        if not SERVICE_CODE.fullmatch(code):
            entries.refuse(code, "must be a service code such as *4*1420, without #")
    if not codes:
        entries.refuse(None, "has no service code")
    top.end()
    leads = {code: entries.name(code) for code in codes}
    return Tree(
        file=document.name,
        digest=_digest(document, topics),
        languages=languages,
        tries=tries,
        turns=turns,
        depth=depth,
        seconds=seconds,
        exits=exits,
        entries=leads,
        entry_lines={code: entries.line(code) for code in codes},
        screens=screens,
        by_channel=by_channel,
        tops=frozenset(leads.values()),
    )


def _digest(document: Document, topics: list[tuple[str, int, str]]) -> str:
    """Of the tree, and of which topic is under which key: not of words."""
    whole = [document.data, topics] if topics else document.data
    meaning = json.dumps(whole, sort_keys=True, default=str)
    return hashlib.sha256(meaning.encode()).hexdigest()[:16]


def _exits(table: Table, screens: Mapping[str, Screen]) -> Exits:
    # Trees from before there were these limits go on without an exit for each.
    named = {
        field.name: table.name(field.name)
        for field in fields(Exits)
        if field.name not in _LATER or table.has(field.name)
    }
    table.end()
    for name, target in named.items():
        screen = screens.get(target)
        if not isinstance(screen, Message) or screen.go is not None:
            table.refuse(name, f'must name a message without go or a hand_over; "{target}" is none')
    return Exits(**dict.fromkeys(_LATER, named["turns"]) | named)
