"""
What lies in the streams, before it is sealed.

    a message, or one part of it    at, data_coding, the two addresses, the text's octets
    a reply                         at, told_at, the two addresses, the text

A count of octets (two of them) stands before everything whose length varies. `at` is when the
message came, in seconds since 1970: the reply keeps it, so that the whole way can be timed.
"""

import struct
from dataclasses import dataclass, field

from smpp.pdu import Address

_MESSAGE = struct.Struct(">dB")
_REPLY = struct.Struct(">dd")
_TON_NPI = struct.Struct(">BBH")


class BadRecord(ValueError):
    """Octets that are none of these."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it came, or one part of it; its header is taken off already."""

    at: float
    source: Address
    destination: Address
    data_coding: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be submitted. `at` is when the question came, `told_at` when it was answered."""

    at: float
    told_at: float
    source: Address
    destination: Address
    text: str = field(repr=False)


def encode_taken(taken: Taken) -> bytes:
    """A message as octets."""
    return b"".join(
        (
            _MESSAGE.pack(taken.at, taken.data_coding),
            _address(taken.source),
            _address(taken.destination),
            taken.octets,
        )
    )


def decode_taken(raw: bytes) -> Taken:
    """Octets as a message. Raises BadRecord."""
    try:
        at, data_coding = _MESSAGE.unpack_from(raw)
        source, next_ = _take_address(raw, _MESSAGE.size)
        destination, next_ = _take_address(raw, next_)
    except struct.error:
        raise BadRecord("cut short") from None
    return Taken(at, source, destination, data_coding, raw[next_:])


def encode_reply(reply: Reply) -> bytes:
    """A reply as octets."""
    return b"".join(
        (
            _REPLY.pack(reply.at, reply.told_at),
            _address(reply.source),
            _address(reply.destination),
            reply.text.encode(),
        )
    )


def decode_reply(raw: bytes) -> Reply:
    """Octets as a reply. Raises BadRecord."""
    try:
        at, told_at = _REPLY.unpack_from(raw)
        source, next_ = _take_address(raw, _REPLY.size)
        destination, next_ = _take_address(raw, next_)
        return Reply(at, told_at, source, destination, raw[next_:].decode())
    except (struct.error, UnicodeDecodeError):
        raise BadRecord("cut short") from None


def _address(address: Address) -> bytes:
    digits = address.digits.encode("latin-1")
    return _TON_NPI.pack(address.ton, address.npi, len(digits)) + digits


def _take_address(raw: bytes, start: int) -> tuple[Address, int]:
    ton, npi, length = _TON_NPI.unpack_from(raw, start)
    start += _TON_NPI.size
    end = start + length
    if end > len(raw):
        raise BadRecord("cut short")
    return Address(raw[start:end].decode("latin-1"), ton, npi), end
