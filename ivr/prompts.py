"""
From what to say to the prompts that say it.

A prompt's name is `dargah/<language>/<recording>`, below Asterisk's sounds folder. The order is
that of the screen: hint, phrases, choices.
"""

from collections.abc import Iterator, Mapping
from datetime import date

from dialogue.phrases import Phrases, language_of_script
from dialogue.steps import Choice, Show, Value
from dialogue.words import spoken
from ivr import english_words
from ivr.voices import PAUSE, Spoken, Voices
from persian import words as persian_words
from persian.jalali import jalali_date

FOLDER = "dargah"
"""The link below Asterisk's sounds folder to the gateway's prompts."""


class Prompts:
    """Says screens. A proven set of voices has a prompt for whatever a screen can hold."""

    def __init__(self, voices: Voices, phrases: Phrases) -> None:
        self._voices = voices
        self._phrases = phrases

    def screen(self, show: Show) -> tuple[str, ...]:
        """The prompts of a whole screen."""
        # A script is read, never heard.
        language = language_of_script(show.language)
        keys = spoken(self._phrases[language], show.say, show.also, show.values)
        if show.hint is not None:
            keys = [show.hint, *keys]
        voice = self._voices[language]
        names: list[str] = []
        for key in keys:
            names += self._said(language, voice.phrases[key], show.values)
        for choice in show.choices:
            names += self._choice(language, choice, show.values)
        return tuple(names)

    def own(self, language: str, name: str) -> str:
        """One of the sentences that only a telephone says: repeat, goodbye, unserved."""
        code = language_of_script(language)
        return f"{FOLDER}/{code}/{self._voices[code].call[name].clip}"

    def _choice(self, language: str, choice: Choice, values: Mapping[str, Value]) -> Iterator[str]:
        said = self._voices[language].choices[choice.label]
        if isinstance(said, str):
            return self._choice(said, choice, values)
        return self._said(language, said, {**values, "key": choice.key})

    def _said(self, language: str, phrase: Spoken, values: Mapping[str, Value]) -> Iterator[str]:
        for part in phrase.parts:
            names = (part.clip,) if part.clip else value_words(language, values[part.value])
            for name in names:
                yield f"{FOLDER}/{language}/{name}"


def value_words(language: str, value: Value) -> tuple[str, ...]:
    """A value as recordings: a Jalali date, a number, or digits one by one."""
    persian = language == "fa"
    if isinstance(value, date):
        year, month, day = map(int, jalali_date(value).split("/"))
        date_words = persian_words.date_words if persian else english_words.date_words
        return date_words(year, month, day)
    if isinstance(value, int):
        number_words = persian_words.number_words if persian else english_words.number_words
        return number_words(min(value, english_words.LARGEST))
    return persian_words.digit_words(value, pause=PAUSE)
