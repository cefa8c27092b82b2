"""Texts as short messages and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecom.segments import (
    UCS2,
    UDHI,
    Concat,
    Segment,
    TooManyParts,
    concat_header,
    data_coding_of,
    sar,
    split,
    take_header,
)

ZWNJ = "\u200c"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
persian = st.text("ابپتدرسشکگلمنهی ۰۱۲۳" + ZWNJ, min_size=71, max_size=400)


def joined(segments: list[Segment]) -> str:
    """What a phone shows."""
    encoding = "utf-16-be" if segments[0].data_coding == UCS2 else "ascii"
    pieces = [take_header(each.short_message, each.esm_class)[1] for each in segments]
    return "".join(piece.decode(encoding) for piece in pieces)


@given(texts, st.integers(0, 1 << 20), st.booleans())
def test_parts_join_to_the_text(text: str, reference: int, wide: bool) -> None:
    """Whatever the text, its parts fit, are numbered, readable each alone, and join to it."""
    segments = split(text, reference, wide=wide)
    assert joined(segments) == text
    if len(segments) == 1:
        assert segments[0].esm_class == 0
        return
    total = len(segments)
    cut = reference & (0xFFFF if wide else 0xFF)
    for number, segment in enumerate(segments, start=1):
        assert segment.esm_class == UDHI
        header = len(concat_header(Concat(0, 1, 1), wide=wide))
        room = 140 if segment.data_coding == UCS2 else 160 - (header * 8 + 6) // 7 + header
        assert len(segment.short_message) <= room
        part, _ = take_header(segment.short_message, UDHI)
        assert part == Concat(cut, total, number)


@given(persian)
def test_a_letter_keeps_its_joiner(text: str) -> None:
    """No part begins with the half-space that belongs to the letter before."""
    for segment in split(text, 0)[1:]:
        _, octets = take_header(segment.short_message, UDHI)
        shown = octets.decode("utf-16-be")
        assert not shown.startswith(ZWNJ) or set(shown) == {ZWNJ} or ZWNJ * 60 in text


@pytest.mark.parametrize(
    ("text", "wide", "lengths"),
    [
        ("x" * 160, False, [160]),
        ("x" * 161, False, [153, 8]),
        ("x" * 161, True, [152, 9]),
        ("ی" * 70, False, [140]),
        ("ی" * 71, False, [134, 8]),
        ("ی" * 71, True, [132, 10]),
        ("😀" * 36, False, [132, 12]),
        ("", False, [0]),
    ],
)
def test_the_limits(text: str, wide: bool, lengths: list[int]) -> None:
    """160 and 153 septets, 70 and 67 units; a surrogate pair stays together."""
    segments = split(text, 1, wide=wide)
    octets = [take_header(each.short_message, each.esm_class)[1] for each in segments]
    assert [len(each) for each in octets] == lengths


@pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "🇮🇷", "👍🏽", "لاً", "می" + ZWNJ])
def test_what_is_one_letter_is_not_split(cluster: str) -> None:
    """A family, a flag, a skin tone, a vowel mark or a joiner stays with its letter."""
    for before in range(50, 70):
        text = "ب" * before + cluster + "ب" * 20
        parts = [
            take_header(each.short_message, each.esm_class)[1].decode("utf-16-be")
            for each in split(text, 0)
        ]
        if cluster in ("لاً", "می" + ZWNJ):
            assert not any(part[:1] in (cluster[-1],) for part in parts)
        else:
            assert any(cluster in part for part in parts)


@pytest.mark.parametrize("text", ["code_1", "a@b", "$5", "€", "é", "۱۴۲۰", "a\rb"])
def test_doubtful_characters_go_as_ucs2(text: str) -> None:
    """What differs between default alphabets is never sent in one."""
    assert data_coding_of(text) == UCS2


def test_too_long_a_text_is_refused() -> None:
    """A business limit of parts is kept, and there are never more than 255."""
    with pytest.raises(TooManyParts):
        split("ی" * 300, 0, most=3)
    with pytest.raises(TooManyParts):
        split("x" * 153 * 256, 0)


@given(st.binary(max_size=40), st.integers(0, 255))
def test_any_header(octets: bytes, esm_class: int) -> None:
    """Whatever a header says, what comes out is a part that can be, or a whole message."""
    part, rest = take_header(octets, esm_class)
    assert octets.endswith(rest)
    assert part is None or 1 <= part.number <= part.total


def test_other_elements_are_passed_over() -> None:
    """A port address before the reference doesn't hide it."""
    header = bytes([11, 0x05, 4, 0x23, 0xF0, 0x23, 0xF0, 0x00, 3, 9, 2, 1])
    assert take_header(header + b"text", UDHI) == (Concat(9, 2, 1), b"text")
    assert take_header(header + b"text", 0) == (None, header + b"text")


def test_sar_parameters() -> None:
    """The three sar parameters tell a part, in any order; two of them nothing."""
    three = ((0x020F, b"\x02"), (0x020C, b"\x01\x02"), (0x020E, b"\x03"))
    assert sar(three) == Concat(0x0102, 3, 2)
    assert sar(three[:2]) is None
    assert sar(((0x020F, b"\x04"), *three)) is None
