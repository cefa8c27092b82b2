from dataclasses import FrozenInstanceError

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eligibility.national_id import InvalidId, NationalId, check_digit

VALID = ["0012345679", "1234567891", "0076229645", "1583250689", "0013542419", "0011537027"]


@pytest.mark.parametrize("digits", [*VALID, "123456789012", "000000000000"])
def test_valid(digits: str) -> None:
    """Real national IDs are accepted, and twelve digits as a foreign national's code."""
    assert NationalId.parse(digits).digits == digits
    assert NationalId.parse(digits).foreign == (len(digits) == 12)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("1234567890", "check_digit"),
        ("0010007700", "check_digit"),
        *((str(digit) * 10, "check_digit") for digit in range(10)),
        ("12345679", "short"),
        ("012345679", "short"),
        ("۱۲۳۴۵۶۷۹", "short"),
        ("1", "length"),
        ("12345678901", "length"),
        ("1234567890123", "length"),
        ("0" * 10_000_000, "length"),
        ("", "characters"),
        (" - ", "characters"),
        ("00123४5679", "characters"),
        ("001234567²", "characters"),
        ("*4*1420#", "characters"),
        ("0012345679a", "characters"),
    ],
)
def test_invalid(typed: str, reason: str) -> None:
    """What is not an ID is refused with the reason that helps the person who typed it."""
    with pytest.raises(InvalidId) as refused:
        NationalId.parse(typed)
    assert refused.value.reason == reason
    assert not typed[:8].isdigit() or typed[:8] not in str(refused.value)


@pytest.mark.parametrize(
    "typed",
    ["۰۰۱۲۳۴۵۶۷۹", "٠٠١٢٣٤٥٦٧٩", "001-234567-9", " 0012 345 679\r\n", "\u200f001.234567.9\u202c"],
)
def test_as_people_type(typed: str) -> None:
    """Persian and Arabic digits, blanks, dashes, dots and marks of direction do no harm."""
    assert NationalId.parse(typed).digits == "0012345679"


@given(st.integers(0, 10**9 - 1))
def test_check_digit(nine: int) -> None:
    """The check digit is the published sum's, for every nine digits."""
    r = sum(int(digit) * (10 - i) for i, digit in enumerate(f"{nine:09}")) % 11
    assert check_digit(nine) == (r if r < 2 else 11 - r)


TEN = st.from_regex(r"[0-9]{10}", fullmatch=True)
NINE = st.integers(0, 10**9 - 1)
VALID_TEN = NINE.map(lambda nine: f"{nine:09}{check_digit(nine)}")


@given(TEN | VALID_TEN)
@example("1" * 10)
def test_ten_digits(text: str) -> None:
    """Of ten digits those are an ID that the published sum allows, ten equal ones never."""
    r = sum(int(digit) * (10 - i) for i, digit in enumerate(text[:9])) % 11
    valid = int(text[9]) == (r if r < 2 else 11 - r) and text != text[0] * 10
    if not valid:
        with pytest.raises(InvalidId, match="check_digit"):
            NationalId.parse(text)
        return
    person = NationalId.parse(text)
    assert (person.digits, person.number) == (text, int(text))
    assert person == NationalId(text)
    assert hash(person) == hash(NationalId(text))


def test_lasting() -> None:
    """Who was asked about cannot become somebody else on the way."""
    with pytest.raises(FrozenInstanceError):
        NationalId.parse(VALID[0]).digits = VALID[1]  # type: ignore[misc]


@given(st.text(max_size=80))
@example("۱" * 10)
def test_any_text(text: str) -> None:
    """Whatever is typed, it is an ID or it is refused."""
    try:
        person = NationalId.parse(text)
    except InvalidId:
        return
    assert person.digits.isascii()
    assert len(person.digits) in (10, 12)
    assert NationalId.parse(person.digits) == person


def test_shown() -> None:
    """An ID is shown by its last three digits and no more."""
    person = NationalId.parse("0012345679")
    assert str(person) == f"{person}" == "…679"
    assert "0012345" not in repr(person) + repr([person]) + f"{person!r}"
