"""
The guide to services: what each is, what one needs for it, and where to go.

One file for each topic in config/guide, named after it (sickness_pay.toml); staff edit them, and
config/guide/topic.schema.json tells their editor what each key means.

    group, place                  where its line stands in the menu
    owner, circular               who answers for the words, and the number of what they rest on:
                                  "none" where there is none, empty until somebody has looked
    reviewed, review_every        when somebody last read them through, and for how many days
    [fa] title ussd sms           as it is read
         voice_title voice        as it is heard: vocalised, like config/voice/fa.toml

Facts only. dialogue/check_guide.py proves that they fit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from config.errors import ConfigError
from config.toml_lines import Document, read_toml
from dialogue.phrases import CODE
from dialogue.toml_table import NAME, Table

LONGEST_TEXT = 1000
LONGEST_FACT = 200
MOST_TOPICS = 100

_TITLE = re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,18}[^\x00-\x20\x7f])?")
_LINES = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f]*")
_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


class Group(StrEnum):
    """The two halves of the guide."""

    INSURANCE = "insurance"
    TREATMENT = "treatment"


@dataclass(frozen=True, slots=True)
class TopicWords:
    """A topic in one language; `lines` has the line of each key. A script has no voice: empty."""

    title: str
    ussd: str
    sms: str
    voice_title: str
    voice: str
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Topic:
    """One service. `owner` and `circular` are empty where nobody has said yet."""

    name: str
    file: str
    group: Group
    place: int
    owner: str
    circular: str
    reviewed: date
    review_every: int
    words: Mapping[str, TopicWords]
    lines: Mapping[str, int]

    @property
    def review_due(self) -> date:
        """The day from which the words are past their review."""
        return self.reviewed + timedelta(days=self.review_every)


@dataclass(frozen=True, slots=True)
class Guide:
    """All topics, by group and place."""

    topics: tuple[Topic, ...]

    def of(self, group: Group) -> tuple[Topic, ...]:
        """The topics of one group, in the order of the menu."""
        return tuple(topic for topic in self.topics if topic.group is group)


def load_guide(folder: Path | Traversable | None = None) -> Guide:
    """Every topic of a folder, ours if none is given. Raises ConfigError with file and line."""
    source = folder or files("config") / "guide"
    try:
        found = sorted(
            (entry for entry in source.iterdir() if entry.name.endswith(".toml")),
            key=lambda entry: entry.name,
        )
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror}).") from None
    if not found or len(found) > MOST_TOPICS:
        raise ConfigError(f"{source}: must hold 1 to {MOST_TOPICS} topics, such as brokers.toml.")
    topics = []
    taken: dict[tuple[Group, int], Topic] = {}
    for file in found:
        name = file.name.removesuffix(".toml")
        if not NAME.fullmatch(name):
            raise ConfigError(f"{file}: must be named in small letters, such as brokers.toml.")
        topic = topic_of(name, read_toml(file))
        if other := taken.get((topic.group, topic.place)):
            raise ConfigError(
                f"{topic.file}:{topic.lines['place']}: {other.file} has the same place in"
                f' "{topic.group}".'
            )
        taken[topic.group, topic.place] = topic
        topics.append(topic)
    order = list(Group)
    topics.sort(key=lambda topic: (order.index(topic.group), topic.place))
    return Guide(tuple(topics))


def topic_of(name: str, document: Document) -> Topic:
    """The topic in a TOML document. Raises ConfigError with file and line."""
    top = Table(document)
    groups = "|".join(Group)
    group = Group(top.text("group", re.compile(groups), " or ".join(f'"{one}"' for one in Group)))
    place = top.number("place", 1, 9)
    owner, circular = _fact(top, "owner"), _fact(top, "circular")
    reviewed, review_every = top.day("reviewed"), top.number("review_every", 1, 1000)
    if reviewed.year > 9000:
        top.refuse("reviewed", "lies too far ahead")
    lines = {key: top.line(key) for key in top.own_keys()}
    words = {}
    for key in lines:
        if isinstance(document.data[key], dict):
            if not CODE.fullmatch(key):
                top.refuse(key, "must be named after a language, such as fa or fa-latn")
            words[key] = _words(top.table(key), script="-" in key)
        elif key not in _KEYS:
            top.refuse(key, f"is not known here; known are {', '.join(sorted(_KEYS))}")
    if not words:
        top.refuse(None, "has no words; a language is a table such as [fa]")
    return Topic(
        name, document.name, group, place, owner, circular, reviewed, review_every, words, lines
    )


_KEYS = frozenset({"group", "place", "owner", "circular", "reviewed", "review_every"})


def _fact(table: Table, key: str) -> str:
    text = table.text_or_empty(key)
    if len(text) > LONGEST_FACT or not _LINE.fullmatch(text):
        table.refuse(key, f"must be a line of at most {LONGEST_FACT} characters")
    return text.strip()


def _words(table: Table, *, script: bool) -> TopicWords:
    title = table.text("title", _TITLE, "a line of at most 20 characters")
    ussd, sms = _text(table, "ussd"), _text(table, "sms")
    voice_title = "" if script else _text(table, "voice_title")
    voice = "" if script else _text(table, "voice")
    table.end()
    lines = {key: table.line(key) for key in ("title", "ussd", "sms")}
    if not script:
        lines |= {key: table.line(key) for key in ("voice_title", "voice")}
    return TopicWords(title, ussd, sms, voice_title, voice, lines)


def _text(table: Table, key: str) -> str:
    text = table.text(key, _LINES, "a text without control characters")
    if len(text) > LONGEST_TEXT:
        table.refuse(key, f"is longer than {LONGEST_TEXT} characters")
    return text.strip()
