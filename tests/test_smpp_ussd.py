"""USSD over SMPP, read and written by a dialect."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.data_coding import decode_text, pack, unpack
from smpp.dialect import CodeField, Dialect, Kind, SessionSource, TextEncoding
from smpp.errors import LocalProtocolError
from smpp.pdu import Address, ShortMessage, Tag
from smpp.ussd_tlv import encode_screen, is_ussd, read_screen, read_unit, write_reply, write_unit
from tests.smpp_pdus import messages

HANDSET = Address("989121234567", 1, 1)
CODE = Address("1420", 3, 9)
dialects = st.builds(
    Dialect,
    session_source=st.sampled_from([s for s in SessionSource if s is not SessionSource.VENDOR]),
    unknown_op=st.sampled_from(Kind),
    code_field=st.sampled_from(CodeField),
    packed_7bit=st.booleans(),
    end_bit_in=st.booleans(),
    end_bit_out=st.booleans(),
    echo_tlvs=st.just((0x1401,)),
)


def unit(op: int, text: str = "", info: bytes | None = b"\x2a\x00", **kind: object) -> ShortMessage:
    """One unit from the network."""
    dialect = Dialect(**kind)  # type: ignore[arg-type]
    return write_unit(
        op, text, subscriber=HANDSET, service_code=CODE, session_info=info, dialect=dialect
    )


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        (0x00, Kind.BEGIN),
        (0x01, Kind.BEGIN),
        (0x12, Kind.CONTINUE),
        (0x13, Kind.OTHER),
        (0x81, Kind.ABORT),
        (0x55, Kind.OTHER),
    ],
)
def test_operations(op: int, kind: Kind) -> None:
    """Each operation of the network's means what the specification says."""
    event = read_unit(unit(op, "*4*1420#"))
    assert (event.kind, event.session, event.unit, event.msisdn) == (kind, "2a", 0, HANDSET.digits)


def test_the_session_stays_while_its_units_count() -> None:
    """The unit's number changes with every unit, and the session is the same one."""
    sessions = {read_unit(unit(0x12, "1", bytes([7, seq << 1]))).session for seq in range(128)}
    assert sessions == {"07"}
    assert read_unit(unit(0x12, "1", b"\x07\x06")).unit == 3


@pytest.mark.parametrize(
    ("source", "tag", "info", "session", "more", "last"),
    [
        (SessionSource.ITS_OCTET1, Tag.ITS_SESSION_INFO, "2a08", "2a", "2a0a", "2a0b"),
        (SessionSource.ITS_OCTET1, Tag.ITS_SESSION_INFO, "2afe", "2a", "2a00", "2a01"),
        (SessionSource.ITS_15BIT, Tag.ITS_SESSION_INFO, "2a08", "2a08", "2a08", "2a09"),
        (SessionSource.ITS_OPAQUE, Tag.ITS_SESSION_INFO, "2a08", "2a08", "2a08", "2a09"),
        (SessionSource.UMR, Tag.USER_MESSAGE_REFERENCE, "2a09", "2a09", "2a09", "2a09"),
        (SessionSource.VENDOR, 0x1405, "0102030405", "0102030405", "0102030405", "0102030405"),
    ],
)
def test_session_numbers(
    source: SessionSource, tag: int, info: str, session: str, more: str, last: str
) -> None:
    """Each kind of gateway gets back the session's number as it wants it."""
    vendor = tag if source is SessionSource.VENDOR else None
    dialect = Dialect(session_source=source, vendor_tag=vendor)
    message = write_unit(
        1,
        "*4*1420#",
        subscriber=HANDSET,
        service_code=CODE,
        session_info=bytes.fromhex(info),
        dialect=dialect,
    )
    event = read_unit(message, dialect)
    assert event.session == session
    for open_still, expected in ((True, more), (False, last)):
        value = write_reply(event, "x", more=open_still, dialect=dialect).tlv(tag)
        assert value is not None
        assert value.hex() == expected


def test_a_gateway_without_numbers() -> None:
    """Where a gateway gives no number, the subscriber is the session."""
    dialect = Dialect(session_source=SessionSource.NONE)
    event = read_unit(unit(1, "*4*1420#", None), dialect)
    assert event.session == "-"
    assert [tag for tag, _ in write_reply(event, "x", more=True, dialect=dialect).tlvs] == [
        Tag.USSD_SERVICE_OP
    ]


def test_a_reply_goes_back_the_way_it_came() -> None:
    """Addresses change places with their TON and NPI, and what must be echoed is."""
    dialect = Dialect(echo_tlvs=(0x1401,), service_type="USSD")
    message = unit(1, "*4*1420#")
    message = replace(message, tlvs=(*message.tlvs, (0x1401, b"echo"), (0x1402, b"not")))
    reply = write_reply(read_unit(message, dialect), "سلام", more=True, dialect=dialect)
    assert (reply.source, reply.destination) == (CODE, HANDSET)
    assert (0x1401, b"echo") in reply.tlvs
    assert reply.tlv(0x1402) is None
    assert (reply.data_coding, reply.registered_delivery) == (8, 0)
    assert reply.tlv(Tag.USSD_SERVICE_OP) == b"\x02"
    assert is_ussd(reply)


def test_a_phase_1_phone_gets_one_answer() -> None:
    """A phone that can't hold a dialogue gets its answer as a PSSD response, and that is all."""
    reply = write_reply(read_unit(unit(0, "*4*1420#")), "x", more=True)
    assert reply.tlv(Tag.USSD_SERVICE_OP) == b"\x10"
    assert read_screen(reply).last


@pytest.mark.parametrize(
    ("text", "destination", "field", "dialled"),
    [
        ("*4*1420*1#", "1420", CodeField.AUTO, "*4*1420*1#"),
        ("", "*4*1420#", CodeField.AUTO, "*4*1420#"),
        ("1", "*4*1420#", CodeField.AUTO, "*4*1420#"),
        ("*4*1420", "1420", CodeField.AUTO, "*4*1420"),
        ("", "1420", CodeField.AUTO, "1420"),
        ("*1#", "*4*1420#", CodeField.DESTINATION, "*4*1420#"),
        ("*1#", "*4*1420#", CodeField.SHORT_MESSAGE, "*1#"),
    ],
)
def test_where_the_dialled_string_is(
    text: str, destination: str, field: CodeField, dialled: str
) -> None:
    """The dialled string is found in whichever field the gateway puts it."""
    message = replace(unit(1, text), destination=Address(destination))
    assert read_unit(message, Dialect(code_field=field)).text == dialled


def test_the_end_bit_ends() -> None:
    """A unit with the end bit set ends the dialogue, unless the gateway uses that bit otherwise."""
    message = unit(0x12, "1", b"\x2a\x01")
    assert read_unit(message).kind is Kind.ABORT
    assert read_unit(message, Dialect(end_bit_in=False)).kind is Kind.CONTINUE


def test_a_gateway_that_knows_the_end_by_the_bit_alone() -> None:
    """With op 02 for every screen, the bit says which one is the last."""
    dialect = Dialect(end_op=0x02)
    event = read_unit(unit(1, "*4*1420#"), dialect)
    assert not read_screen(write_reply(event, "x", more=True), Dialect()).last
    assert read_screen(write_reply(event, "x", more=False, dialect=dialect), Dialect()).last


@given(messages(), dialects)
def test_any_message(message: ShortMessage, dialect: Dialect) -> None:
    """Whatever a network sends is read, and can be answered."""
    event = read_unit(message, dialect)
    reply = write_reply(event, "درود", more=False, dialect=dialect)
    assert reply.destination == message.source
    assert read_screen(reply, dialect).text == "درود"


def test_nothing_of_a_person_in_a_repr() -> None:
    """A unit that ends up in a log shows no number and nothing that was typed."""
    message = replace(unit(0x12, "0012345679"), destination=Address("*4*1420*0012345679#"))
    shown = repr(read_unit(message)) + repr(read_screen(message))
    assert "0012345679" not in shown
    assert HANDSET.digits not in shown


@given(
    st.text("abc@£ €[]0123\r\n", max_size=80)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(
        lambda t: t.lstrip("\ufeff")
    ),
    st.sampled_from(TextEncoding),
    st.booleans(),
)
def test_screens_survive(text: str, encoding: TextEncoding, packed: bool) -> None:
    """A screen that goes out in any of the encodings is the screen that is shown."""
    dialect = Dialect(text_encoding=encoding, packed_7bit=packed)
    octets, data_coding = encode_screen(text, dialect)
    shown = decode_text(octets, data_coding, packed=packed)
    # A final carriage return may be the filler of seven spare bits (TS 23.038, 6.1.2.3.1).
    assert shown is not None
    assert shown == text or (packed and shown.rstrip("\r") == text.rstrip("\r"))


def test_a_screen_has_160_octets() -> None:
    """Eighty Persian characters or 182 Latin ones, and not one more."""
    assert len(encode_screen("ی" * 80)[0]) == 160
    assert len(encode_screen("x" * 182)[0]) == 182
    assert len(encode_screen("x" * 182, Dialect(packed_7bit=True))[0]) == 160
    for text in ("ی" * 81, "x" * 183):
        with pytest.raises(LocalProtocolError):
            encode_screen(text)


@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        ("06a906cc", 8, "کی"),
        ("06a906cc", 72, "کی"),
        ("e63706a906cc", 17, "کی"),
        ("feff06a9", 8, "ک"),
        ("06a906", 8, None),
        ("d83d", 8, None),
        ("31", 0, "1"),
        ("31", 15, "1"),
        ("dbb1", 0, "۱"),
        ("ff", 0, None),
        ("31", 4, None),
    ],
)
def test_what_was_typed(octets: str, data_coding: int, text: str | None) -> None:
    """Text is read by its data coding; what can't be read is said to be unreadable."""
    assert decode_text(bytes.fromhex(octets), data_coding) == text


@given(st.binary(max_size=182).map(lambda raw: bytes(octet & 0x7F for octet in raw)))
def test_packing(septets: bytes) -> None:
    """Eight septets go into seven octets and come out again."""
    assert unpack(pack(septets)).rstrip(b"\r") == septets.rstrip(b"\r")
    assert pack(b"1234567").hex() == "31d98c56b3dd1a"
    assert unpack(bytes.fromhex("31d98c56b3dd1a")) == b"1234567"
