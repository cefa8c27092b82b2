"""Texts on a screen of 160 octets."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telecom import gsm0338
from telecom.screen import USSD_OCTETS, Limit, fits, octets_of, pages

MORE = "0 ادامه"
BACK = "00 قبلی"
PIECES = st.lists(
    st.sampled_from(
        (
            *(" ", "\n", "\n\n", "  ", "\u00a0", "\u200c", "\u0301", "😀", "👍🏽", "e\u0301"),
            *("a", "word", "€uro", "x" * 90, "کد", "می\u200cخواهم", "1 اعتبار درمان"),
            *("۱۴۰۵/۱۲/۲۹", "48305172606"),
        )
    ),
    max_size=120,
).map("".join)
TEXTS = st.one_of(st.text(max_size=400), PIECES)
KEYS = st.sampled_from([(MORE, BACK), ("0 More", "00 Back")])


def bodies(screens: list[str], more: str, back: str) -> list[str]:
    """The pages without their key lines, which must be there."""
    found = []
    for number, screen in enumerate(screens):
        below = f"\n{more}" if number < len(screens) - 1 else ""
        below += f"\n{back}" if number else ""
        assert screen.endswith(below)
        found.append(screen.removesuffix(below))
    return found


def test_what_a_screen_holds() -> None:
    """A screen holds 182 Latin characters or 80 of Persian, and not one more."""
    assert octets_of("a" * 182) == USSD_OCTETS
    assert fits("a" * 182)
    assert not fits("a" * 183)
    assert fits("€" * 91)
    assert not fits("€" * 92)
    assert fits("ی" * 80)
    assert not fits("ی" * 81)
    assert fits("😀" * 40)
    assert not fits("😀" * 40 + "a")
    assert not fits("a" * 80 + "ی")
    assert octets_of("") == 0
    assert octets_of("1234567") == 7
    assert octets_of("12345678") == 7


@given(st.text())
def test_octets_are_those_on_the_air(text: str) -> None:
    """The size counted is the size sent."""
    if gsm0338.encodable(text):
        assert octets_of(text) == -(-len(gsm0338.encode(text)) * 7 // 8)
    else:
        assert octets_of(text) == len(text.encode("utf-16-be"))


@given(TEXTS, KEYS)
@example("x" * 90 + "\n" + "ی" * 90, (MORE, BACK))
@example("a" + "\u0301" * 500, (MORE, BACK))
@example("9" * 1000, (MORE, BACK))
@example(" " * 1000, (MORE, BACK))
@example("a" + " " * 1000 + "ی", (MORE, BACK))
@example("\ud83d" * 200, (MORE, BACK))
@example("a\n" + "کد " * 100, ("m" * 29, "b" * 29))
def test_every_page_fits_and_nothing_is_lost(text: str, keys: tuple[str, str]) -> None:
    """Whatever the text, every page fits the screen and the pages together say all of it."""
    screens = pages(text, *keys)
    assert all(fits(screen) for screen in screens)
    if fits(text):
        assert screens == [text]
    elif text.strip():
        found = bodies(screens, *keys)
        assert all(body.strip() for body in found)
        assert "".join("".join(found).split()) == "".join(text.split())


@given(st.lists(st.text("کدملیabc۱23/.\u200c", min_size=1, max_size=40), max_size=60), st.data())
def test_words_stay_whole(words: list[str], data: st.DataObject) -> None:
    """No word, number or date that fits on a page is cut, and lines stay lines."""
    ends = [data.draw(st.sampled_from([" ", "\n"])) for _ in words]
    text = "".join(word + end for word, end in zip(words, ends, strict=True)).strip()
    screens = pages(text, MORE, BACK)
    if len(screens) > 1:
        found = bodies(screens, MORE, BACK)
        assert [word for body in found for word in body.split()] == words
        assert all(body in text for body in found)


@pytest.mark.parametrize("number", ["48305172606", "۱۴۰۵/۱۲/۲۹", "12.5", "۱۰٬۰۰۰٬۰۰۰"])
def test_a_number_in_an_endless_word(number: str) -> None:
    """Even in a word longer than a screen, a number or date stands on one page."""
    for letters in range(50, 160):
        text = "ک" * letters + number + "ک" * letters
        assert sum(number in screen for screen in pages(text, MORE, BACK)) == 1


@pytest.mark.parametrize("whole", ["ی\u200cم", "e\u0301\u0323", "👍🏽", "👩\u200d👦", "کِّ"])
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_letter_keeps_its_marks(whole: str, before: int) -> None:
    """A letter is never parted from its marks, nor a word cut at a ZWNJ."""
    text = "ب" * before + whole * 60
    found = bodies(pages(text, MORE, BACK), MORE, BACK)
    assert len(found) > 1
    assert found[0].startswith("ب" * before + whole)
    for body in found:
        assert re.fullmatch(f"ب*(?:{whole})+", body)


def test_a_menu_is_cut_between_its_lines() -> None:
    """A long menu goes on with the next option, not in the middle of one."""
    options = [f"{key} گزینه شماره {key} از فهرست خدمات" for key in range(1, 9)]
    text = "\n".join(["خدمات", *options])
    found = bodies(pages(text, MORE, BACK), MORE, BACK)
    assert [line for body in found for line in body.split("\n")] == ["خدمات", *options]


def test_the_alphabet_is_judged_page_by_page() -> None:
    """A Latin page holds 182 characters though a later page is Persian."""
    text = "Latin words, " * 12 + "\n" + "واژه‌های فارسی " * 5
    screens = pages(text.strip(), "0 More", "00 Back")
    assert gsm0338.encodable(screens[0])
    assert len(screens[0]) > 150
    assert not gsm0338.encodable(screens[-1])


def test_key_lines_too_long() -> None:
    """Key lines that leave no room for a text are refused, not sent."""
    with pytest.raises(ValueError, match="no room"):
        pages("ی" * 81, "ی" * 40, "ی" * 30)
    assert pages("کوتاه", "ی" * 40, "ی" * 30) == ["کوتاه"]


@given(TEXTS, st.integers(80, 160), st.booleans())
def test_a_gateway_that_shows_less(text: str, octets: int, gsm: bool) -> None:
    """Where a gateway has smaller screens, or no GSM alphabet, every page fits it all the same."""
    limit = Limit(octets, gsm)
    screens = pages(text, MORE, BACK, limit)
    assert all(limit.fits(screen) for screen in screens)
    if not gsm:
        units = [len(screen.encode("utf-16-be", "surrogatepass")) for screen in screens]
        assert max(units) <= octets
    if len(screens) > 1 and text.strip():
        found = bodies(screens, MORE, BACK)
        assert "".join("".join(found).split()) == "".join(text.split())
