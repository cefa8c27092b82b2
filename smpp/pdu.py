"""
The PDUs of SMPP 3.4 as facts.

    command_length | command_id | command_status | sequence_number | body
    4 octets each, big-endian (3.2); a response's id is the request's | 0x80000000

Sequence numbers run from 1 to 0x7FFFFFFF (5.1.4). Text fields are C-octet strings; they are held
as str, one character an octet (Latin-1), so that whatever a peer sent goes back byte for byte.
No repr shows a whole address, a text or a password.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

HEADER = 16
MAX_SEQUENCE = 0x7FFFFFFF
RESPONSE = 0x80000000
INTERFACE_VERSION = 0x34

Tlvs = tuple[tuple[int, bytes], ...]
"""Optional parameters in the order they came, repeated and unknown ones included."""


class Command(IntEnum):
    """command_id of the requests that we speak, and of generic_nack (5.1.2.1)."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    ALERT_NOTIFICATION = 0x102
    GENERIC_NACK = 0x80000000


class Status(IntEnum):
    """command_status (5.1.3): those that we send or act upon. Peers send others too."""

    OK = 0x00
    INVALID_MESSAGE_LENGTH = 0x01
    INVALID_COMMAND_LENGTH = 0x02
    INVALID_COMMAND_ID = 0x03
    INVALID_BIND_STATUS = 0x04
    ALREADY_BOUND = 0x05
    SYSTEM_ERROR = 0x08
    INVALID_SOURCE = 0x0A
    INVALID_DESTINATION = 0x0B
    BIND_FAILED = 0x0D
    INVALID_PASSWORD = 0x0E
    INVALID_SYSTEM_ID = 0x0F
    QUEUE_FULL = 0x14
    INVALID_SERVICE_TYPE = 0x15
    SUBMIT_FAILED = 0x45
    THROTTLED = 0x58
    INVALID_SCHEDULE = 0x61
    INVALID_VALIDITY = 0x62
    RX_TEMPORARY = 0x64
    RX_PERMANENT = 0x65
    RX_REJECT = 0x66
    INVALID_TLV_STREAM = 0xC0
    INVALID_PARAMETER_LENGTH = 0xC2
    INVALID_TLV_VALUE = 0xC4


class Tag(IntEnum):
    """Optional parameters by tag (5.3.2)."""

    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    RECEIPTED_MESSAGE_ID = 0x001E
    SC_INTERFACE_VERSION = 0x0210
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


class BindType(StrEnum):
    """Which way a bind carries messages: from the ESME, to it, or both (2.2)."""

    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    TRANSCEIVER = "transceiver"

    @property
    def command(self) -> Command:
        """The command_id that asks for this bind."""
        return _BIND_COMMANDS[self]

    @property
    def submits(self) -> bool:
        """Whether submit_sm may pass."""
        return self is not BindType.RECEIVER

    @property
    def delivers(self) -> bool:
        """Whether deliver_sm may pass."""
        return self is not BindType.TRANSMITTER


_BIND_COMMANDS = {
    BindType.TRANSMITTER: Command.BIND_TRANSMITTER,
    BindType.RECEIVER: Command.BIND_RECEIVER,
    BindType.TRANSCEIVER: Command.BIND_TRANSCEIVER,
}


@dataclass(frozen=True, slots=True)
class Address:
    """An MSISDN, a short code or a name, with its TON and NPI (5.2.5, 5.2.6)."""

    digits: str
    ton: int = 0
    npi: int = 0

    def __repr__(self) -> str:
        return f"Address({self.ton}/{self.npi} …{self.digits[-2:]})"


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """The body that submit_sm and deliver_sm share (4.4.1, 4.6.1)."""

    source: Address
    destination: Address
    short_message: bytes = field(default=b"", repr=False)
    data_coding: int = 0
    service_type: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    sm_default_msg_id: int = 0
    tlvs: Tlvs = field(default=(), repr=False)

    def tlv(self, tag: int) -> bytes | None:
        """The first value of this tag, None if it isn't there."""
        return first(self.tlvs, tag)

    @property
    def is_receipt(self) -> bool:
        """A receipt or acknowledgement, never a person's text (5.2.12, bits 5 to 2)."""
        return self.esm_class & 0x3C != 0


def first(tlvs: Tlvs, tag: int) -> bytes | None:
    """The first value of this tag, None if it isn't there."""
    for known, value in tlvs:
        if known == tag:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Bind:
    """bind_transmitter, bind_receiver or bind_transceiver (4.1.1, 4.1.3, 4.1.5)."""

    sequence: int
    bind_type: BindType
    system_id: str
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = INTERFACE_VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, slots=True)
class BindResp:
    """The answer to a bind; an error may come without a body (4.1.2)."""

    sequence: int
    bind_type: BindType
    status: int = 0
    system_id: str = ""
    tlvs: Tlvs = ()


@dataclass(frozen=True, slots=True)
class SubmitSm:
    """ESME to SMSC (4.4.1)."""

    sequence: int
    message: ShortMessage


@dataclass(frozen=True, slots=True)
class DeliverSm:
    """SMSC to ESME (4.6.1)."""

    sequence: int
    message: ShortMessage


@dataclass(frozen=True, slots=True)
class SubmitSmResp:
    """The SMSC's answer; an error may come without a body (4.4.2)."""

    sequence: int
    status: int = 0
    message_id: str = ""
    tlvs: Tlvs = ()


@dataclass(frozen=True, slots=True)
class DeliverSmResp:
    """The ESME's answer; message_id is unused, one NUL (4.6.2)."""

    sequence: int
    status: int = 0
    message_id: str = ""
    tlvs: Tlvs = ()


@dataclass(frozen=True, slots=True)
class EnquireLink:
    """Are you there (4.11.1)."""

    sequence: int


@dataclass(frozen=True, slots=True)
class EnquireLinkResp:
    """I am (4.11.2)."""

    sequence: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Unbind:
    """No more from this side (4.2.1)."""

    sequence: int


@dataclass(frozen=True, slots=True)
class UnbindResp:
    """Nor from this one (4.2.2)."""

    sequence: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class GenericNack:
    """A header that could not be understood (4.3.1)."""

    sequence: int
    status: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A command that we don't speak, its body unread."""

    sequence: int
    command_id: int
    status: int
    body: bytes = field(default=b"", repr=False)


Response = BindResp | SubmitSmResp | DeliverSmResp | EnquireLinkResp | UnbindResp | GenericNack
Request = Bind | SubmitSm | DeliverSm | EnquireLink | Unbind
Pdu = Request | Response | Unknown
