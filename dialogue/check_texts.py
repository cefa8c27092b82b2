"""
The proof of the words for those who write: every phrase there, every value said, one message each.

One message is 70 UTF-16 units, or 160 characters of those that every SMSC reads the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations

from config.errors import ConfigError
from dialogue.finding import Finding
from dialogue.paths import LONGEST, Values
from dialogue.phrases import Phrases, codes_of
from dialogue.texts import CORRECTIONS, PREFIX, TEXTS, Text, texts_in
from dialogue.tree import Tree
from dialogue.words import phrase_text, spoken
from telecom.segments import split


@dataclass(frozen=True, slots=True)
class RenderedText:
    """One text with the longest values that it can hold, and the line of its phrase."""

    name: str
    language: str
    line: int
    text: str


def prove_texts(tree: Tree, phrases: Phrases) -> None:
    """Raises ConfigError with the first finding: there is no SMS without its words."""
    for finding in _findings(tree, phrases):
        raise ConfigError(str(finding))


def text_findings(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    """What is wrong with the words for SMS; nothing where no language has any.

    A language without its file is found by `word_findings`.
    """
    if not all(code in phrases for code in tree.languages):
        return
    if any(key.startswith(PREFIX) for language in phrases.values() for key in language.phrases):
        yield from _findings(tree, phrases)


def text_renderings(tree: Tree, phrases: Phrases) -> Iterator[RenderedText]:
    """Every text in every language. Raises KeyError where a phrase or value is missing."""
    for code in codes_of(tree.languages, phrases):
        language = phrases[code]
        for name, text in texts_in(language).items():
            for values in _situations(text):
                (key,) = spoken(language, text.say, (), values)
                words = phrase_text(language, key, values)
                yield RenderedText(name, code, language.phrases[key].line, words)


def _findings(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    missing = list(_missing(tree, phrases))
    yield from missing
    yield from _unused(tree, phrases)
    if missing:
        return
    unsaid = list(_unsaid(tree, phrases))
    yield from unsaid
    if unsaid:
        return
    for one in text_renderings(tree, phrases):
        parts = split(one.text, 0)
        if len(parts) > 1:
            shown = " / ".join(one.text.split("\n"))
            yield Finding(
                phrases[one.language].file,
                one.line,
                f"this text needs {len(parts)} short messages ({len(one.text)} characters; one"
                f" message is 70 in Persian); shorten it: {shown}",
                shown=one.text,
            )


def _situations(text: Text) -> list[Values]:
    sizes = range(len(text.sometimes) + 1)
    some = chain.from_iterable(combinations(text.sometimes, size) for size in sizes)
    return [{name: LONGEST[name] for name in (*text.always, *more)} for more in some]


def _missing(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    for code in codes_of(tree.languages, phrases):
        for text in texts_in(phrases[code]).values():
            for key in text.say:
                if key not in phrases[code].phrases:
                    yield Finding(phrases[code].file, 1, f'lacks "{key}", which SMS needs.')


def _unused(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    used = {key for text in (*TEXTS.values(), *CORRECTIONS.values()) for key in text.say}
    for language in (phrases[code] for code in codes_of(tree.languages, phrases)):
        for key, phrase in language.phrases.items():
            if key.startswith(PREFIX) and key not in used:
                yield Finding(language.file, phrase.line, f'no SMS uses the phrase "{key}".')


def _unsaid(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    for code in codes_of(tree.languages, phrases):
        language = phrases[code]
        for text in texts_in(language).values():
            for values in _situations(text):
                (key,) = spoken(language, text.say, (), values)
                phrase = language.phrases[key]
                if phrase.values != values.keys():
                    given = ", ".join(sorted(values)) or "nothing"
                    has = ", ".join(sorted(phrase.values)) or "nothing"
                    yield Finding(
                        language.file,
                        phrase.line,
                        f'"{key}" says {has} where {given} is known.',
                    )
