"""
Frames cut from a stream by command_length (3.2.1).

A length under 16 would never drain the buffer; one over the cap would let a peer make us hold
whatever it likes. After either, where the next PDU begins is unknown, so the stream is lost.
"""

from collections.abc import Iterator
from struct import Struct

from smpp.errors import RemoteProtocolError
from smpp.pdu import HEADER

MAX_PDU = 70_000
"""Octets: message_payload of 64 KiB, the longest body there is, and some room."""

_LENGTH = Struct(">L")


class Framer:
    """Bytes in, whole PDUs out, each once; holds less than one PDU between reads."""

    __slots__ = ("_buffer", "_maximum")

    def __init__(self, maximum: int = MAX_PDU) -> None:
        self._buffer = bytearray()
        self._maximum = maximum

    def frames(self, data: bytes) -> Iterator[bytes]:
        """Each whole PDU that ends in `data`.

        Raises RemoteProtocolError where a length is out of bounds, after the PDUs before it.
        """
        if self._buffer:
            self._buffer += data
            stream: bytes | bytearray = self._buffer
        else:
            stream = data
        at, end = 0, len(stream)
        try:
            while end - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(stream, at)
                if not HEADER <= length <= self._maximum:
                    raise RemoteProtocolError(f"command_length {length}")
                if end - at < length:
                    break
                at += length
                yield bytes(stream[at - length : at])
        finally:
            if stream is self._buffer:
                del self._buffer[:at]
            else:
                self._buffer += stream[at:]
