"""
What people type, and whether it fits.

    ask             an answer                             what may be wrong with it
    national_id     ten or twelve digits; not read here   length, short, check_digit, characters
    tracking_code   eleven digits with their check        length, check_digit, characters
    mobile          an Iranian mobile number              number
    choice          the key of one of the choices         choice
    digits          so many digits, within a range        length, range, characters
    free_text       so many characters                    length

Digits of any script, blanks, dashes and marks are all the same. A national ID goes to the lookup
as it was typed, since nothing here keeps one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dialogue.tree import WRONG_ID, Option, Question
from eligibility.tracking_code import LENGTH as CODE_DIGITS
from eligibility.tracking_code import is_code
from persian.letters import normalise
from telecom.msisdn import Msisdn, NotAnMsisdn

ASKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "national_id": WRONG_ID,
        "tracking_code": ("length", "check_digit", "characters"),
        "mobile": ("number",),
        "choice": ("choice",),
        "digits": ("length", "range", "characters"),
        "free_text": ("length",),
    }
)
"""What can be asked for, and what can be wrong with an answer to it."""

LONGEST_CHOICE = 32
"""An answer to a menu beyond this is no choice, and is not looked at closely."""

LONGEST_NUMBER = 64
LONGEST_TEXT = 160
MOST_DIGITS = 9
"""An ID has ten digits or twelve; whatever has fewer can be kept with a conversation."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
# Eight digits or more, whatever stands between them: it may be an ID, or an ID that lost its zeros.
_LIKE_AN_ID = re.compile(r"\d(?:[\W_]*\d){7,}")


@dataclass(frozen=True, slots=True)
class Right:
    """An answer that fits, as it is kept."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with an answer."""

    reason: str


def chosen(options: tuple[Option, ...], text: str) -> Option | None:
    """The option whose key was typed."""
    key = normalise(text) if len(text) <= LONGEST_CHOICE else ""
    key = key.replace(" ", "").strip("*#.-)(")
    for option in options:
        if option.key == key:
            return option
    return None


def read_answer(question: Question, text: str) -> Right | Wrong:
    """An answer to a question. Total; a national ID is always right here."""
    match question.ask:
        case "tracking_code":
            return _code(text)
        case "mobile":
            return _mobile(text)
        case "choice":
            option = chosen(question.choices, text)
            return Right(option.value) if option else Wrong("choice")
        case "digits":
            return _number(question, text)
        case "free_text":
            return _free(question, text)
    return Right(text)


def most_digits(question: Question) -> int:
    """How many digits an answer has at most; 0 where it cannot be given in digits."""
    match question.ask:
        case "national_id":
            return 12
        case "tracking_code" | "mobile":
            return 11
        case "choice":
            return max(len(option.key) for option in question.choices)
        case "digits" if question.length:
            return question.length[1]
    return 0


def masked(text: str) -> str:
    """A text of somebody's own in which nothing is left that may be an ID but its last digits."""
    return _LIKE_AN_ID.sub(lambda found: "…" + re.sub(r"\D", "", found[0])[-3:], text)


def _digits(text: str) -> str | None:
    plain = normalise(text) if len(text) <= LONGEST_NUMBER else ""
    plain = re.sub(r"[ .\-()/]", "", plain).strip("*#")
    return plain if plain.isascii() and plain.isdigit() else None


def _code(text: str) -> Right | Wrong:
    digits = _digits(text)
    if digits is None:
        return Wrong("characters")
    if len(digits) != CODE_DIGITS:
        return Wrong("length")
    return Right(digits) if is_code(digits) else Wrong("check_digit")


def _mobile(text: str) -> Right | Wrong:
    try:
        number = Msisdn.parse(text.strip().rstrip("#"))
    except NotAnMsisdn:
        return Wrong("number")
    return Right(number.digits) if number.is_mobile else Wrong("number")


def _number(question: Question, text: str) -> Right | Wrong:
    digits = _digits(text)
    if digits is None:
        return Wrong("characters")
    least, most = question.length or (1, MOST_DIGITS)
    if not least <= len(digits) <= most:
        return Wrong("length")
    if question.span and not question.span[0] <= int(digits) <= question.span[1]:
        return Wrong("range")
    return Right(digits)


def _free(question: Question, text: str) -> Right | Wrong:
    # One character more than allowed is already too long; no more of it is looked at.
    least, most = question.length or (1, LONGEST_TEXT)
    if len(text) > 4 * LONGEST_TEXT:
        return Wrong("length")
    plain = " ".join(_CONTROLS.sub(" ", text).split())
    if not least <= len(plain) <= most:
        return Wrong("length")
    return Right(masked(plain))
