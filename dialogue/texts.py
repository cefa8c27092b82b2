"""
What is said to a person who wrote: one short message, without a conversation.

    what happened ─▶ the first phrase whose every value is known ─▶ 70 Persian characters at most

The phrases are those named sms_… in the phrase files; dialogue/check_texts.py proves them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dialogue.phrases import Language
from dialogue.steps import Value
from dialogue.words import phrase_text, spoken

PREFIX = "sms_"


@dataclass(frozen=True, slots=True)
class Text:
    """The phrases to choose from, and what is known: `always`, or `sometimes`."""

    say: tuple[str, ...]
    always: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()


def _one(name: str, *always: str) -> Text:
    return Text((PREFIX + name,), always)


TEXTS: Mapping[str, Text] = MappingProxyType(
    {
        "covered": Text(
            ("sms_covered_until_as_of", "sms_covered_until", "sms_covered_as_of", "sms_covered"),
            ("code",),
            ("valid_until", "as_of"),
        ),
        "not_covered": Text(
            (
                "sms_not_covered_since_as_of",
                "sms_not_covered_since",
                "sms_not_covered_as_of",
                "sms_not_covered",
            ),
            ("code",),
            ("since", "as_of"),
        ),
        "pending": Text(("sms_pending_as_of", "sms_pending"), ("code",), ("as_of",)),
        "not_found": Text(("sms_not_found_as_of", "sms_not_found"), ("code",), ("as_of",)),
        "cannot_check": _one("cannot_check", "code"),
        "over_budget": _one("over_budget", "minutes"),
        "wrong_length": _one("wrong_length"),
        "wrong_short": _one("wrong_short"),
        "wrong_check_digit": _one("wrong_check_digit"),
        "wrong_characters": _one("wrong_characters"),
        "help": _one("help"),
        "one_at_a_time": _one("one_at_a_time"),
        "told_covered": Text(
            ("sms_told_covered_until", "sms_told_covered"), ("told_on",), ("valid_until",)
        ),
        "told_not_covered": Text(
            ("sms_told_not_covered_since", "sms_told_not_covered"), ("told_on",), ("since",)
        ),
        "told_pending": _one("told_pending", "told_on"),
        "told_not_found": _one("told_not_found", "told_on"),
        "told_cannot_check": _one("told_cannot_check", "told_on"),
        "told_other": _one("told_other", "told_on"),
        "code_unknown": _one("code_unknown"),
        "code_unavailable": _one("code_unavailable"),
        "unavailable": _one("unavailable"),
    }
)
"""Everything that can be answered to a text. `told_…`: what was told under a tracking code."""

CORRECTIONS: Mapping[str, Text] = MappingProxyType(
    {
        "covered": Text(
            (
                "sms_correction_covered_until_as_of",
                "sms_correction_covered_until",
                "sms_correction_covered_as_of",
                "sms_correction_covered",
            ),
            ("code",),
            ("valid_until", "as_of"),
        ),
        "not_covered": Text(
            (
                "sms_correction_not_covered_since_as_of",
                "sms_correction_not_covered_since",
                "sms_correction_not_covered_as_of",
                "sms_correction_not_covered",
            ),
            ("code",),
            ("since", "as_of"),
        ),
        "pending": Text(
            ("sms_correction_pending_as_of", "sms_correction_pending"), ("code",), ("as_of",)
        ),
        "not_found": Text(
            ("sms_correction_not_found_as_of", "sms_correction_not_found"), ("code",), ("as_of",)
        ),
    }
)
"""What is sent to who was told something wrong. A language may lack all of these: phrases that were
written before there were any; then those that come with Dargah are said."""


def texts_in(language: Language) -> dict[str, Text]:
    """The texts that a language must have, and the corrections if it has one of them."""
    texts = dict(TEXTS)
    if has_corrections(language):
        texts |= {f"correction_{name}": text for name, text in CORRECTIONS.items()}
    return texts


def has_corrections(language: Language) -> bool:
    """Whether a language has any phrase of a correction."""
    return any(key in language.phrases for text in CORRECTIONS.values() for key in text.say)


def correction_of(language: Language, name: str, values: Mapping[str, Value]) -> str:
    """The words of a correction. Raises KeyError for a phrase or value that is not there."""
    (key,) = spoken(language, CORRECTIONS[name].say, (), values)
    return phrase_text(language, key, values)


def text_of(language: Language, name: str, values: Mapping[str, Value]) -> str:
    """The words. Raises KeyError for a phrase or value that is not there."""
    (key,) = spoken(language, TEXTS[name].say, (), values)
    return phrase_text(language, key, values)
