"""
The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1 and 6.2.1.1).

    encode("a€")   61 1B 65     one septet per octet, as SMPP carries it; not packed

A character of the extension table costs two septets, an escape and its own.
"""

from typing import Final

_ESCAPE: Final = 0x1B

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

_EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

_SEPTETS: Final = {
    **{char: bytes([code]) for code, char in enumerate(_BASIC) if code != _ESCAPE},
    **{char: bytes([_ESCAPE, code]) for code, char in _EXTENSION.items()},
}
_ALPHABET: Final = frozenset(_SEPTETS)


class NotGsm(ValueError):
    """A character or an octet outside the alphabet; the message names that one alone."""


def encodable(text: str) -> bool:
    """Whether every character is in the alphabet or its extension."""
    return _ALPHABET.issuperset(text)


def septets(text: str) -> int:
    """How many septets the text takes. Raises NotGsm."""
    return len(encode(text))


def encode(text: str) -> bytes:
    """The text as unpacked septets, one per octet. Raises NotGsm."""
    try:
        return b"".join([_SEPTETS[char] for char in text])
    except KeyError as error:
        raise NotGsm(f"U+{ord(error.args[0]):04X} is not in the GSM alphabet") from None


def decode(octets: bytes) -> str:
    """
    The text of unpacked septets. Raises NotGsm for an octet over 0x7F.

    An escape before a code that the extension lacks shows the basic character; before another
    escape, or at the end, a blank (TS 23.038, 6.2.1.1, notes).
    """
    text: list[str] = []
    escaped = False
    for octet in octets:
        if octet > 0x7F:
            raise NotGsm(f"octet 0x{octet:02X} is no septet")
        if octet == _ESCAPE:
            if escaped:
                text.append(" ")
            escaped = not escaped
        else:
            basic = _BASIC[octet]
            text.append(_EXTENSION.get(octet, basic) if escaped else basic)
            escaped = False
    if escaped:
        text.append(" ")
    return "".join(text)
