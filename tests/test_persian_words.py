import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.prompts import value_words
from persian.words import LARGEST, TEXTS, date_words, digit_words, number_words


def said(names: tuple[str, ...]) -> str:
    """The words as text, without the vowel marks that only a synthesiser needs."""
    text = " ".join(TEXTS[name] for name in names)
    return re.sub("[\u064e\u0650]", "", text)


def meaning(names: tuple[str, ...]) -> int:
    """A number back from its words, as a listener adds it up."""
    total = group = 0
    for name in names:
        value = int(name.removeprefix("number/").removesuffix("-o"))
        if value >= 1000:
            total, group = total + max(group, 1) * value, 0
        else:
            group += value
    return total + group


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "صفر"),
        (9, "نُه"),
        (20, "بیست"),
        (21, "بیستُ یک"),
        (31, "سییُ یک"),
        (100, "صد"),
        (105, "صدُ پنج"),
        (1000, "هزار"),
        (1405, "هزارُ چهارصدُ پنج"),
        (20_500, "بیست هزارُ پانصد"),
        (1_000_021, "یک میلیونُ بیستُ یک"),
        (2_000_000_000, "دو میلیارد"),
    ],
)
def test_numbers(value: int, text: str) -> None:
    """Numbers are spoken as Persian speakers say them: one thousand is "thousand", "and" is -o."""
    assert said(number_words(value)) == text


@given(st.integers(0, LARGEST))
@example(178_001_000)  # a thousand without its "one", after a million
def test_every_number(value: int) -> None:
    """Every number has words, means itself, and is linked by -o just where more is added."""
    names = number_words(value)
    assert meaning(names) == value
    assert set(names) <= TEXTS.keys()
    assert not names[-1].endswith("-o")
    sizes = [int(name.removeprefix("number/").removesuffix("-o")) for name in names]
    for name, (size, following) in zip(names, pairwise(sizes), strict=False):
        multiplies = size < 1000 <= following
        assert name.endswith("-o") is not multiplies


@pytest.mark.parametrize("value", [-1, LARGEST + 1])
def test_no_words(value: int) -> None:
    """A number that the words do not reach is refused, never said wrong."""
    with pytest.raises(ValueError, match="no words"):
        number_words(value)


def test_sixty_words_for_numbers() -> None:
    """Sixty recordings are enough for every number."""
    assert sum(name.startswith("number/") for name in TEXTS) == 60
    assert sum(name.startswith("day/") for name in TEXTS) == 31
    assert sum(name.startswith("month/") for name in TEXTS) == 12
    assert sum(name.startswith("digit/") for name in TEXTS) == 20


def test_dates() -> None:
    """A date is the day, the month and the year, each with its ezafe."""
    names = date_words(1404, 12, 29)
    assert " ".join(TEXTS[name] for name in names) == "بیستُ نُهمِ اسفندِ هزارُ چهارصدُ چهار"
    assert TEXTS["day/31"].startswith("سییُ یکم")
    assert {date_words(1405, 1, day)[0] for day in range(1, 32)} <= TEXTS.keys()


@given(st.text(alphabet="0123456789", min_size=1, max_size=30))
def test_digits(digits: str) -> None:
    """A code is read digit by digit, in groups of at most four but for short ones."""
    names = digit_words(digits, pause="pause")
    assert "".join(name[6] for name in names if name != "pause") == digits
    groups = " ".join(names).split(" pause ")
    assert all(group.endswith("-end") and group.count("-end") == 1 for group in groups)
    sizes = [len(group.split()) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    assert len(digits) <= 5 or (max(sizes) <= 4 and min(sizes) >= 3)


@pytest.mark.parametrize("text", ["", "12a", "۱۲", "1 2", "²"])
def test_not_digits(text: str) -> None:
    """What is not plain digits is not read out as digits."""
    with pytest.raises(ValueError, match="not digits"):
        digit_words(text, pause="pause")


def test_all_days_have_words() -> None:
    """Every day of many years can be said."""
    for offset in range(0, 20_000, 7):
        day = date(1990, 1, 1) + timedelta(offset)
        assert set(value_words("fa", day)) <= TEXTS.keys()
