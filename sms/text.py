"""
From what a person wrote to what they want to know.

    0012345679      کد ملی: ۰۰۱-۲۳۴۵۶۷-۹      0 0 1 2 3 4 5 6 7 9      an ID
    پیگیری 48305172606                                                  a tracking code
    راهنما      help      (nothing)      anything else                  help

Digits that only blanks, dashes, dots, commas, slashes or underscores part may be one number or
several: whole numbers standing by themselves are looked for first, then what the stretch makes
when joined. A line's end parts numbers, unless nothing is found that way. Ten digits whose check
holds go before twelve, which have no check, and before whatever is wrong. A date is no number.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from eligibility.national_id import InvalidId, NationalId
from eligibility.tracking_code import LENGTH as CODE_DIGITS
from eligibility.tracking_code import is_code
from persian.letters import normalise

LONGEST: Final = 1000
"""Characters looked at; a message of three parts has about two hundred."""

LONGEST_NAME: Final = 60
"""Characters in which somebody names a service."""

LIKE_AN_ID: Final = range(6, 20)
"""So many digits were meant for an ID, if there is nothing better; fewer are something else."""

_DASHES: Final = "\\-\u2010-\u2015\u2212._,/\u060c\u066b\u066c\u2044"
_DATE: Final = re.compile(
    r"[0-9]{4}([/.-])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([/.-])[0-9]{1,2}\2[0-9]{4}"
)
_STRETCH: Final = re.compile(rf"(?<![0-9+])[0-9](?:[ {_DASHES}]*[0-9])*")
_LATIN_WORD: Final = re.compile(r"[A-Za-z]{2,}")
# No word that Persian in Latin letters has too, such as "in", "to", "are" and "do".
_ENGLISH: Final = re.compile(
    r"\b(?:answer|booklet|check|could|cover(?:age|ed)?|does|eligib\w+|en|english|for|from|hello"
    r"|help|how|id|info\w*|inquiry|insur\w+|is|my|national|need|not|number|of|please|question"
    r"|send|sir|status|thanks?|the|this|tracking|treatment|until|valid\w*|want|what|when|where"
    r"|which|who|will|with|would|yes|you|your)\b",
    re.IGNORECASE,
)
_ARABIC_LETTER: Final = re.compile(r"[\u0621-\u06d3\u06fa-\u06ff\ufb50-\ufdff\ufe70-\ufefc]")


class Why(StrEnum):
    """Why there is only help to give."""

    ASKED = "asked"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Is this person covered? The ID may still turn out to be wrong."""

    national_id: str = field(repr=False)
    latin: bool = False
    english: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """What was told under this tracking code? Eleven digits whose check may still fail."""

    code: str
    latin: bool = False
    english: bool = False


@dataclass(frozen=True, slots=True)
class Help:
    """How to ask, or to ask one thing at a time."""

    why: Why = Why.ASKED
    latin: bool = False
    english: bool = False
    about: str = field(default="", compare=False, repr=False)


Request = Eligibility | Code | Help
"""`latin`: written in Latin letters, so that Latin letters can be read; `english`: in words that
no Persian in Latin letters has. `about`: the words themselves where they are few; they may be the
name of a service."""


def read(text: str) -> Request:
    """What a text asks for. Total."""
    text = text[:LONGEST]
    latin = bool(_LATIN_WORD.search(text)) and not _ARABIC_LETTER.search(text)
    english = latin and bool(_ENGLISH.search(text))
    lines = [line for line in map(normalise, text.splitlines()) if line]
    found = _find(lines) or (_find([" ".join(lines)]) if len(lines) > 1 else None)
    match found or _wrong(lines):
        case [one] if len(one) == CODE_DIGITS and one[0] != "0":
            return Code(one, latin, english)
        case [one]:
            return Eligibility(one, latin, english)
        case [_, *_]:
            return Help(Why.SEVERAL, latin, english)
    about = " ".join(lines)
    return Help(Why.ASKED, latin, english, about if len(about) <= LONGEST_NAME else "")


def _find(lines: list[str]) -> list[str] | None:
    """IDs and codes that may be right, each once, in the order they were written."""
    checked: dict[str, None] = {}
    beside: dict[str, None] = {}
    foreign: dict[str, None] = {}
    for stretch in _stretches(lines):
        groups = re.findall("[0-9]+", stretch)
        joined = "".join(groups)
        whole = [group for group in groups if _is_checked(group)] or (
            [joined] if _is_checked(joined) else []
        )
        checked.update(dict.fromkeys(whole))
        if joined in whole:
            continue
        beside.update(dict.fromkeys(group for group in groups if _rivals(group)))
        foreign.update(dict.fromkeys(group for group in groups if len(group) == 12))
        if len(joined) == 12 and not whole:
            foreign[joined] = None
    if not checked:
        return list(foreign) or None
    # A reply names no number: with a second one in the text, nobody could tell whose it is.
    return list(checked | beside)


def _rivals(digits: str) -> bool:
    """Whether this could have been meant beside an ID: it is as long, and no mobile number."""
    if len(digits) == 10:
        return digits[0] != "9" or _is_checked(digits)
    return len(digits) == 12 and not digits.startswith("989")


def _wrong(lines: list[str]) -> list[str]:
    """What was meant for an ID or a code, and is none."""
    found: dict[str, None] = {}
    for stretch in _stretches(lines):
        if _DATE.fullmatch(stretch):
            continue
        groups = re.findall("[0-9]+", stretch)
        joined = "".join(groups)
        long = [group for group in groups if len(group) in LIKE_AN_ID]
        # Two long numbers side by side are two; else the blanks are only blanks.
        if len(long) > 1:
            found.update(dict.fromkeys(long))
        elif len(joined) >= LIKE_AN_ID.start:
            found[long[0] if long else joined] = None
    return list(found)


def _stretches(lines: list[str]) -> list[str]:
    return [stretch for line in lines for stretch in _STRETCH.findall(line)]


def _is_checked(digits: str) -> bool:
    """Whether these digits are an ID or a code whose check holds."""
    if len(digits) == CODE_DIGITS:
        return is_code(digits)
    if len(digits) != 10:
        return False
    try:
        NationalId.parse(digits)
    except InvalidId:
        return False
    return True
