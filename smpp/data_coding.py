"""
The text of a short message by its data_coding.

Two tables are in use: SMPP's own (5.2.19), where 8 is UCS-2, and the 3GPP cell broadcast scheme
(TS 23.038, 5), which USSD gateways pass through: 15 is the GSM alphabet, 72 UCS-2, and 17 UCS-2
after a language of two letters in septets, filled up to two octets.
"""

from typing import Final

from telecom import gsm0338

GSM: Final = frozenset({0, 1, 3, 15})
UCS2: Final = frozenset({8, 17, 72})
_LANGUAGE_FIRST: Final = 17
_LANGUAGE_OCTETS: Final = 2
_CR: Final = 0x0D


def decode_text(octets: bytes, data_coding: int, *, packed: bool = False) -> str | None:
    """What the person wrote; None if it can't be read (then ask again, never guess).

    0, 1, 3 and 15 are what the SMSC takes for its default: the GSM alphabet, and where that
    can't be, UTF-8. packed: eight septets in seven octets.
    """
    if data_coding in UCS2:
        if data_coding == _LANGUAGE_FIRST:
            octets = octets[_LANGUAGE_OCTETS:]
        try:
            # "utf-16-be" keeps a byte order mark as a character, and refuses lone surrogates.
            return octets.decode("utf-16-be").removeprefix("\ufeff")
        except UnicodeDecodeError:
            return None
    if data_coding not in GSM:
        return None
    try:
        return gsm0338.decode(unpack(octets) if packed else octets)
    except gsm0338.NotGsm:
        pass
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None


def unpack(octets: bytes) -> bytes:
    """Septets out of a packed USSD string, one an octet (TS 23.038, 6.1.2.3)."""
    bits = int.from_bytes(octets, "little")
    count = len(octets) * 8 // 7
    septets = bytes(bits >> 7 * index & 0x7F for index in range(count))
    # Seven bits left over hold a carriage return, since "@" is all zeros.
    full = count and count % 8 == 0
    return septets[:-1] if full and septets[-1] == _CR else septets


def pack(septets: bytes) -> bytes:
    """Septets as a packed USSD string (TS 23.038, 6.1.2.3)."""
    full = len(septets) % 8 == 0 and len(septets) > 0
    if len(septets) % 8 == 7 or (full and septets[-1] == _CR):
        septets += bytes([_CR])
    bits = 0
    for index, septet in enumerate(septets):
        bits |= septet << 7 * index
    return bits.to_bytes((len(septets) * 7 + 7) // 8, "little")
