"""Tracking codes."""

import random

from hypothesis import given
from hypothesis import strategies as st
from stdnum import damm

from eligibility.tracking_code import is_code, new_code, parse_code
from persian.digits import to_persian_digits

codes = st.integers(0, 9 * 10**9 - 1).map(lambda n: new_code(lambda below: n % below))


@given(codes)
def test_a_new_code_is_eleven_digits_with_a_damm_check(code: str) -> None:
    """A code has eleven digits, no zero in front, and the check digit another library computes."""
    assert len(code) == 11
    assert code[0] != "0"
    assert damm.is_valid(code)
    assert is_code(code)


@given(codes, st.integers(0, 10), st.integers(1, 9))
def test_every_wrong_digit_is_noticed(code: str, place: int, by: int) -> None:
    """One wrong digit anywhere is noticed."""
    wrong = code[:place] + str((int(code[place]) + by) % 10) + code[place + 1 :]
    assert not is_code(wrong)


@given(codes, st.integers(0, 9))
def test_every_swap_of_neighbours_is_noticed(code: str, place: int) -> None:
    """Two neighbouring digits in the wrong order are noticed."""
    if code[place] != code[place + 1]:
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert not is_code(swapped)


@given(codes)
def test_a_code_is_read_as_people_type_it(code: str) -> None:
    """Persian digits, spaces and dashes do not matter."""
    typed = f" {to_persian_digits(code[:4])}-{code[4:7]} {code[7:]}"
    assert parse_code(typed) == code


@given(st.text())
def test_any_text_is_a_code_or_it_is_not(text: str) -> None:
    """Whatever is typed, the answer is a code or none."""
    code = parse_code(text)
    assert code is None or is_code(code)


def test_codes_spread_over_the_whole_range() -> None:
    """The smallest and the largest draw both give a code, and draws do not collide early."""
    assert new_code(lambda n: 0).startswith("1000000000")
    assert new_code(lambda n: n - 1).startswith("9999999999")
    draw = random.Random(1).randrange
    assert len({new_code(draw) for _ in range(10_000)}) > 9_990
