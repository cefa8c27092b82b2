"""
The guide's words among the phrases: guide.brokers.title for a menu, guide.brokers for a screen,
guide.brokers.sms for a text message.

No phrase of an author has a dot in its name, so none is hidden.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from dialogue.guide import Guide, load_guide
from dialogue.phrases import Language, Phrase, Phrases

PREFIX = "guide."
_TITLE = ".title"


def text_key(topic: str) -> str:
    """The phrase that says what a topic is."""
    return f"{PREFIX}{topic}"


def sms_key(topic: str) -> str:
    """The phrase that is a topic's text message."""
    return f"{PREFIX}{topic}.sms"


def title_key(topic: str) -> str:
    """The phrase for a topic's line in a menu."""
    return f"{PREFIX}{topic}{_TITLE}"


def titles(language: Language) -> Iterator[tuple[str, str]]:
    """Every topic that a language has words for, and its title."""
    for key, phrase in language.phrases.items():
        if key.startswith(PREFIX) and key.endswith(_TITLE):
            name = key.removeprefix(PREFIX).removesuffix(_TITLE)
            yield name, phrase.text.format()


@cache
def our_guide() -> Guide:
    """The guide that comes with Dargah. Raises ConfigError."""
    return load_guide()


def with_guide(phrases: Phrases, guide: Guide) -> Phrases:
    """The phrases, and the guide's words with them, in the languages that both have."""
    return {code: _with_guide(language, guide) for code, language in phrases.items()}


def _with_guide(language: Language, guide: Guide) -> Language:
    texts: dict[str, Phrase] = {}
    for topic in guide.topics:
        words = topic.words.get(language.code)
        if words is not None:
            texts[text_key(topic.name)] = _plain(words.ussd, words.lines["ussd"], topic.file)
            texts[sms_key(topic.name)] = _plain(words.sms, words.lines["sms"], topic.file)
            texts[title_key(topic.name)] = _plain(words.title, words.lines["title"], topic.file)
    merged: Mapping[str, Phrase] = {**language.phrases, **texts}
    return replace(language, phrases=merged)


def _plain(text: str, line: int, file: str) -> Phrase:
    """A text without values: its braces are braces."""
    return Phrase(text.replace("{", "{{").replace("}", "}}"), frozenset(), line, file)
