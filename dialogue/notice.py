"""
A notice: one sentence that stands before everything on every channel, until it ends by itself.

    USSD       before the first screen; pages where both do not fit on one
    SMS        before the answer where both are one message, else it is left out
    telephone  the recording "notice" of the caller's language, where there is one

A language without a text of its own has no notice: nobody is shown what they cannot read.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from config.errors import ConfigError
from dialogue.phrases import Phrases
from telecom import gsm0338
from telecom.screen import pages

RECORDING = "notice"
"""The name of its recording, in the folder of each language."""

LONGEST = 200
MOST_OCTETS = 8192


@dataclass(frozen=True, slots=True)
class Notice:
    """The sentence by language, when it ends (aware), and who set it when.

    `spoken`: the languages whose recording says this notice, and not an earlier one.
    """

    texts: Mapping[str, str]
    until: datetime
    by: str
    at: datetime
    spoken: frozenset[str] = frozenset()

    def text(self, language: str) -> str | None:
        """What is written before everything in a language; None if nothing is."""
        return self.texts.get(language)

    def to_json(self) -> str:
        """As it is kept."""
        kept = {
            "texts": dict(self.texts),
            "until": self.until.isoformat(),
            "by": self.by,
            "at": self.at.isoformat(),
            "spoken": sorted(self.spoken),
        }
        return json.dumps(kept, ensure_ascii=False)

    @classmethod
    def from_json(cls, kept: bytes) -> "Notice | None":
        """The notice that was kept; None for what is none."""
        try:
            fields: Any = json.loads(kept) if len(kept) <= MOST_OCTETS else None
        except (ValueError, RecursionError):
            return None
        match fields:
            case {
                "texts": dict(texts),
                "until": str(until),
                "by": str(by),
                "at": str(at),
                "spoken": list(spoken),
            }:
                try:
                    moments = [datetime.fromisoformat(each) for each in (until, at)]
                    notice = cls(texts, moments[0], by, moments[1], frozenset(map(str, spoken)))
                except ValueError:
                    return None
                aware = notice.until.tzinfo and notice.at.tzinfo
                sound = all(isinstance(each, str) and fit(each) for each in texts.values())
                return notice if aware and sound else None
        return None


def fit(text: str) -> bool:
    """Whether this is one line of a length that can be shown at all."""
    return 0 < len(text) <= LONGEST and text.isprintable() and bool(text.strip())


def problems(texts: Mapping[str, str], phrases: Phrases) -> Iterator[str]:
    """What is wrong with a notice's texts, in sentences; nothing if they may be set."""
    for code, text in texts.items():
        language = phrases.get(code)
        if language is None:
            yield f'the dialogue has no language "{code}"; it has {", ".join(sorted(phrases))}.'
            continue
        if not fit(text):
            yield f'the notice in "{code}" must be one line of 1 to {LONGEST} characters.'
            continue
        if language.gsm_only and not gsm0338.encodable(text):
            other = next(char for char in text if not gsm0338.encodable(char))
            yield f'the notice in "{code}" has {other!r}, which the GSM 7-bit alphabet lacks.'
        # The key line that leads on must stand below it.
        if len(pages(f"{text}\n{language.more}", language.more, language.back)) > 1:
            yield (
                f'the notice in "{code}" does not fit on one USSD screen'
                f' ({len(text)} characters, and the line "{language.more}" below it); shorten it.'
            )


def proven(notice: Notice, phrases: Phrases) -> Notice:
    """The notice, if nothing is wrong with it. Raises ConfigError with the first problem."""
    for problem in problems(notice.texts, phrases):
        raise ConfigError(problem)
    return notice


def in_force(notice: Notice | None, now: datetime) -> Notice | None:
    """The notice, until it ends."""
    return notice if notice is not None and now.astimezone(UTC) < notice.until else None
