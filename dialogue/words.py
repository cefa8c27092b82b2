"""
From what to say to the words, in one language.

Dates are Jalali; Persian writes them, and numbers, in Persian digits. A tracking code stays in
Latin digits, since it is typed again. Persian digits and the slash between them keep their order
in a right-to-left line by themselves, so no bidi marks are needed.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from dialogue.phrases import Language, Phrases, read_as
from dialogue.steps import Show, Value
from persian.digits import to_persian_digits
from persian.jalali import jalali_date


def words(phrases: Phrases, show: Show) -> str:
    """The whole text of a step, one line for each choice.

    Raises KeyError for a language, phrase or value that is not there; a proven tree has none.
    """
    language = read_as(phrases, show.language)
    keys = spoken(language, show.say, show.also, show.values)
    if show.hint is not None:
        keys = [show.hint, *keys]
    lines = [phrase_text(language, key, show.values) for key in keys]
    lines += [
        f"{choice.key} {phrase_text(language, choice.label, show.values)}"
        for choice in show.choices
    ]
    return "\n".join(lines)


def spoken(
    language: Language, say: Sequence[str], also: Sequence[str], values: Mapping[str, Value]
) -> list[str]:
    """The phrases that are said, by their keys: the first of `say` that fits, then from `also`."""
    texts = language.phrases
    fitting = (key for key in say if texts[key].values <= values.keys())
    keys = [next(fitting, say[-1])] if say else []
    said = {value for key in keys for value in texts[key].values}
    for key in also:
        needs = texts[key].values
        if needs <= values.keys() and not needs <= said:
            keys.append(key)
            said |= needs
    return keys


def phrase_text(language: Language, key: str, values: Mapping[str, Value]) -> str:
    """One phrase with its values. Raises KeyError for a phrase or value that is not there."""
    phrase = language.phrases[key]
    return phrase.text.format_map({name: written(language, values[name]) for name in phrase.values})


def written(language: Language, value: Value) -> str:
    """A value as the language writes it."""
    if isinstance(value, str):
        return value
    text = jalali_date(value) if isinstance(value, date) else str(value)
    return to_persian_digits(text) if language.persian_digits else text
