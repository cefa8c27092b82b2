"""
Reads a screen back: which outcome it tells, which day, which code.

The demo compares what people are shown on every route, so it must understand a text as they do.
It knows the phrases and nothing of the answer behind them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dialogue.phrases import Language, Phrases
from dialogue.texts import TEXTS
from dialogue.tree import WRONG_ID, Branch, Lookup, Message, Question, Tree
from eligibility.verdict import Outcome
from persian.digits import to_ascii_digits

_SHAPES = {
    "valid_until": r"(?P<day>[\d/]+)",
    "since": r"(?P<day>[\d/]+)",
    "as_of": r"(?P<as_of>[\d/]+)",
    "code": r"(?P<code>\d{11})",
    "minutes": r"\d+",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person learns from a screen: dates are Jalali in Latin digits."""

    outcome: Outcome
    day: str | None
    code: str | None
    stale: bool


def read_back(tree: Tree, phrases: Phrases, text: str) -> Seen | None:
    """What this screen tells, in whichever language; None where it tells no outcome."""
    screen = _flat(text)
    found: list[tuple[int, Seen]] = []
    for language in phrases.values():
        for outcome, key in (*telling(tree), *texting()):
            if key not in language.phrases:
                continue
            told = re.match(_pattern(language, key), screen)
            if told:
                code = re.search(r"(?<!\d)\d{11}(?!\d)", screen[told.end() :])
                parts = told.groupdict()
                seen = Seen(
                    outcome,
                    parts.get("day"),
                    parts.get("code") or (code[0] if code else None),
                    stale="as_of" in parts,
                )
                found.append((told.end(), seen))
    # Of two phrases that both fit, the longer one was said.
    return max(found, key=lambda pair: pair[0])[1] if found else None


def telling(tree: Tree) -> Iterator[tuple[Outcome, str]]:
    """Every phrase that tells an outcome in a dialogue."""
    for screen in tree.screens.values():
        if isinstance(screen, Question) and screen.ask == "national_id":
            for key in screen.wrong.values():
                yield Outcome.INVALID_ID, key
        if isinstance(screen, Lookup) and screen.what == "eligibility":
            for branch, name in screen.on.items():
                message = tree.screens[name]
                if branch is not Branch.OVER_BUDGET and isinstance(message, Message):
                    for key in message.say:
                        yield Outcome(branch), key


def texting() -> Iterator[tuple[Outcome, str]]:
    """Every phrase that tells an outcome to somebody who wrote."""
    told = {
        "covered": Outcome.COVERED,
        "not_covered": Outcome.NOT_COVERED,
        "pending": Outcome.PENDING_PAYMENT,
        "not_found": Outcome.NOT_FOUND,
        "cannot_check": Outcome.CANNOT_CHECK,
    } | {f"wrong_{wrong}": Outcome.INVALID_ID for wrong in WRONG_ID}
    for name, outcome in told.items():
        for key in TEXTS[name].say:
            yield outcome, key


def _pattern(language: Language, key: str) -> str:
    parts = re.split(r"\{(\w+)\}", _flat(language.phrases[key].text))
    return "".join(_SHAPES[part] if n % 2 else re.escape(part) for n, part in enumerate(parts))


def _flat(text: str) -> str:
    return " ".join(to_ascii_digits(text).split())
