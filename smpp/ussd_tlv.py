"""
USSD dialogues over SMPP, read and written by a dialect; no state.

    network   deliver_sm  op 01  "*4*1420#"       a dialogue begins        PSSR indication
    gateway   submit_sm   op 02  screen           it continues             USSR request
    network   deliver_sm  op 12  "1"              the subscriber's reply   USSR confirm
    gateway   submit_sm   op 11  last screen      it ends                  PSSR response

its_session_info (5.3.2.43): octet 1 numbers the session; octet 2 holds the number of the unit in
bits 7 to 1 and the end of the session in bit 0.
"""

from dataclasses import dataclass, field

from smpp.data_coding import decode_text, pack
from smpp.dialect import (
    PSSD_INDICATION,
    PSSD_RESPONSE,
    SPECIFICATION,
    CodeField,
    Dialect,
    Kind,
    SessionSource,
    TextEncoding,
)
from smpp.errors import LocalProtocolError
from smpp.pdu import Address, ShortMessage, Tag, Tlvs
from telecom import gsm0338

_ITS_OCTETS = 2
_END_BIT = 0x0001
_UNIT_STEP = 0x0002


@dataclass(frozen=True, slots=True)
class UssdEvent:
    """One unit from the network. Every field holds what was sent, nothing looked up."""

    kind: Kind
    session: str
    """Hexadecimal digits, or "-" where the gateway gives none; unique with the MSISDN only."""
    msisdn: str = field(repr=False)
    text: str | None = field(repr=False)
    """What was dialled or typed; None if unreadable."""
    unit: int | None
    """Number of the unit in the dialogue, where its_session_info tells it."""
    op: int | None
    message: ShortMessage


def is_ussd(message: ShortMessage, dialect: Dialect = SPECIFICATION) -> bool:
    """Whether this belongs to a USSD dialogue and not to a person's text messages."""
    if message.tlv(Tag.USSD_SERVICE_OP) is not None:
        return True
    return bool(dialect.service_type) and message.service_type == dialect.service_type


def read_unit(message: ShortMessage, dialect: Dialect = SPECIFICATION) -> UssdEvent:
    """What a deliver_sm means. Total: an odd message gives an event of Kind.OTHER at worst."""
    op = _op(message)
    its = _its(message, dialect)
    return UssdEvent(
        kind=_kind(op, its, dialect),
        session=_session(message, dialect),
        msisdn=message.source.digits,
        text=_text(message, op, dialect),
        unit=None if its is None else (its & 0xFF) >> 1,
        op=op,
        message=message,
    )


def write_reply(
    to: UssdEvent, text: str, *, more: bool, dialect: Dialect = SPECIFICATION
) -> ShortMessage:
    """The submit_sm that shows a screen; addresses, TON and NPI swapped, the session's own TLVs.

    more: whether the subscriber may answer. Raises LocalProtocolError if the text is too long.
    """
    octets, data_coding = encode_screen(text, dialect)
    op = dialect.continue_op if more else dialect.end_op
    if to.op == PSSD_INDICATION:
        op = PSSD_RESPONSE  # a phase 1 phone: one answer and no more
    tlvs = [(int(Tag.USSD_SERVICE_OP), bytes([op]))]
    last = not more or to.op == PSSD_INDICATION
    session = _session_out(to.message, dialect, last=last)
    if session is not None:
        tlvs.append(session)
    tlvs += [pair for pair in to.message.tlvs if pair[0] in dialect.echo_tlvs]
    return ShortMessage(
        source=to.message.destination,
        destination=to.message.source,
        short_message=octets,
        data_coding=data_coding,
        service_type=dialect.service_type,
        esm_class=dialect.esm_class,
        tlvs=tuple(tlvs),
    )


def encode_screen(text: str, dialect: Dialect = SPECIFICATION) -> tuple[bytes, int]:
    """The octets of a screen and their data_coding. Raises LocalProtocolError if too long."""
    if dialect.text_encoding is TextEncoding.AUTO and gsm0338.encodable(text):
        septets = gsm0338.encode(text)
        on_air = (len(septets) * 7 + 7) // 8
        octets = pack(septets) if dialect.packed_7bit else septets
        data_coding = dialect.data_coding_gsm
    else:
        octets = text.encode("utf-16-be")
        on_air, data_coding = len(octets), dialect.data_coding_ucs2
    if on_air > dialect.max_octets:
        raise LocalProtocolError(f"a screen of {on_air} octets, {dialect.max_octets} at most")
    return octets, data_coding


# The network's side, for carrier


@dataclass(frozen=True, slots=True)
class Screen:
    """What a submit_sm shows the subscriber. last: the dialogue is over."""

    text: str | None = field(repr=False)
    last: bool
    session: str


def write_unit(
    op: int,
    text: str,
    *,
    subscriber: Address,
    service_code: Address,
    session_info: bytes | None,
    dialect: Dialect = SPECIFICATION,
) -> ShortMessage:
    """The deliver_sm of one unit. session_info: value of the dialect's session parameter."""
    octets, data_coding = encode_screen(text, dialect)
    tlvs: Tlvs = ((Tag.USSD_SERVICE_OP, bytes([op])),)
    if session_info is not None and dialect.session_tag is not None:
        tlvs = (*tlvs, (dialect.session_tag, session_info))
    return ShortMessage(
        source=subscriber,
        destination=service_code,
        short_message=octets,
        data_coding=data_coding,
        service_type=dialect.service_type,
        tlvs=tlvs,
    )


def read_screen(message: ShortMessage, dialect: Dialect = SPECIFICATION) -> Screen:
    """What a submit_sm of a dialogue means."""
    its = _its(message, dialect)
    # One gateway closes by the bit alone and sends op 02 for every unit (vumi, default.py).
    ended = dialect.end_bit_out and its is not None and bool(its & _END_BIT)
    return Screen(
        text=_decoded(message, dialect),
        last=ended or _op(message) in (dialect.end_op, PSSD_RESPONSE),
        session=_session(message, dialect),
    )


# The parts


def _op(message: ShortMessage) -> int | None:
    value = message.tlv(Tag.USSD_SERVICE_OP)
    return value[0] if value and len(value) == 1 else None


def _its(message: ShortMessage, dialect: Dialect) -> int | None:
    if not dialect.session_source.uses_its:
        return None
    value = message.tlv(Tag.ITS_SESSION_INFO)
    return int.from_bytes(value) if value and len(value) == _ITS_OCTETS else None


def _kind(op: int | None, its: int | None, dialect: Dialect) -> Kind:
    if dialect.end_bit_in and its is not None and its & _END_BIT:
        return Kind.ABORT
    if op in dialect.abort_ops:
        return Kind.ABORT
    if op in dialect.begin_ops:
        return Kind.BEGIN
    if op in dialect.continue_ops:
        return Kind.CONTINUE
    return dialect.unknown_op


def _session(message: ShortMessage, dialect: Dialect) -> str:
    its = _its(message, dialect)
    match dialect.session_source:
        case SessionSource.ITS_OCTET1:
            return "-" if its is None else f"{its >> 8:02x}"
        case SessionSource.ITS_15BIT | SessionSource.ITS_OPAQUE:
            return "-" if its is None else f"{its & ~_END_BIT:04x}"
        case SessionSource.UMR | SessionSource.VENDOR:
            assert dialect.session_tag is not None
            value = message.tlv(dialect.session_tag)
            return value.hex() if value else "-"
        case SessionSource.NONE:
            return "-"


def _session_out(
    message: ShortMessage, dialect: Dialect, *, last: bool
) -> tuple[int, bytes] | None:
    tag = dialect.session_tag
    value = None if tag is None else message.tlv(tag)
    if tag is None or value is None:
        return None
    its = _its(message, dialect)
    if its is None:
        return tag, value
    its &= ~_END_BIT
    if dialect.session_source is SessionSource.ITS_OCTET1:
        # The unit's number grows with every unit; the session's number stays.
        its = its & 0xFF00 | its + _UNIT_STEP & 0x00FE
    if last and dialect.end_bit_out:
        its |= _END_BIT
    return tag, its.to_bytes(_ITS_OCTETS)


def _decoded(message: ShortMessage, dialect: Dialect) -> str | None:
    octets = message.short_message or message.tlv(Tag.MESSAGE_PAYLOAD) or b""
    return decode_text(octets, message.data_coding, packed=dialect.packed_7bit)


def _text(message: ShortMessage, op: int | None, dialect: Dialect) -> str | None:
    text = _decoded(message, dialect)
    if op not in dialect.begin_ops:
        return text
    destination = message.destination.digits
    match dialect.code_field:
        case CodeField.DESTINATION:
            return destination
        case CodeField.SHORT_MESSAGE:
            return text
        case CodeField.AUTO:
            candidates = (text or "", destination)
            whole = [each for each in candidates if each.startswith("*") and each.endswith("#")]
            begun = [each for each in candidates if each.startswith("*")]
            return next(iter((*whole, *begun)), text or destination)
