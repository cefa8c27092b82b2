"""
The screens of a tree, read from their tables: once as written, and once for each channel.

A screen may have a table for a channel, with other words for it, and an option or a choice may be
offered on some channels alone. A sub-tree is read anew for every screen that uses it, with its
own names: "treatment" is its first screen there, "treatment.ask_id" another one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dialogue.guide import Group, Guide
from dialogue.guide_words import text_key, title_key
from dialogue.lookups import LOOKUPS
from dialogue.phrases import CODE, language_of_script
from dialogue.state import MOST_ANSWER_OCTETS
from dialogue.toml_table import NAME, Table
from dialogue.tree import CHANNELS, Lookup, Menu, Message, Option, Question, Screen, Span
from dialogue.typed import ASKS, LONGEST_TEXT, MOST_DIGITS
from telecom.channel import Channel

MOST_SCREENS = 1000
MOST_OPTIONS = 200
DEEPEST_USE = 8
"""Sub-trees that use one another."""

KEY = re.compile(r"[0-9]{1,2}")
_KEY_LIKE = "one or two digits, in Latin digits"
_KINDS_LIKE = "menu, question, lookup or message; or hand_over, guide or subtree"
_OCTETS_OF_A_NUMBER = 16
_OCTETS_OF_A_CHARACTER = 6  # in JSON

Names = Callable[[str], str]
"""From the name of a screen as its neighbours write it to its name in the whole tree."""


def read_screens(
    screens: Table,
    subtrees: Table | None,
    languages: tuple[str, ...],
    channel: Channel | None,
    guide: Callable[[], Guide],
) -> dict[str, Screen]:
    """All screens as one channel has them; None: as written. Raises ConfigError.

    `guide` is asked for where a screen shows it.
    """
    reader = _Reader(subtrees, languages, channel, guide)
    reader.read(screens, lambda name: name, lambda name: name, ())
    reader.end()
    _prove_answers_fit(screens, reader.found)
    return reader.found


def _prove_answers_fit(screens: Table, found: Mapping[str, Screen]) -> None:
    """Refuse a tree whose answers could outgrow the state that keeps them."""
    octets = 0
    for screen in found.values():
        if isinstance(screen, Question) and not isinstance(found.get(screen.go), Lookup):
            octets += len(screen.name) + _OCTETS_OF_A_NUMBER
            if screen.ask == "free_text" and screen.length:
                octets += screen.length[1] * _OCTETS_OF_A_CHARACTER
            octets += max((len(choice.value) for choice in screen.choices), default=0)
    if octets > MOST_ANSWER_OCTETS:
        screens.refuse(
            None,
            f"has questions whose answers are kept and may take {octets} octets; a conversation"
            f" keeps {MOST_ANSWER_OCTETS}",
        )


@dataclass(frozen=True, slots=True)
class _Words:
    """A table and, over it, the words that one channel has instead."""

    table: Table
    over: tuple[Table, ...]

    @classmethod
    def of(cls, table: Table, channel: Channel | None) -> "_Words":
        own = {name: table.table_or_none(name) for name in CHANNELS}
        over = own.get(channel) if channel else None
        return cls(table, (over,) if over else ())

    def name(self, key: str) -> str:
        word = self.table.name(key)
        for over in self.over:
            word = over.name(key) if over.has(key) else word
        return word

    def names(self, key: str, *, least: int) -> tuple[str, ...]:
        words = self.table.names(key, least=least)
        for over in self.over:
            words = over.names(key, least=least) if over.has(key) else words
        return words

    def inner(self, key: str) -> "_Words":
        """A table of words inside this one, which the channel may have in part."""
        over = tuple(found for table in self.over if (found := table.table_or_none(key)))
        return _Words(self.table.table(key), over)

    def end(self) -> None:
        for table in (*self.over, self.table):
            table.end()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a screen stands: its name in the whole tree, and how to name others from there."""

    name: str
    words: _Words
    names: Names

    @property
    def table(self) -> Table:
        return self.words.table

    def go(self, key: str = "go") -> str:
        return self.names(self.table.name(key))


class _Reader:
    """Reads screens into `found`, sub-trees included."""

    def __init__(
        self,
        subtrees: Table | None,
        languages: tuple[str, ...],
        channel: Channel | None,
        guide: Callable[[], Guide],
    ) -> None:
        self.found: dict[str, Screen] = {}
        self._subtrees = subtrees
        self._known = set(subtrees.own_keys()) if subtrees else set()
        self._used: set[str] = set()
        self._languages = languages
        self._channel = channel
        self._guide = guide
        self._kinds: Mapping[str, Callable[[_Place], Screen]] = {
            "menu": self._menu,
            "question": self._question,
            "lookup": self._lookup,
            "message": self._message,
            "hand_over": self._hand_over,
            "guide": self._topics,
        }

    def read(self, screens: Table, full: Names, names: Names, using: tuple[str, ...]) -> None:
        """The screens of a table; `using`: the sub-trees that this one is inside of."""
        kinds = re.compile("|".join([*self._kinds, "subtree"]))
        for name in screens.own_keys():
            if not NAME.fullmatch(name):
                screens.refuse(
                    name, "must be a name of small letters, digits and _, such as ask_id"
                )
            table = screens.table(name)
            kind = table.text("kind", kinds, _KINDS_LIKE)
            if kind == "subtree":
                self._use(full(name), table, names, using)
                continue
            words = _Words.of(table, self._channel)
            self.found[full(name)] = self._kinds[kind](_Place(full(name), words, names))
            words.end()
            if len(self.found) > MOST_SCREENS:
                screens.refuse(name, f"is one more than the {MOST_SCREENS} screens of a tree")

    def end(self) -> None:
        """Refuse sub-trees that nobody uses: they are unread."""
        for name in sorted(self._known - self._used):
            assert self._subtrees is not None
            self._subtrees.refuse(name, "is used by no screen")

    def _use(self, name: str, table: Table, names: Names, using: tuple[str, ...]) -> None:
        subtree = table.name("use")
        if self._subtrees is None or subtree not in self._known:
            known = ", ".join(sorted(self._known)) or "none"
            table.refuse("use", f"names no sub-tree; there are {known}")
        if subtree in using or len(using) >= DEEPEST_USE:
            table.refuse("use", "makes a sub-tree use itself, or is nested too deep")
        self._used.add(subtree)
        body = self._subtrees.table(subtree)
        wanted = body.names("returns", least=0)
        own = body.table("screens")
        start = body.name("start")
        inside = set(own.own_keys())
        if start not in inside:
            body.refuse("start", "names no screen of the sub-tree")
        if both := inside & set(wanted):
            body.refuse("returns", f"has a screen's name: {min(both)}")
        back: dict[str, str] = {}
        if wanted:
            given = table.table("returns")
            back = {way: names(given.name(way)) for way in wanted}
            given.end()
        table.end()

        def full(inner: str) -> str:
            return name if inner == start else f"{name}.{inner}"

        def named(target: str) -> str:
            return full(target) if target in inside else back.get(target, target)

        self.read(own, full, named, (*using, subtree))
        body.end()

    def _menu(self, place: _Place) -> Menu:
        return Menu(
            name=place.name,
            line=place.table.line(),
            paged=place.table.flag("paged"),
            title=place.words.name("title"),
            wrong=place.words.name("wrong"),
            options=self._options(place, "options", self._option),
        )

    def _topics(self, place: _Place) -> Menu:
        """A menu of one half of the guide, and a screen for each topic."""
        table = place.table
        like = " or ".join(f'"{group}"' for group in Group)
        group = Group(table.text("group", re.compile("|".join(Group)), like))
        title, wrong, line = place.words.name("title"), place.words.name("wrong"), table.line()
        go = place.go() if table.has("go") else None
        options = []
        for topic in self._guide().of(group):
            name = f"{place.name}.{topic.name}"
            self.found[name] = Message(
                name, line, paged=True, say=(text_key(topic.name),), also=(), go=go
            )
            label = title_key(topic.name)
            options.append(Option(str(topic.place), label, name, language=None, line=line))
        if not options:
            table.refuse("group", "has no topic in the guide")
        return Menu(place.name, line, True, title, wrong, tuple(options))

    def _question(self, place: _Place) -> Question:
        table = place.table
        like = f"one of {', '.join(ASKS)}"
        ask = table.text("ask", re.compile("|".join(ASKS)), like)
        length: Span | None = None
        span: Span | None = None
        choices: tuple[Option, ...] = ()
        reasons = ASKS[ask]
        if ask == "choice":
            choices = self._options(place, "choices", self._choice)
        elif ask == "free_text":
            length = table.span("length", 1, LONGEST_TEXT)
        elif ask == "digits":
            length = table.span("length", 1, MOST_DIGITS)
            span = table.span("range", 0, 10**MOST_DIGITS - 1) if table.has("range") else None
            reasons = tuple(reason for reason in reasons if span or reason != "range")
        wrong = place.words.inner("wrong")
        phrases = {reason: wrong.name(reason) for reason in reasons}
        wrong.end()
        return Question(
            name=place.name,
            line=table.line(),
            paged=table.flag("paged"),
            ask=ask,
            prompt=place.words.name("prompt"),
            wrong=phrases,
            go=place.go(),
            length=length,
            span=span,
            choices=choices,
        )

    def _lookup(self, place: _Place) -> Lookup:
        table = place.table
        what = table.text_or(
            "what", "eligibility", re.compile("|".join(LOOKUPS)), f"one of {', '.join(LOOKUPS)}"
        )
        on = table.table("on")
        inner: dict[str, Table] = {}
        branches = {}
        for branch in LOOKUPS[what].branches:
            head, _, tail = branch.partition(".")
            if tail and head not in inner:
                inner[head] = on.table(head)
            branches[branch] = place.names((inner[head] if tail else on).name(tail or head))
        for owner in (*inner.values(), on):
            owner.end()
        return Lookup(name=place.name, line=table.line(), what=what, on=branches)

    def _message(self, place: _Place) -> Message:
        go = place.go() if place.table.has("go") else None
        return self._said(place, go=go)

    def _hand_over(self, place: _Place) -> Message:
        return self._said(place, hand_over=True)

    def _said(self, place: _Place, *, go: str | None = None, hand_over: bool = False) -> Message:
        return Message(
            name=place.name,
            line=place.table.line(),
            paged=place.table.flag("paged"),
            say=place.words.names("say", least=1),
            also=place.words.names("also", least=0),
            go=go,
            hand_over=hand_over,
        )

    def _options(
        self, place: _Place, key: str, one: Callable[[_Place], Option]
    ) -> tuple[Option, ...]:
        """Those that the channel offers."""
        options = []
        tables = place.table.tables(key)
        if len(tables) > MOST_OPTIONS:
            place.table.refuse(key, f"has more than {MOST_OPTIONS}; a key has one or two digits")
        for table in tables:
            words = _Words.of(table, self._channel)
            option = one(_Place(place.name, words, place.names))
            words.end()
            if self._channel is None or self._channel in option.channels:
                options.append(option)
        return tuple(options)

    def _option(self, place: _Place) -> Option:
        table = place.table
        language = table.name_or_none("language", CODE)
        if language is not None and language_of_script(language) not in self._languages:
            known = ", ".join(self._languages)
            table.refuse("language", f"must be one of {known}, or a script of one")
        return Option(
            key=table.text("key", KEY, _KEY_LIKE),
            label=place.words.name("label"),
            go=place.go(),
            language=language,
            line=table.line(),
            channels=_channels(table),
        )

    def _choice(self, place: _Place) -> Option:
        table = place.table
        return Option(
            key=table.text("key", KEY, _KEY_LIKE),
            label=place.words.name("label"),
            go="",
            language=None,
            line=table.line(),
            channels=_channels(table),
            value=table.name("value"),
        )


def _channels(table: Table) -> tuple[Channel, ...]:
    if not table.has("channels"):
        return CHANNELS
    named = table.names("channels", least=1)
    known = {str(channel): channel for channel in CHANNELS}
    if not set(named) <= known.keys():
        table.refuse("channels", f"must hold some of {', '.join(known)}")
    return tuple(known[name] for name in named)
