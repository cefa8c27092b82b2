"""
The dialogue tree, read from its file.

Shape is settled here: kinds, keys, types, limits, exits. Whether screens can be reached, targets
exist and texts fit is proven by dialogue/check.py, all findings at once.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import fields
from importlib.resources.abc import Traversable
from pathlib import Path

from config.toml_lines import Document, read_toml
from dialogue.phrases import CODE, language_of_script
from dialogue.toml_table import NAME, Table
from dialogue.tree import (
    WRONG_ID,
    Branch,
    Exits,
    Lookup,
    Menu,
    Message,
    Option,
    Question,
    Screen,
    Tree,
)

MOST_TRIES = 10
MOST_TURNS = 100
KEY = re.compile(r"[0-9]{1,2}")
SERVICE_CODE = re.compile(r"(?:\*[0-9]{1,8}){1,8}")


def load_tree(source: Path | Traversable) -> Tree:
    """Read a tree. Raises ConfigError with file and line."""
    return tree_of(read_toml(source))


def tree_of(document: Document) -> Tree:
    """The tree in a TOML document. Raises ConfigError with file and line."""
    top = Table(document)
    languages = top.names("languages", least=1)
    limits = top.table("limits")
    tries = limits.number("tries", 1, MOST_TRIES)
    turns = limits.number("turns", 1, MOST_TURNS)
    limits.end()
    screens = _screens(top.table("screens"), languages)
    exits = _exits(top.table("exits"), screens)
    entries = top.table("entries")
    codes = entries.own_keys()
    for code in codes:
        if not SERVICE_CODE.fullmatch(code):
            entries.refuse(code, "must be a service code such as *4*1420, without #")
    if not codes:
        entries.refuse(None, "has no service code")
    top.end()
    return Tree(
        file=document.name,
        digest=_digest(document),
        languages=languages,
        tries=tries,
        turns=turns,
        exits=exits,
        entries={code: entries.name(code) for code in codes},
        entry_lines={code: entries.line(code) for code in codes},
        screens=screens,
    )


def _digest(document: Document) -> str:
    meaning = json.dumps(document.data, sort_keys=True, default=str)
    return hashlib.sha256(meaning.encode()).hexdigest()[:16]


def _exits(table: Table, screens: dict[str, Screen]) -> Exits:
    named = {field.name: table.name(field.name) for field in fields(Exits)}
    table.end()
    for name, target in named.items():
        screen = screens.get(target)
        if not isinstance(screen, Message) or screen.go is not None:
            table.refuse(name, f'must name a message without go; "{target}" is none')
    return Exits(**named)


def _screens(table: Table, languages: tuple[str, ...]) -> dict[str, Screen]:
    screens: dict[str, Screen] = {}
    for name in table.own_keys():
        if not NAME.fullmatch(name):
            table.refuse(name, "must be a name of small letters, digits and _, such as ask_id")
        screen = table.table(name)
        screens[name] = _screen(name, screen, languages)
        screen.end()
    return screens


def _screen(name: str, table: Table, languages: tuple[str, ...]) -> Screen:
    line = table.line()
    kind = table.text("kind", re.compile("|".join(_KINDS)), "menu, question, lookup or message")
    return _KINDS[kind](name, line, table, languages)


def _menu(name: str, line: int, table: Table, languages: tuple[str, ...]) -> Menu:
    return Menu(
        name=name,
        line=line,
        paged=table.flag("paged"),
        title=table.name("title"),
        wrong=table.name("wrong"),
        options=tuple(_option(option, languages) for option in table.tables("options")),
    )


def _question(name: str, line: int, table: Table, _: tuple[str, ...]) -> Question:
    table.text("ask", re.compile("national_id"), '"national_id"')
    wrong = table.table("wrong")
    phrases = {reason: wrong.name(reason) for reason in WRONG_ID}
    wrong.end()
    return Question(
        name=name,
        line=line,
        paged=table.flag("paged"),
        prompt=table.name("prompt"),
        wrong=phrases,
        go=table.name("go"),
    )


def _lookup(name: str, line: int, table: Table, _: tuple[str, ...]) -> Lookup:
    on = table.table("on")
    branches = {branch: on.name(branch) for branch in Branch}
    on.end()
    return Lookup(name=name, line=line, on=branches)


def _message(name: str, line: int, table: Table, _: tuple[str, ...]) -> Message:
    return Message(
        name=name,
        line=line,
        paged=table.flag("paged"),
        say=table.names("say", least=1),
        also=table.names("also", least=0),
        go=table.name_or_none("go"),
    )


_KINDS: dict[str, Callable[[str, int, Table, tuple[str, ...]], Screen]] = {
    "menu": _menu,
    "question": _question,
    "lookup": _lookup,
    "message": _message,
}


def _option(table: Table, languages: tuple[str, ...]) -> Option:
    language = table.name_or_none("language", CODE)
    if language is not None and language_of_script(language) not in languages:
        table.refuse("language", f"must be one of {', '.join(languages)}, or a script of one")
    option = Option(
        key=table.text("key", KEY, "one or two digits, in Latin digits"),
        label=table.name("label"),
        go=table.name("go"),
        language=language,
        line=table.line(),
    )
    table.end()
    return option
