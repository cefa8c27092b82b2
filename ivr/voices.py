"""
Voices: every phrase as a caller hears it, by language, and the recordings that takes.

One file for each language in config/voice, named after it. A phrase is a list of parts: a text,
which is one recording, or a value in braces, which is said in words of its own.

    covered_until = ["The treatment cover is in force until", "{valid_until}"]

`[choices]` are labels of options with their {key}; one that is the name of another language
("en") is said by that one; `topic` is said for each topic of the guide, by its {title}. `[call]`
holds what only a telephone says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from config.errors import ConfigError
from config.toml_lines import Document, read_toml
from dialogue.check_words import users
from dialogue.finding import Finding
from dialogue.guide import Guide
from dialogue.guide_words import our_guide, text_key, title_key
from dialogue.outline import outline
from dialogue.paths import reachable
from dialogue.phrases import VALUES, Phrases
from dialogue.toml_table import NAME, Table
from dialogue.tree import Menu, Message, Question, Tree
from ivr import english_words
from persian import words as persian_words
from telecom.channel import Channel

PAUSE = "pause"
"""A quarter of a second of silence, between groups of digits."""

OWN = ("repeat", "goodbye", "unserved")
LONGEST_TEXT = 400
MOST_PARTS = 12
_LINE = re.compile(r"[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*")

TOPIC = "topic"
"""The choice that is said for every topic of the guide, by its {title}."""

_KEYS_OF = {TOPIC: {"key", "title"}}
_WORDS = {"fa": persian_words.TEXTS, "en": english_words.TEXTS}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a phrase: the recording `clip` of `text`, or else a `value`."""

    clip: str = ""
    text: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A phrase in parts, and the line where it stands."""

    parts: tuple[Part, ...]
    line: int

    @property
    def values(self) -> frozenset[str]:
        """The values that it says."""
        return frozenset(part.value for part in self.parts if part.value)


@dataclass(frozen=True, slots=True)
class Voice:
    """One language. A choice may be the name of the language that says it instead."""

    code: str
    file: str
    phrases: Mapping[str, Spoken]
    choices: Mapping[str, Spoken | str]
    call: Mapping[str, Part]

    def recordings(self) -> Iterator[tuple[str, str]]:
        """Every recording that this voice needs: its name and its text, empty for silence."""
        yield PAUSE, ""
        yield from _WORDS[self.code].items()
        said = [
            *self.phrases.values(),
            *(c for c in self.choices.values() if not isinstance(c, str)),
        ]
        for part in [*(part for spoken in said for part in spoken.parts), *self.call.values()]:
            if part.clip:
                yield part.clip, part.text


Voices = Mapping[str, Voice]
"""The voices by language code."""


def load_voices(folder: Path | Traversable | None = None, guide: Guide | None = None) -> Voices:
    """Read every voice of a folder, and give each the guide; ours if none is given.

    Raises ConfigError.
    """
    source = folder or files("config") / "voice"
    try:
        found = sorted(
            (entry for entry in source.iterdir() if entry.name.endswith(".toml")),
            key=lambda entry: entry.name,
        )
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror}).") from None
    voices = {}
    for file in found:
        code = file.name.removesuffix(".toml")
        if code not in _WORDS:
            raise ConfigError(f"{file}: numbers are spoken in {', '.join(_WORDS)} alone.")
        voices[code] = voice_of(code, read_toml(file))
    if not voices:
        raise ConfigError(f"{source}: holds no voice such as fa.toml.")
    for voice in voices.values():
        for label, choice in voice.choices.items():
            if isinstance(choice, str) and choice not in voices:
                raise ConfigError(
                    f'{source}: {choice}.toml is missing; {voice.file} leaves it to say "{label}".'
                )
            if isinstance(choice, str) and isinstance(_choice(voices, choice, label), str):
                raise ConfigError(f'{voice.file}: "{choice}" has no choice "{label}" to say.')
    known = guide or our_guide()
    return {code: _with_guide(voice, known) for code, voice in voices.items()}


def _with_guide(voice: Voice, guide: Guide) -> Voice:
    """The voice, and with it the topics of the guide: a text, and a choice by its title."""
    line = voice.choices.get(TOPIC)
    phrases, choices = dict(voice.phrases), dict(voice.choices)
    choices.pop(TOPIC, None)
    for topic in guide.topics:
        words = topic.words.get(voice.code)
        if words is None or not words.voice:
            continue
        text = Part(clip=f"guide/{topic.name}", text=" ".join(words.voice.split()))
        title = Part(clip=f"guide/{topic.name}-title", text=" ".join(words.voice_title.split()))
        phrases[text_key(topic.name)] = Spoken((text,), words.lines["voice"])
        if isinstance(line, Spoken):
            parts = tuple(title if part.value == "title" else part for part in line.parts)
            choices[title_key(topic.name)] = Spoken(parts, line.line)
    return replace(voice, phrases=phrases, choices=choices)


def _choice(voices: Voices, code: str, label: str) -> Spoken | str:
    voice = voices.get(code)
    return voice.choices.get(label, "") if voice else ""


def voice_of(code: str, document: Document) -> Voice:
    """The voice in a TOML document. Raises ConfigError with file and line."""
    top = Table(document)
    phrases = top.table("phrases")
    choices = top.table("choices")
    call = top.table("call")
    own = {name: Part(f"call/{name}", _text(call, name)) for name in OWN}
    call.end()
    spoken = {key: _spoken(document, phrases, "phrases", key, VALUES) for key in phrases.own_keys()}
    said: dict[str, Spoken | str] = {}
    for key in choices.own_keys():
        if isinstance(document.data["choices"][key], str):
            said[key] = choices.name(key)
        else:
            said[key] = _spoken(
                document, choices, "choices", key, VALUES | _KEYS_OF.get(key, {"key"})
            )
    top.end()
    return Voice(code, document.name, spoken, said, own)


def _text(table: Table, key: str) -> str:
    text = table.text(key)
    if len(text) > LONGEST_TEXT or not _LINE.fullmatch(text):
        table.refuse(key, f"must be a line of at most {LONGEST_TEXT} characters")
    return text


def _spoken(
    document: Document, table: Table, name: str, key: str, values: frozenset[str]
) -> Spoken:
    if not NAME.fullmatch(key):
        table.refuse(key, "must be a name of small letters, digits and _, such as ask_id")
    found = document.data[name][key]
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_PARTS:
        table.refuse(key, f"must be a list of 1 to {MOST_PARTS} parts")
    stem = key if name == "phrases" else f"choice/{key}"
    parts: list[Part] = []
    for number, item in enumerate(found, 1):
        if not isinstance(item, str) or not _LINE.fullmatch(item):
            table.refuse(key, "must hold texts and {values} alone")
        if len(item) > LONGEST_TEXT:
            table.refuse(key, f"has a part longer than {LONGEST_TEXT} characters")
        if not set(item) & set("{}"):
            clip = stem if len(found) == 1 else f"{stem}-{number}"
            parts.append(Part(clip=clip, text=item))
        elif item.startswith("{") and item.endswith("}") and item[1:-1] in values:
            parts.append(Part(value=item[1:-1]))
        else:
            known = ", ".join(f"{{{value}}}" for value in sorted(values))
            table.refuse(key, f"has braces that are no part of their own; known are {known}")
    return Spoken(tuple(parts), table.line(key))


def _said(tree: Tree) -> tuple[set[str], set[str]]:
    """Every phrase that a call can come to, and every label of an option."""
    keys: set[str] = set()
    labels: set[str] = set()
    reached = reachable(tree)
    for screen in (screen for name, screen in tree.screens.items() if name in reached):
        match screen:
            case Menu():
                keys |= {screen.title, screen.wrong}
                labels |= {option.label for option in screen.options}
            case Question():
                keys |= {screen.prompt, *screen.wrong.values()}
                labels |= {choice.label for choice in screen.choices}
            case Message():
                keys |= {*screen.say, *screen.also}
    return keys, labels


def voice_findings(voices: Voices, tree: Tree, phrases: Phrases) -> list[Finding]:
    """What a caller would miss: a language, a phrase, a value, a choice or its key, unsaid.

    The tree and the phrases are proven before (dialogue/check.py).
    """
    found = []
    tree = tree.on(Channel.VOICE)
    said_keys, labels = _said(tree)
    whose = users(tree)

    def finding(file: str, line: int, message: str, key: str) -> Finding:
        screen = whose[key].name
        return Finding(file, line, message, screen, outline(tree, phrases, screen))

    for code in tree.languages:
        voice = voices.get(code)
        if voice is None:
            found.append(Finding(f"{code}.toml", 1, f'there is no voice for "{code}".'))
            continue
        for key in sorted(said_keys):
            phrase, spoken = phrases[code].phrases[key], voice.phrases.get(key)
            if spoken is None:
                found.append(finding(voice.file, 1, f'"phrases.{key}" is missing.', key))
            elif spoken.values != phrase.values:
                said = f'"phrases.{key}" does not say the values of its written phrase.'
                found.append(finding(voice.file, spoken.line, said, key))
        for label in sorted(labels):
            choice = voice.choices.get(label)
            if choice is None:
                found.append(finding(voice.file, 1, f'"choices.{label}" is missing.', label))
            elif not isinstance(choice, str) and "key" not in choice.values:
                said = f'"choices.{label}" does not say its {{key}}.'
                found.append(finding(voice.file, choice.line, said, label))
    return sorted(found)
