"""Digits of every keyboard."""

from hypothesis import given
from hypothesis import strategies as st

from persian.digits import to_ascii_digits, to_persian_digits


def test_every_script_is_typed_alike() -> None:
    """Persian, Arabic and full-width digits are the number that the person meant."""
    for written in ("0123456789", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", "\uff10۱٢3۴٥6۷٨9"):
        assert to_ascii_digits(written) == "0123456789"
        assert to_persian_digits(written) == "۰۱۲۳۴۵۶۷۸۹"


def test_other_characters_stay() -> None:
    """Only digits change: letters, signs, superscripts and other scripts' digits stay."""
    kept = "کد ملی: * # ² ५ a/b-"
    assert to_ascii_digits(kept) == kept
    assert to_persian_digits(kept) == kept


@given(st.text())
def test_there_and_back(text: str) -> None:
    """Showing digits in Persian and reading them again loses nothing."""
    folded = to_ascii_digits(text)
    assert len(folded) == len(text)
    assert to_ascii_digits(to_persian_digits(text)) == folded
