"""What people write, and what they want to know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eligibility.national_id import check_digit
from eligibility.tracking_code import new_code
from persian.digits import to_persian_digits
from sms.text import Code, Eligibility, Help, Request, Why, read

ID, OTHER, FOREIGN, CODE = "0012345679", "1234567891", "123456789012", "48305172606"
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.mark.parametrize(
    "text",
    [
        ID,
        "۰۰۱۲۳۴۵۶۷۹",
        "٠٠١٢٣٤٥٦٧٩",
        "۰۰۱-۲۳۴۵۶۷-۹",
        "0 0 1 2 3 4 5 6 7 9",
        "001 234 5679",
        f"کد ملی {ID}",
        f"کد ملی:{ID} لطفاً",
        f"سلام\nکد ملی\n{ID}\nبا تشکر",
        "001234\n5679",
        f"{ID}.",
        f"{ID} {ID}",
        f"{ID}\n{to_persian_digits(ID)}",
        f"{ID} تولد 1365/05/12",
        f"{ID} 1365",
        f"\u202b{ID}\u202c",
        f"*4*1420*1*{ID}#",
        f"+989121234567 {ID}",
        f"09121234567 {ID}",
        f"{ID} 989121234567",
        f"{ID} 9121234567",
        "001/234/5679",
        "0,012,345,679",
        "۰٬۰۱۲٬۳۴۵٬۶۷۹",
        "۰۰۱،۲۳۴،۵۶۷۹",
        f"{ID}, 1365/05/12",
    ],
)
def test_an_id_in_any_form(text: str) -> None:
    """However a person writes an ID, it is found."""
    assert read(text) == Eligibility(ID)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FOREIGN, Eligibility(FOREIGN)),
        ("1234 5678 9012", Eligibility(FOREIGN)),
        (CODE, Code(CODE)),
        (f"پیگیری {to_persian_digits(CODE)}", Code(CODE)),
        (f"اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: {CODE}", Code(CODE)),
        ("48305172607", Code("48305172607")),
        ("483-0517-2606", Code(CODE)),
        (f"{ID} {OTHER}", Help(Why.SEVERAL)),
        (f"{ID}\n{OTHER}", Help(Why.SEVERAL)),
        (f"{ID} {CODE}", Help(Why.SEVERAL)),
        (f"{ID} 1234567890", Help(Why.SEVERAL)),
        (f"{ID} {FOREIGN}", Help(Why.SEVERAL)),
        ("0012345670 1234567890", Help(Why.SEVERAL)),
        ("0012345670", Eligibility("0012345670")),
        ("12345679", Eligibility("12345679")),
        ("012345679", Eligibility("012345679")),
        ("09121234567", Eligibility("09121234567")),
        ("", Help()),
        (" \n ", Help()),
        ("راهنما", Help()),
        ("help", Help(latin=True, english=True)),
        ("salam, rahnamayi konid", Help(latin=True)),
        ("in kode melli-ye man ast", Help(latin=True)),
        ("?", Help()),
        ("1", Help()),
        ("1420", Help()),
        ("1365/05/12", Help()),
        ("12-5-1365", Help()),
        ("3059538840", Eligibility("3059538840")),
        ("305/953/8840", Eligibility("3059538840")),
        (f"{ID},{OTHER}", Help(Why.SEVERAL)),
        (f"ID {ID} en", Eligibility(ID, latin=True, english=True)),
        (f"kode melli {ID}", Eligibility(ID, latin=True)),
        (f"English {CODE}", Code(CODE, latin=True, english=True)),
        (f"{ID} en لطفا", Eligibility(ID)),
    ],
)
def test_what_is_asked(text: str, expected: Request) -> None:
    """A code, a wrong number, two numbers, or nothing that could be answered."""
    assert read(text) == expected


@given(
    st.integers(0, 999_999_999),
    st.lists(
        st.sampled_from(["", " ", "-", "  ", "‌", "–", ".", "/", ",", "٬", "،"]),
        min_size=9,
        max_size=9,
    ),
    st.sampled_from(["", "کد ملی ", "id: ", "سلام،\n"]),
    st.sampled_from(["", " لطفا", "\nممنون", "!"]),
    st.sampled_from([str, to_persian_digits, lambda text: text.translate(ARABIC_INDIC)]),
)
def test_any_id_in_any_form(
    nine: int, between: list[str], before: str, after: str, digits: object
) -> None:
    """Every valid ID is read whole, whatever is between and around its digits."""
    person = f"{nine:09}{check_digit(nine)}"
    if len(set(person)) == 1:
        return
    spaced = person[0] + "".join(
        gap + digit for gap, digit in zip(between, person[1:], strict=True)
    )
    assert callable(digits)
    request = read(before + digits(spaced) + after)
    assert isinstance(request, Eligibility)
    assert request.national_id == person


@given(st.integers(0, 9 * 10**9 - 1))
def test_any_code(drawn: int) -> None:
    """Every tracking code is taken for one, and never for an ID."""
    code = new_code(lambda _: drawn)
    assert read(f"کد {code}") == Code(code)


@given(st.text(max_size=400) | st.text("0123456789 -\n۱٢a.", max_size=60))
def test_any_text(text: str) -> None:
    """Whatever is written there is an answer, and nothing but digits is handed on."""
    request = read(text)
    if isinstance(request, Eligibility):
        assert request.national_id.isascii()
        assert request.national_id.isdigit()
        assert request.national_id not in repr(request)
    if isinstance(request, Code):
        assert len(request.code) == 11
