"""Telephone numbers, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persian.digits import to_persian_digits
from telecom.msisdn import Msisdn, NotAnMsisdn

MOBILE = st.from_regex(r"9[0-79][0-9]{8}", fullmatch=True)


@pytest.mark.parametrize(
    "written",
    [
        "09121234567",
        "9121234567",
        "989121234567",
        "+989121234567",
        "00989121234567",
        "+98 (0) 912 123-4567",
        "+98 (912) 123 45 67",
        " 989121234567",  # a form decoder turned the plus into a blank
        "۰۹۱۲۱۲۳۴۵۶۷",
        "٠٩١٢ ١٢٣ ٤٥٦٧",
        "\u202a+98\u00a0912\u2011123\u20134567\u202c",
        "\uff0b\uff19\uff189121234567",
        "\u200e0912.123.4567",
    ],
)
def test_one_subscriber_in_many_forms(written: str) -> None:
    """However a mobile number is written, it is the same subscriber."""
    number = Msisdn.parse(written)
    assert number.digits == "989121234567"
    assert number.is_mobile


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("021-88881234", "982188881234"),
        ("+98 21 8888 1234", "982188881234"),
        ("+44 20 7946 0018", "442079460018"),
        ("0044 20 7946 0018", "442079460018"),
        ("+9647901234567", "9647901234567"),
    ],
)
def test_landlines_and_foreigners(written: str, digits: str) -> None:
    """Landlines and foreign numbers are subscribers too, but no Iranian mobiles."""
    number = Msisdn.parse(written)
    assert number.digits == digits
    assert not number.is_mobile


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+",
        "1420",
        "10001420",
        "9810001420",
        "+98912123456",
        "+9891212345678",
        "0912123456",
        "091212345678",
        "442079460018",
        "+0912123456",
        "++989121234567",
        "98+9121234567",
        "0912123456a",
        "09121234567;09121234568",
        "+1234567",
        "+1234567890123456",
        "²9121234567",
        "*4*1420#",
        "anonymous",
        "0" * 1000,
    ],
)
def test_what_is_no_subscriber(written: str) -> None:
    """Short codes, cut numbers and anything else are refused, and not repeated."""
    with pytest.raises(NotAnMsisdn) as refused:
        Msisdn.parse(written)
    assert str(refused.value) == "not a telephone number"


@given(MOBILE, st.sampled_from(["", "0", "98", "+98", "0098", "980", "+980"]), st.booleans())
def test_every_mobile_in_every_form(national: str, prefix: str, persian: bool) -> None:
    """Prefix and script never change who is meant."""
    written = prefix + national
    number = Msisdn.parse(to_persian_digits(written) if persian else written)
    assert number == Msisdn("98" + national)
    assert Msisdn.parse("+" + number.digits) == number


@given(st.one_of(st.text(), st.text("0123456789+۰۹٩-() \u200e")))
def test_any_text(text: str) -> None:
    """Any text is a number or is refused, and a number stays itself when read again."""
    try:
        number = Msisdn.parse(text)
    except NotAnMsisdn:
        return
    assert Msisdn.parse("+" + number.digits) == number


@given(st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True))
def test_a_number_is_never_shown_whole(digits: str) -> None:
    """A printed number shows at most seven digits and hides at least five."""
    number = Msisdn(digits)
    masked = number.masked
    assert len(masked) == len(digits)
    assert masked.count("*") >= max(5, len(digits) - 7)
    head, tail = masked.split("*")[0], masked.split("*")[-1]
    assert digits.startswith(head)
    assert digits.endswith(tail)
    assert len(tail) <= 2
    for shown in (str(number), repr(number), f"{number}", f"{[number]}", f"{number!s:>20}"):
        assert digits not in shown
        assert masked in shown


def test_the_mask() -> None:
    """An operator sees the country, the prefix and the last two digits."""
    assert Msisdn("989121234567").masked == "98912*****67"
    assert Msisdn("12345678").masked == "12*****8"


@pytest.mark.parametrize(
    "digits", ["", "+989121234567", "09121234567", "1234567", "۹۸۹۱۲۱۲۳۴۵۶۷", "98912123456\n"]
)
def test_only_canonical_digits_make_a_number(digits: str) -> None:
    """A number can't be made from anything but its canonical digits."""
    with pytest.raises(NotAnMsisdn):
        Msisdn(digits)
