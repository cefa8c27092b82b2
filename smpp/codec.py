"""
PDUs to octets and back, by struct.

Strict where smpplib is not: a C-octet string must end within its field, sm_length within the body
and at 254, a TLV within what is left. Nothing is cut to fit. Unknown TLVs are kept.
The statuses name the field that was wrong, as far as SMPP has a status for it (5.1.3).
"""

from collections.abc import Callable
from struct import Struct

from smpp.errors import BadPdu, LocalProtocolError
from smpp.pdu import (
    HEADER,
    RESPONSE,
    Address,
    Bind,
    BindResp,
    BindType,
    Command,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    ShortMessage,
    Status,
    SubmitSm,
    SubmitSmResp,
    Tlvs,
    Unbind,
    UnbindResp,
    Unknown,
)

MAX_SHORT_MESSAGE = 254

_HEAD = Struct(">LLLL")
_PAIR = Struct(">HH")

# Longest field, its NUL included (5.2).
_SYSTEM_ID = 16
_PASSWORD = 9
_SYSTEM_TYPE = 13
_ADDRESS_RANGE = 41
_SERVICE_TYPE = 6
_ADDRESS = 21
_TIME = 17
_MESSAGE_ID = 65


class _Wrong(Exception):
    """A field out of bounds; becomes BadPdu where the header is known."""

    def __init__(self, status: Status) -> None:
        self.status = status


def decode(frame: bytes | bytearray | memoryview) -> Pdu:
    """One whole frame as a PDU.

    Raises BadPdu with the status to answer with. An error response without a body is whole.
    """
    data = bytes(frame)
    if len(data) < HEADER:
        raise BadPdu(Status.INVALID_COMMAND_LENGTH, 0, 0, 0)
    length, command_id, status, sequence = _HEAD.unpack_from(data)
    if length != len(data):
        raise BadPdu(Status.INVALID_COMMAND_LENGTH, sequence, command_id, status)
    read = _READERS.get(command_id)
    if read is None:
        return Unknown(sequence, command_id, status, data[HEADER:])
    try:
        return read(data, sequence, status)
    except _Wrong as wrong:
        raise BadPdu(wrong.status, sequence, command_id, status) from None


def encode(pdu: Pdu) -> bytes:
    """A PDU as octets. Raises LocalProtocolError where a field doesn't fit; never truncates."""
    match pdu:
        case SubmitSm(sequence, message):
            return _frame(Command.SUBMIT_SM, 0, sequence, _message(message))
        case DeliverSm(sequence, message):
            return _frame(Command.DELIVER_SM, 0, sequence, _message(message))
        case SubmitSmResp():
            return _frame(Command.SUBMIT_SM | RESPONSE, pdu.status, pdu.sequence, _receipt(pdu))
        case DeliverSmResp():
            return _frame(Command.DELIVER_SM | RESPONSE, pdu.status, pdu.sequence, _receipt(pdu))
        case EnquireLink(sequence):
            return _frame(Command.ENQUIRE_LINK, 0, sequence)
        case EnquireLinkResp(sequence, status):
            return _frame(Command.ENQUIRE_LINK | RESPONSE, status, sequence)
        case Bind():
            return _frame(pdu.bind_type.command, 0, pdu.sequence, _bind(pdu))
        case BindResp():
            # An SMSC that refuses sends no body (4.1.2).
            body = b"" if pdu.status else _text(pdu.system_id, _SYSTEM_ID) + _tlvs(pdu.tlvs)
            return _frame(pdu.bind_type.command | RESPONSE, pdu.status, pdu.sequence, body)
        case Unbind(sequence):
            return _frame(Command.UNBIND, 0, sequence)
        case UnbindResp(sequence, status):
            return _frame(Command.UNBIND | RESPONSE, status, sequence)
        case GenericNack(sequence, status):
            return _frame(Command.GENERIC_NACK, status, sequence)
        case Unknown(sequence, command_id, status, body):
            return _frame(command_id, status, sequence, body)


# Writing


def _frame(command_id: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    if not (0 <= status <= 0xFFFFFFFF and 0 <= sequence <= 0xFFFFFFFF):
        raise LocalProtocolError("a header field is out of range")
    return _HEAD.pack(HEADER + len(body), command_id, status, sequence) + body


def _text(value: str, maximum: int) -> bytes:
    try:
        octets = value.encode("latin-1")
    except UnicodeEncodeError:
        raise LocalProtocolError("a C-octet string holds one octet a character") from None
    if len(octets) >= maximum:
        raise LocalProtocolError(f"{len(octets)} octets in a field of {maximum} with its NUL")
    if 0 in octets:
        raise LocalProtocolError("NUL inside a C-octet string")
    return octets + b"\0"


def _octets(*values: int) -> bytes:
    try:
        return bytes(values)
    except ValueError:
        raise LocalProtocolError("an octet is 0 to 255") from None


def _tlvs(tlvs: Tlvs) -> bytes:
    parts = []
    for tag, value in tlvs:
        if not 0 <= tag <= 0xFFFF or len(value) > 0xFFFF:
            raise LocalProtocolError(f"TLV {tag:#06x} of {len(value)} octets")
        parts.append(_PAIR.pack(tag, len(value)) + value)
    return b"".join(parts)


def _message(message: ShortMessage) -> bytes:
    text = message.short_message
    if len(text) > MAX_SHORT_MESSAGE:
        raise LocalProtocolError(f"short_message of {len(text)} octets")
    source, destination = message.source, message.destination
    return b"".join(
        (
            _text(message.service_type, _SERVICE_TYPE),
            _octets(source.ton, source.npi),
            _text(source.digits, _ADDRESS),
            _octets(destination.ton, destination.npi),
            _text(destination.digits, _ADDRESS),
            _octets(message.esm_class, message.protocol_id, message.priority_flag),
            _text(message.schedule_delivery_time, _TIME),
            _text(message.validity_period, _TIME),
            _octets(
                message.registered_delivery,
                message.replace_if_present,
                message.data_coding,
                message.sm_default_msg_id,
                len(text),
            ),
            text,
            _tlvs(message.tlvs),
        )
    )


def _receipt(pdu: SubmitSmResp | DeliverSmResp) -> bytes:
    # submit_sm_resp has no body with an error (4.4.2); deliver_sm_resp always its one NUL.
    if pdu.status and not pdu.message_id and not pdu.tlvs and isinstance(pdu, SubmitSmResp):
        return b""
    return _text(pdu.message_id, _MESSAGE_ID) + _tlvs(pdu.tlvs)


def _bind(bind: Bind) -> bytes:
    return (
        _text(bind.system_id, _SYSTEM_ID)
        + _text(bind.password, _PASSWORD)
        + _text(bind.system_type, _SYSTEM_TYPE)
        + _octets(bind.interface_version, bind.addr_ton, bind.addr_npi)
        + _text(bind.address_range, _ADDRESS_RANGE)
    )


# Reading


def _take(data: bytes, at: int, maximum: int, status: Status) -> tuple[str, int]:
    nul = data.find(0, at, at + maximum)
    if nul < 0:
        raise _Wrong(status)
    return data[at:nul].decode("latin-1"), nul + 1


def _take_tlvs(data: bytes, at: int) -> Tlvs:
    end = len(data)
    if at == end:
        return ()
    tlvs = []
    while at < end:
        if end - at < _PAIR.size:
            raise _Wrong(Status.INVALID_TLV_STREAM)
        tag, length = _PAIR.unpack_from(data, at)
        at += _PAIR.size
        if length > end - at:
            raise _Wrong(Status.INVALID_TLV_STREAM)
        tlvs.append((tag, data[at : at + length]))
        at += length
    return tuple(tlvs)


def _take_message(data: bytes) -> ShortMessage:
    try:
        service_type, at = _take(data, HEADER, _SERVICE_TYPE, Status.INVALID_SERVICE_TYPE)
        source_ton, source_npi = data[at], data[at + 1]
        source, at = _take(data, at + 2, _ADDRESS, Status.INVALID_SOURCE)
        dest_ton, dest_npi = data[at], data[at + 1]
        destination, at = _take(data, at + 2, _ADDRESS, Status.INVALID_DESTINATION)
        esm_class, protocol_id, priority = data[at], data[at + 1], data[at + 2]
        schedule, at = _take(data, at + 3, _TIME, Status.INVALID_SCHEDULE)
        validity, at = _take(data, at, _TIME, Status.INVALID_VALIDITY)
        registered, replace, coding = data[at], data[at + 1], data[at + 2]
        default_id, length = data[at + 3], data[at + 4]
    except IndexError:
        raise _Wrong(Status.INVALID_PARAMETER_LENGTH) from None
    at += 5
    if length > MAX_SHORT_MESSAGE or length > len(data) - at:
        raise _Wrong(Status.INVALID_MESSAGE_LENGTH)
    return ShortMessage(
        Address(source, source_ton, source_npi),
        Address(destination, dest_ton, dest_npi),
        data[at : at + length],
        coding,
        service_type,
        esm_class,
        protocol_id,
        priority,
        schedule,
        validity,
        registered,
        replace,
        default_id,
        _take_tlvs(data, at + length),
    )


def _take_bind(bind_type: BindType) -> Callable[[bytes, int, int], Pdu]:
    def read(data: bytes, sequence: int, _status: int) -> Pdu:
        system_id, at = _take(data, HEADER, _SYSTEM_ID, Status.INVALID_SYSTEM_ID)
        password, at = _take(data, at, _PASSWORD, Status.INVALID_PASSWORD)
        system_type, at = _take(data, at, _SYSTEM_TYPE, Status.INVALID_PARAMETER_LENGTH)
        if len(data) - at < 3:
            raise _Wrong(Status.INVALID_PARAMETER_LENGTH)
        version, ton, npi = data[at], data[at + 1], data[at + 2]
        span, _ = _take(data, at + 3, _ADDRESS_RANGE, Status.INVALID_PARAMETER_LENGTH)
        return Bind(sequence, bind_type, system_id, password, system_type, version, ton, npi, span)

    return read


def _take_bind_resp(bind_type: BindType) -> Callable[[bytes, int, int], Pdu]:
    def read(data: bytes, sequence: int, status: int) -> Pdu:
        if len(data) == HEADER:
            return BindResp(sequence, bind_type, status)
        system_id, at = _take(data, HEADER, _SYSTEM_ID, Status.INVALID_SYSTEM_ID)
        return BindResp(sequence, bind_type, status, system_id, _take_tlvs(data, at))

    return read


def _take_receipt(data: bytes) -> tuple[str, Tlvs]:
    if len(data) == HEADER:
        return "", ()
    message_id, at = _take(data, HEADER, _MESSAGE_ID, Status.INVALID_PARAMETER_LENGTH)
    return message_id, _take_tlvs(data, at)


_READERS: dict[int, Callable[[bytes, int, int], Pdu]] = {
    Command.SUBMIT_SM: lambda data, sequence, _: SubmitSm(sequence, _take_message(data)),
    Command.DELIVER_SM: lambda data, sequence, _: DeliverSm(sequence, _take_message(data)),
    Command.SUBMIT_SM | RESPONSE: lambda data, sequence, status: SubmitSmResp(
        sequence, status, *_take_receipt(data)
    ),
    Command.DELIVER_SM | RESPONSE: lambda data, sequence, status: DeliverSmResp(
        sequence, status, *_take_receipt(data)
    ),
    Command.ENQUIRE_LINK: lambda _, sequence, __: EnquireLink(sequence),
    Command.ENQUIRE_LINK | RESPONSE: lambda _, sequence, status: EnquireLinkResp(sequence, status),
    Command.UNBIND: lambda _, sequence, __: Unbind(sequence),
    Command.UNBIND | RESPONSE: lambda _, sequence, status: UnbindResp(sequence, status),
    Command.GENERIC_NACK: lambda _, sequence, status: GenericNack(sequence, status),
    **{kind.command: _take_bind(kind) for kind in BindType},
    **{kind.command | RESPONSE: _take_bind_resp(kind) for kind in BindType},
}
