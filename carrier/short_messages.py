"""
SMS as an SMSC handles them: texts from phones, texts for phones in parts, receipts. No state but
the parts that wait for the others.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from smpp.data_coding import UCS2, decode_text
from smpp.pdu import Address, ShortMessage, Status, Tag
from telecom.segments import (
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    sar,
    split,
    take_header,
)

_USER_DATA = 140
"""Octets of a short message on the air, header included (TS 23.040, 9.2.3.24)."""
_SEPTETS = 160
_RECEIPT = 0x04
"""esm_class: an SMSC delivery receipt (5.2.12)."""
_RECEIPT_WANTED = 0x01
"""registered_delivery: on success and failure (5.2.17)."""
_DELIVERED = 2
_UNREADABLE = "\ufffd"
_MOST_WAITING = 10_000
"""Texts with parts missing; beyond, the oldest is given up."""


@dataclass(frozen=True, slots=True)
class Received:
    """What a phone shows: who wrote, and what."""

    sender: str
    text: str = field(repr=False)


def originate(
    text: str, subscriber: Address, line: Address, reference: int, *, by_sar: bool = False
) -> list[ShortMessage]:
    """A person's text as deliver_sm, in parts where it is long: by header, or by sar TLVs."""
    segments = split(text, reference)
    messages = []
    for segment in segments:
        message = ShortMessage(
            subscriber,
            line,
            segment.short_message,
            segment.data_coding,
            esm_class=segment.esm_class,
        )
        messages.append(_with_sar(message) if by_sar else message)
    return messages


def _with_sar(message: ShortMessage) -> ShortMessage:
    part, octets = take_header(message.short_message, message.esm_class)
    if part is None:
        return message
    tlvs = (
        (SAR_MSG_REF_NUM, part.reference.to_bytes(2)),
        (SAR_TOTAL_SEGMENTS, bytes([part.total])),
        (SAR_SEGMENT_SEQNUM, bytes([part.number])),
    )
    return replace(message, short_message=octets, esm_class=0, tlvs=tlvs)


def refusal(message: ShortMessage) -> int:
    """0, or the status for a text that no phone could be sent."""
    octets = message.short_message
    _, text = take_header(octets, message.esm_class)
    if message.data_coding in UCS2:
        fits = len(octets) <= _USER_DATA
    else:
        header = len(octets) - len(text)
        fits = len(text) + (header * 8 + 6) // 7 <= _SEPTETS
    return Status.OK if fits else Status.INVALID_MESSAGE_LENGTH


class Parts:
    """Joins what came in parts. One for a network."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, int, int], dict[int, bytes]] = {}

    def join(self, message: ShortMessage) -> Received | None:
        """The text of a submit_sm once all of it is there, None until then."""
        part, octets = take_header(message.short_message, message.esm_class)
        octets = octets or message.tlv(Tag.MESSAGE_PAYLOAD) or b""
        part = part or sar(message.tlvs)
        if part is not None:
            source, destination = message.source.digits, message.destination.digits
            key = (source, destination, part.reference, part.total)
            have = self._waiting.setdefault(key, {})
            have[part.number] = octets
            if len(have) < part.total:
                while len(self._waiting) > _MOST_WAITING:
                    del self._waiting[next(iter(self._waiting))]
                return None
            del self._waiting[key]
            octets = b"".join(have[number] for number in sorted(have))
        text = decode_text(octets, message.data_coding)
        return Received(message.source.digits, _UNREADABLE if text is None else text)


def receipt(
    message: ShortMessage, message_id: int, now: datetime, *, hexadecimal: bool, plain: bool
) -> ShortMessage | None:
    """The receipt of a message that reached its phone; None where none was asked for.

    Text as in appendix B. hexadecimal: the id in another base than its submit_sm_resp told.
    """
    if message.registered_delivery & 0x03 != _RECEIPT_WANTED:
        return None
    name = f"{message_id:x}" if hexadecimal else str(message_id)
    when = f"{now:%y%m%d%H%M}"
    text = (
        f"id:{name} sub:001 dlvrd:001 submit date:{when} done date:{when} "
        f"stat:DELIVRD err:000 text:"
    )
    told = (
        (int(Tag.RECEIPTED_MESSAGE_ID), name.encode() + b"\0"),
        (int(Tag.MESSAGE_STATE), bytes([_DELIVERED])),
    )
    return ShortMessage(
        message.destination,
        message.source,
        text.encode(),
        esm_class=_RECEIPT,
        tlvs=() if plain else told,
    )
