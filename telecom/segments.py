"""
Texts as short messages: alphabet, parts, and the header that joins them (TS 23.040, 9.2.3.24).

A short message is 140 octets: 160 septets, or 70 UTF-16 units. A part of a longer text gives six
octets to its header (seven with a reference of 16 bits):

    05 00 03 rr tt nn        reference, how many, which one (from 1): 153 septets or 67 units
    06 08 04 rr rr tt nn     the same, wide:                          152 septets or 66 units

Over SMPP a septet takes an octet. What every SMSC takes for its "default alphabet" differs, so
data_coding 0 is used for those characters alone that have one code in the GSM alphabet, ASCII,
Latin-1 and UTF-8; anything else, Persian always, goes as UCS-2.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DEFAULT_ALPHABET: Final = 0
UCS2: Final = 8
UDHI: Final = 0x40
"""The bit of esm_class that says: short_message begins with a header."""
MOST_PARTS: Final = 255

SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F

_SAME_EVERYWHERE: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 !\"#%&'()*+,-./:;<=>?\n"
)
_NARROW, _WIDE = 0x00, 0x08
_HOLDS_BOTH: Final = "\u200c\u200d"  # ZWNJ, ZWJ
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_VARIATION: Final = range(0xFE00, 0xFE10)
_FLAG_LETTERS: Final = range(0x1F1E6, 0x1F200)


class TooManyParts(ValueError):
    """The text needs more parts than allowed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What goes into one submit_sm: short_message (header included) and its esm_class bit."""

    short_message: bytes
    data_coding: int
    esm_class: int


@dataclass(frozen=True, slots=True)
class Concat:
    """Which part of which text: reference, how many, which one (from 1)."""

    reference: int
    total: int
    number: int


def data_coding_of(text: str) -> int:
    """0 where every SMSC reads the same, else 8 (UCS-2)."""
    return DEFAULT_ALPHABET if _SAME_EVERYWHERE.issuperset(text) else UCS2


def split(
    text: str, reference: int, *, wide: bool = False, most: int = MOST_PARTS
) -> list[Segment]:
    """The text as one message, or as parts that join under `reference`.

    reference: a counter kept for each destination, cut here to 8 bits (16 if wide). A letter
    with its marks, ZWNJ or ZWJ is never split. Raises TooManyParts.
    """
    data_coding = data_coding_of(text)
    encoding = "ascii" if data_coding == DEFAULT_ALPHABET else "utf-16-be"
    whole = text.encode(encoding)
    room = 160 if data_coding == DEFAULT_ALPHABET else 140
    if len(whole) <= room:
        return [Segment(whole, data_coding, 0)]
    if data_coding == DEFAULT_ALPHABET:
        room -= 8 if wide else 7  # 7 octets of header take 8 septets
    else:
        room -= 8 if wide else 6  # and 7 octets leave half a unit over
    parts = list(_parts(text, encoding, room))
    if len(parts) > min(most, MOST_PARTS):
        raise TooManyParts(f"{len(parts)} parts")
    reference &= 0xFFFF if wide else 0xFF
    return [
        Segment(
            concat_header(Concat(reference, len(parts), number), wide=wide) + part,
            data_coding,
            UDHI,
        )
        for number, part in enumerate(parts, start=1)
    ]


def concat_header(part: Concat, *, wide: bool = False) -> bytes:
    """The header of one part, its length octet first."""
    if wide:
        return bytes([6, _WIDE, 4]) + part.reference.to_bytes(2) + bytes([part.total, part.number])
    return bytes([5, _NARROW, 3, part.reference, part.total, part.number])


def take_header(short_message: bytes, esm_class: int) -> tuple[Concat | None, bytes]:
    """The part that this is, None if it is whole, and its text's octets.

    A header that runs past its end, or says nonsense, is taken off and otherwise ignored.
    """
    if not esm_class & UDHI or not short_message:
        return None, short_message
    end = 1 + short_message[0]
    header, octets = short_message[1:end], short_message[end:]
    found = None
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        at += 2 + length
        if len(value) == length and (element, length) in ((_NARROW, 3), (_WIDE, 4)):
            found = _concat(int.from_bytes(value[:-2]), value[-2], value[-1]) or found
    return found, octets


def sar(tlvs: tuple[tuple[int, bytes], ...]) -> Concat | None:
    """The part that the sar parameters tell of (SMPP 5.3.2.22 to 24), None without all three."""
    values = {tag: int.from_bytes(value) for tag, value in reversed(tlvs) if len(value) <= 2}
    try:
        return _concat(
            values[SAR_MSG_REF_NUM], values[SAR_TOTAL_SEGMENTS], values[SAR_SEGMENT_SEQNUM]
        )
    except KeyError:
        return None


def _concat(reference: int, total: int, number: int) -> Concat | None:
    return Concat(reference, total, number) if 1 <= number <= total <= MOST_PARTS else None


def _parts(text: str, encoding: str, room: int) -> Iterator[bytes]:
    part = b""
    for cluster in _clusters(text):
        octets = cluster.encode(encoding)
        if len(part) + len(octets) > room and part:
            yield part
            part = b""
        while len(octets) > room:
            # One letter under a pile of marks: cut between two of them, not inside a pair.
            cut = len(octets[:room].decode(encoding, "ignore").encode(encoding))
            yield octets[:cut]
            octets = octets[cut:]
        part += octets
    yield part


def _clusters(text: str) -> Iterator[str]:
    """Letters with all that hangs on them; a near enough TR29 for what people are sent."""
    start = flags = 0
    for at in range(1, len(text)):
        before, here = text[at - 1], text[at]
        flags = flags + 1 if ord(before) in _FLAG_LETTERS else 0
        extends = (
            here in _HOLDS_BOTH
            or unicodedata.category(here) in {"Mn", "Mc", "Me"}
            or ord(here) in _SKIN_TONES
            or ord(here) in _VARIATION
            or before == "\u200d"
            or (before, here) == ("\r", "\n")
            or (flags % 2 == 1 and ord(here) in _FLAG_LETTERS)
        )
        if not extends:
            yield text[start:at]
            start = at
    if text:
        yield text[start:]
