"""
How one operator's gateway speaks USSD over SMPP.

There is no single way (see `SessionSource`); the defaults are the specification's.
Vendors' operations are given as octets: "17" in a contract may mean 0x11 or 0x17, so ask.
"""

from dataclasses import dataclass
from enum import StrEnum

from smpp.pdu import Tag

# ussd_service_op (5.3.2.44); 0x81 is common among vendors for an abort.
PSSD_INDICATION = 0x00
PSSR_INDICATION = 0x01
USSR_REQUEST = 0x02
USSN_REQUEST = 0x03
PSSD_RESPONSE = 0x10
PSSR_RESPONSE = 0x11
USSR_CONFIRM = 0x12
USSN_CONFIRM = 0x13
ABORT_INDICATION = 0x81


class Kind(StrEnum):
    """What the network says about a dialogue. OTHER: nothing to answer."""

    BEGIN = "begin"
    CONTINUE = "continue"
    ABORT = "abort"
    OTHER = "other"


class SessionSource(StrEnum):
    """Where the number of the session is.

    ITS_OCTET1: octet 1 of its_session_info, as specified (5.3.2.43); ITS_15BIT: its upper 15 bits;
    ITS_OPAQUE: the same, and never changed by us; UMR: user_message_reference;
    VENDOR: a vendor's own parameter; NONE: the MSISDN is all there is.
    """

    ITS_OCTET1 = "its_octet1"
    ITS_15BIT = "its_15bit"
    ITS_OPAQUE = "its_opaque"
    UMR = "umr"
    VENDOR = "vendor"
    NONE = "none"

    @property
    def uses_its(self) -> bool:
        """Whether its_session_info carries the number."""
        return self in (
            SessionSource.ITS_OCTET1,
            SessionSource.ITS_15BIT,
            SessionSource.ITS_OPAQUE,
        )


class CodeField(StrEnum):
    """Where the dialled string is; AUTO takes the one that looks like one."""

    AUTO = "auto"
    SHORT_MESSAGE = "short_message"
    DESTINATION = "destination"


class TextEncoding(StrEnum):
    """AUTO: the GSM alphabet where the text allows it, else UCS-2."""

    AUTO = "auto"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class Dialect:
    """All that differs between gateways; the specification's values by default."""

    service_type: str = "USSD"
    session_source: SessionSource = SessionSource.ITS_OCTET1
    vendor_tag: int | None = None
    """0x1400 to 0x3FFF, with SessionSource.VENDOR."""
    begin_ops: frozenset[int] = frozenset({PSSD_INDICATION, PSSR_INDICATION})
    continue_ops: frozenset[int] = frozenset({USSR_CONFIRM})
    abort_ops: frozenset[int] = frozenset({ABORT_INDICATION})
    unknown_op: Kind = Kind.OTHER
    """For operations in none of the three, and for none at all."""
    continue_op: int = USSR_REQUEST
    end_op: int = PSSR_RESPONSE
    end_bit_in: bool = True
    """Bit 0 of its_session_info, where it is used, means that the network ends the dialogue."""
    end_bit_out: bool = True
    """Set that bit in the last unit of ours."""
    code_field: CodeField = CodeField.AUTO
    text_encoding: TextEncoding = TextEncoding.AUTO
    data_coding_gsm: int = 15
    data_coding_ucs2: int = 8
    packed_7bit: bool = False
    max_octets: int = 160
    """Of the packed or UCS-2 text (GSM 04.80, annex A)."""
    esm_class: int = 0
    echo_tlvs: tuple[int, ...] = ()
    """Parameters that must come back as they were."""

    def __post_init__(self) -> None:
        if (self.session_source is SessionSource.VENDOR) != (self.vendor_tag is not None):
            raise ValueError("vendor_tag goes with session_source vendor")

    @property
    def session_tag(self) -> int | None:
        """The parameter that carries the number of the session."""
        if self.session_source.uses_its:
            return Tag.ITS_SESSION_INFO
        if self.session_source is SessionSource.UMR:
            return Tag.USER_MESSAGE_REFERENCE
        return self.vendor_tag


SPECIFICATION = Dialect()
