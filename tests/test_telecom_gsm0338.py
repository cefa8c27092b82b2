"""The GSM alphabet, against smpplib's table and the standard's own notes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib.gsm import GSM_CHARACTER_TABLE, gsm_encode

from telecom import gsm0338

# smpplib has a back-tick where TS 23.038 has the section sign, and lacks the form feed.
AGREED = set(GSM_CHARACTER_TABLE) - {"`", "\x1b"}
TEXTS = st.text(sorted(AGREED | {"§", "\f"}))


def test_against_another_table() -> None:
    """Each character goes out as another implementation has it."""
    assert len(AGREED) == 126 + 9
    for char in AGREED:
        assert gsm0338.encode(char) == gsm_encode(char)
    assert gsm0338.encode("§\f") == b"\x5f\x1b\x0a"
    assert not gsm0338.encodable("`")


@given(TEXTS)
def test_there_and_back(text: str) -> None:
    """What is sent in the GSM alphabet is what is read."""
    octets = gsm0338.encode(text)
    assert gsm0338.encodable(text)
    assert gsm0338.septets(text) == len(octets)
    assert gsm0338.decode(octets) == text


@given(st.text())
def test_any_text(text: str) -> None:
    """A text is either encodable as a whole or refused, and never repeated in the refusal."""
    if gsm0338.encodable(text):
        assert gsm0338.decode(gsm0338.encode(text)) == text
    else:
        with pytest.raises(gsm0338.NotGsm, match=r"^U\+[0-9A-F]{4,6} is not in the GSM alphabet$"):
            gsm0338.encode(text)


@given(st.binary())
def test_any_octets(octets: bytes) -> None:
    """Septets always read as something; an octet with its top bit set is refused."""
    if max(octets, default=0) < 0x80:
        text = gsm0338.decode(octets)
        assert gsm0338.encodable(text)
        assert len(text) <= len(octets)
    else:
        with pytest.raises(gsm0338.NotGsm):
            gsm0338.decode(octets)


def test_escapes_that_mean_nothing() -> None:
    """An unknown extension shows the basic letter; an escape alone shows a blank."""
    assert gsm0338.decode(b"\x1bA") == "A"
    assert gsm0338.decode(b"a\x1b") == "a "
    assert gsm0338.decode(b"\x1b\x1be") == " e"
    assert gsm0338.decode(b"\x1b\x65") == "€"


def test_persian_is_not_in_it() -> None:
    """Persian letters and digits never go out in the GSM alphabet."""
    for char in "یک۱،\u200c":
        assert not gsm0338.encodable(char)
