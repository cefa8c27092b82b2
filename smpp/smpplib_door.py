"""
The one door of smpplib.

Our own codec speaks every PDU that we need, so smpplib does two things here: it gives statuses
their words, for logs; and it is the oracle, a second codec of messages that the tests hold ours
against. What it gets wrong is kept out: it can't parse a USSD deliver_sm, takes a sequence number
for each request parsed, drops the last octet of some TLVs, and cuts what is too long. So it reads
the mandatory fields alone, and what it left unset or read past the end is refused.
"""

import struct
from typing import Any, Final

from smpplib import command, consts, exceptions

from smpp.errors import BadPdu, LocalProtocolError
from smpp.pdu import Address, Command, ShortMessage, Status

_FIELDS: Final = tuple(command.DeliverSM.params_order[:18])
_NAMES: Final = {Command.SUBMIT_SM: "submit_sm", Command.DELIVER_SM: "deliver_sm"}


def describe(status: int) -> str:
    """A command_status in words, e.g. "Invalid Password"; its number if it has none."""
    words: str | None = consts.DESCRIPTIONS.get(status)
    return words or f"status {status:#x}"


def read_message(frame: bytes) -> tuple[int, ShortMessage]:
    """Sequence number and mandatory fields of a submit_sm or deliver_sm. Raises BadPdu."""
    length, command_id, status, sequence = struct.unpack_from(">LLLL", frame)
    bad = BadPdu(Status.INVALID_PARAMETER_LENGTH, sequence, command_id, status)
    if length != len(frame) or command_id not in _NAMES:
        raise bad
    pdu = _body(command_id)
    pdu.sm_length = None  # smpplib's 0 would pass for one that was read
    try:
        pdu.parse(frame)
    except (struct.error, LookupError, TypeError, ValueError, exceptions.UnknownCommandError):
        raise bad from None
    values = {field: getattr(pdu, field) for field in _FIELDS}
    text: bytes = values["short_message"] or b""
    unset = any(value is None for field, value in values.items() if field != "short_message")
    if unset or len(text) != values["sm_length"]:
        raise bad
    return sequence, ShortMessage(
        source=_address(pdu, "source_addr", "source_addr"),
        destination=_address(pdu, "dest_addr", "destination_addr"),
        short_message=text,
        data_coding=values["data_coding"],
        service_type=values["service_type"].decode("latin-1"),
        esm_class=values["esm_class"],
        protocol_id=values["protocol_id"],
        priority_flag=values["priority_flag"],
        schedule_delivery_time=values["schedule_delivery_time"].decode("latin-1"),
        validity_period=values["validity_period"].decode("latin-1"),
        registered_delivery=values["registered_delivery"],
        replace_if_present=values["replace_if_present_flag"],
        sm_default_msg_id=values["sm_default_msg_id"],
    )


def write_message(command_id: Command, sequence: int, message: ShortMessage) -> bytes:
    """A submit_sm or deliver_sm without TLVs.

    Raises LocalProtocolError for what smpplib would cut or can't write.
    """
    texts = {
        "service_type": (message.service_type, 6),
        "source_addr": (message.source.digits, 21),
        "destination_addr": (message.destination.digits, 21),
        "schedule_delivery_time": (message.schedule_delivery_time, 17),
        "validity_period": (message.validity_period, 17),
    }
    too_long = any(len(text) >= most or not text.isascii() for text, most in texts.values())
    if too_long or len(message.short_message) > 254 or message.tlvs:
        raise LocalProtocolError("smpplib would cut or spoil this")
    pdu = _body(command_id)
    pdu.sequence = sequence
    for field, (text, _) in texts.items():
        setattr(pdu, field, text)
    pdu.source_addr_ton, pdu.source_addr_npi = message.source.ton, message.source.npi
    pdu.dest_addr_ton, pdu.dest_addr_npi = message.destination.ton, message.destination.npi
    pdu.short_message = message.short_message
    pdu.sm_length = len(message.short_message)
    pdu.replace_if_present_flag = message.replace_if_present
    for field in (
        "esm_class",
        "protocol_id",
        "priority_flag",
        "registered_delivery",
        "data_coding",
        "sm_default_msg_id",
    ):
        setattr(pdu, field, getattr(message, field))
    octets: bytes = pdu.generate()
    return octets


class _OwnNumbers:
    """smpplib asks its client for a number even when it parses; ours stay ours."""

    sequence = 0

    def next_sequence(self) -> int:
        return 0


# Any: smpplib has no types.
def _body(command_id: int) -> Any:
    name = _NAMES[Command(command_id)]
    kind = command.SubmitSM if name == "submit_sm" else command.DeliverSM

    class Guarded(kind):  # type: ignore[misc,valid-type]
        def _parse_string(
            self, field: str, data: bytes, pos: int, length: int | None = None
        ) -> Any:
            if data.find(0, pos) < 0:
                raise ValueError("no NUL: smpplib would begin again at the front")
            return super()._parse_string(field, data, pos, length)

        def parse_optional_params(self, _: bytes) -> None:
            """Its TLVs are the part that can't be trusted."""

    return Guarded(name, client=_OwnNumbers())


def _address(pdu: Any, prefix: str, field: str) -> Address:
    digits: bytes = getattr(pdu, field)
    return Address(
        digits.decode("latin-1"), getattr(pdu, f"{prefix}_ton"), getattr(pdu, f"{prefix}_npi")
    )
