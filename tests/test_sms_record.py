"""What lies in the streams, before it is sealed: encoded and decoded without loss."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from smpp.pdu import Address
from sms.record import (
    BadRecord,
    Reply,
    Taken,
    decode_reply,
    decode_taken,
    encode_reply,
    encode_taken,
)

texts = st.text(max_size=200)
addresses = st.builds(
    Address,
    st.text(st.characters(max_codepoint=255), max_size=20),
    st.integers(0, 255),
    st.integers(0, 255),
)


@given(st.floats(0, 4e9), addresses, addresses, st.integers(0, 255), st.binary(max_size=300))
def test_a_message_is_kept_as_it_came(
    at: float, source: Address, destination: Address, coding: int, octets: bytes
) -> None:
    """What lies in the stream is what the SMSC sent, octet for octet."""
    taken = Taken(at, source, destination, coding, octets)
    assert decode_taken(encode_taken(taken)) == taken


@given(st.floats(0, 4e9), addresses, addresses, texts)
def test_a_reply_is_kept_as_it_was(
    at: float, source: Address, destination: Address, text: str
) -> None:
    """What lies in the outbox is what will be sent."""
    reply = Reply(at, at, source, destination, text)
    assert decode_reply(encode_reply(reply)) == reply


@given(st.binary(max_size=80))
def test_a_damaged_record_is_known(raw: bytes) -> None:
    """Octets that are no record are named so, whatever they are."""
    for decode in (decode_taken, decode_reply):
        with suppress(BadRecord):
            decode(raw)
