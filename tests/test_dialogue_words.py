"""The words that people read."""

from datetime import date, timedelta

import pytest

from dialogue.advance import advance
from dialogue.state import State
from dialogue.steps import Looked, Show
from dialogue.words import words, written
from eligibility.answer import Answer
from eligibility.verdict import CANNOT_CHECK, Outcome
from tests.scripted_inquirer import AS_OF, CODE, PHRASES, TREE, UNTIL, verdict


def told(answer: Answer, language: str = "fa") -> list[str]:
    """The lines that answer a look-up."""
    _, step = advance(TREE, State(TREE.digest, language, "eligibility"), Looked(answer))
    assert isinstance(step, Show)
    assert step.last
    return words(PHRASES, step).split("\n")


@pytest.mark.parametrize(
    ("answer", "fa", "en"),
    [
        (
            Answer(verdict(Outcome.COVERED, valid_until=UNTIL), CODE),
            ["اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.", "کد پیگیری: 48305172606"],
            [
                "The treatment cover is in force until 1405/12/29.",
                "Tracking code: 48305172606",
            ],
        ),
        (
            Answer(verdict(Outcome.COVERED, valid_until=UNTIL, stale=True), CODE),
            [
                "اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ است (طبق اطلاعات ۱۴۰۵/۰۸/۳۰).",
                "کد پیگیری: 48305172606",
            ],
            [
                "The treatment cover is in force until 1405/12/29 (as known on 1405/08/30).",
                "Tracking code: 48305172606",
            ],
        ),
        (
            Answer(verdict(Outcome.COVERED), CODE),
            ["اعتبار درمان برقرار است.", "کد پیگیری: 48305172606"],
            ["The treatment cover is in force.", "Tracking code: 48305172606"],
        ),
        (
            Answer(verdict(Outcome.NOT_COVERED, not_covered_since=UNTIL), CODE),
            ["اعتبار درمان از ۱۴۰۵/۱۲/۲۹ برقرار نیست.", "راهنمایی: 1420", "کد پیگیری: 48305172606"],
            [
                "The treatment cover has not been in force since 1405/12/29.",
                "For advice call 1420.",
                "Tracking code: 48305172606",
            ],
        ),
        (
            Answer(verdict(Outcome.NOT_COVERED, stale=True), CODE),
            [
                "اعتبار درمان برقرار نیست (اطلاعات ۱۴۰۵/۰۸/۳۰).",
                "تماس: 1420",
                "کد پیگیری: 48305172606",
            ],
            [
                "The treatment cover is not in force (as known on 1405/08/30).",
                "For advice call 1420.",
                "Tracking code: 48305172606",
            ],
        ),
        (
            Answer(verdict(Outcome.PENDING_PAYMENT), CODE),
            ["پرداخت حق بیمه هنوز ثبت نشده؛ لطفاً ۴۸ ساعت دیگر بپرسید.", "کد پیگیری: 48305172606"],
            [
                "A premium payment is not recorded yet. Please ask again in 48 hours.",
                "Tracking code: 48305172606",
            ],
        ),
        (
            Answer(verdict(Outcome.NOT_FOUND), CODE),
            [
                "این کد ملی پیدا نشد؛ لطفاً آن را بررسی کنید.",
                "تماس: 1420",
                "کد پیگیری: 48305172606",
            ],
            [
                "This national ID was not found. Please check it, or call 1420.",
                "Tracking code: 48305172606",
            ],
        ),
        (
            Answer(CANNOT_CHECK, CODE),
            ["اکنون پاسخ ممکن نیست؛ لطفاً کمی بعد دوباره بپرسید.", "کد پیگیری: 48305172606"],
            [
                "We cannot check this now. Please ask again in a little while.",
                "Tracking code: 48305172606",
            ],
        ),
    ],
)
def test_outcomes(answer: Answer, fa: list[str], en: list[str]) -> None:
    """Every outcome is said in both languages, with its dates and the code to quote."""
    assert told(answer) == fa
    assert told(answer, "en") == en


@pytest.mark.parametrize("outcome", set(Outcome) - {Outcome.INVALID_ID, Outcome.CANNOT_CHECK})
@pytest.mark.parametrize("language", ["fa", "en"])
def test_old_data_says_so(outcome: Outcome, language: str) -> None:
    """An answer from old data always names the day of the data, in Tehran; a fresh one does not."""
    late = AS_OF + timedelta(hours=14)  # past midnight in Tehran
    day = "۱۴۰۵/۰۹/۰۱" if language == "fa" else "1405/09/01"
    for stale in (True, False):
        lines = told(Answer(verdict(outcome, stale=stale, as_of=late), CODE), language)
        assert (day in "".join(lines)) == stale


def test_an_answer_without_a_code() -> None:
    """Should there be no code to quote, the verdict is told all the same."""
    assert told(Answer(verdict(Outcome.COVERED), None)) == ["اعتبار درمان برقرار است."]


def test_values() -> None:
    """Dates and numbers are in the language's own digits; a code is as it will be typed."""
    fa, en = PHRASES["fa"], PHRASES["en"]
    assert [written(fa, value) for value in (date(2026, 3, 21), 90, "0123")] == [
        "۱۴۰۵/۰۱/۰۱",
        "۹۰",
        "0123",
    ]
    assert [written(en, value) for value in (date(2026, 3, 21), 90, "0123")] == [
        "1405/01/01",
        "90",
        "0123",
    ]


def test_what_is_typed_again_is_in_latin_digits() -> None:
    """No Persian phrase shows 1420 or a menu key in digits that the keypad lacks."""
    for phrase in PHRASES["fa"].phrases.values():
        assert "۱۴۲۰" not in phrase.text
    assert PHRASES["fa"].more_key.isascii()
    assert PHRASES["fa"].back_key.isascii()
