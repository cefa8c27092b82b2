"""Spellings that are one word."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persian.letters import normalise, strip_invisible

PIECES = st.text(
    st.sampled_from(
        "كکيیىېةۀهأإٱاآئؤ\u0654\u0655\u0653\u064b\u0651\u0640\u200c\u200d\u200e\u202b\u2066\ufeff"
        "\ufe71\ufc5e\ufdfa\ufb56e\u0301 \n\u00a0۱٢3"
    )
)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("كارت ملي", "کارت ملی"),
        ("علی\u0649", "علیی"),
        ("می\u200cخواهم", "میخواهم"),
        ("\u202bاعتبار\u202c \u2067درمان\u2069", "اعتبار درمان"),
        ("سـلام", "سلام"),
        ("کدِ مِلّی", "کد ملی"),
        ("\ufb90\ufeaa", "کد"),  # presentation forms of an older phone
        ("\uff11\uff12۳٤", "1234"),
        ("نامۀ", "نامه"),
        ("نامه\u0654", "نامه"),
        ("بيمة", "بیمه"),
        ("أحمد", "احمد"),
        ("آب", "آب"),
        ("  دو \t\r\n کلمه\u00a0", "دو کلمه"),
        ("\ufeff9", "9"),
        ("English", "English"),
        ("", ""),
    ],
)
def test_one_word_in_many_spellings(written: str, compared: str) -> None:
    """Whatever keyboard wrote it, the same word is recognised."""
    assert normalise(written) == compared


@given(st.one_of(st.text(), PIECES))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """A text that has been made ready for comparing is ready."""
    once = normalise(text)
    assert normalise(once) == once


@given(st.one_of(st.text(), PIECES))
def test_composed_or_not(text: str) -> None:
    """It doesn't matter whether a phone sends its accents composed."""
    visible = strip_invisible(text)
    assert normalise(unicodedata.normalize("NFD", visible)) == normalise(visible)


def test_invisible_characters_go() -> None:
    """Bidi marks that a copied number carries along are not part of it."""
    assert strip_invisible("\u202a+98\u200e912\u200c\u2069") == "+98912"
    assert strip_invisible("کد ملی") == "کد ملی"
