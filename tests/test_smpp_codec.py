"""PDUs to octets and back, and frames out of a stream."""

import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import command
from smpplib import smpp as smpplib_pdu

from smpp.codec import decode, encode
from smpp.errors import BadPdu, LocalProtocolError, RemoteProtocolError
from smpp.framing import MAX_PDU, Framer
from smpp.pdu import (
    Address,
    Bind,
    BindType,
    Command,
    DeliverSm,
    Pdu,
    ShortMessage,
    Status,
    SubmitSm,
    SubmitSmResp,
    Tag,
)
from smpp.smpplib_door import describe, read_message, write_message
from tests.smpp_pdus import BIND, TEXT, messages, number, pdus


@given(pdus)
def test_what_is_written_is_read(pdu: Pdu) -> None:
    """Every PDU comes back from its octets as it was, its unknown parameters included."""
    assert decode(encode(pdu)) == pdu


@given(st.binary(max_size=300), st.sampled_from([*Command, 0x80000004, 0x80000005, 0x80000009]))
def test_any_body(body: bytes, command_id: int) -> None:
    """Whatever stands in a body, the codec reads it or says which status answers it."""
    frame = struct.pack(">LLLL", 16 + len(body), command_id, 0, 7) + body
    with suppress(BadPdu):
        assert decode(frame).sequence == 7
        return
    with pytest.raises(BadPdu) as bad:
        decode(frame)
    assert (bad.value.sequence, bad.value.command_id) == (7, command_id)
    assert bad.value.status in list(Status)


@given(pdus, st.data())
def test_cut_at_any_byte(pdu: Pdu, data: st.DataObject) -> None:
    """A PDU that ends early is never read as one that says something else."""
    whole = encode(pdu)
    end = data.draw(st.integers(16, len(whole)))
    frame = struct.pack(">L", end) + whole[4:end]
    with suppress(BadPdu):
        read = decode(frame)
        # Only whole optional parameters, or the whole body of an answer, can fall away unseen.
        assert end == 16 or encode(read)[4:] == frame[4:]


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (lambda f: f[:16] + b"TOOLONG" + f[17:], Status.INVALID_SERVICE_TYPE),
        (lambda f: f[:19] + b"9" * 21 + f[19:], Status.INVALID_SOURCE),
        (lambda f: f + b"\x02\x04\x00\x09\x01", Status.INVALID_TLV_STREAM),
        (lambda f: f + b"\x02\x04", Status.INVALID_TLV_STREAM),
        (lambda f: f[:-1], Status.INVALID_MESSAGE_LENGTH),
        (lambda f: f[:18], Status.INVALID_PARAMETER_LENGTH),
    ],
)
def test_the_status_names_the_fault(broken, status: Status) -> None:  # type: ignore[no-untyped-def]
    """The peer is told what was wrong with its message."""
    frame = broken(encode(DeliverSm(7, TEXT)))
    with pytest.raises(BadPdu) as bad:
        decode(struct.pack(">L", len(frame)) + frame[4:])
    assert bad.value.status == status


def test_a_message_of_255_octets_is_refused_both_ways() -> None:
    """short_message holds at most 254 octets, although its length octet could say 255."""
    full = replace(TEXT, short_message=b"x" * 254)
    frame = encode(SubmitSm(1, full))
    at = frame.index(b"x") - 1
    longer = frame[:at] + b"\xff" + b"x" * 255
    with pytest.raises(BadPdu):
        decode(struct.pack(">L", len(longer)) + longer[4:])
    with pytest.raises(LocalProtocolError):
        encode(SubmitSm(1, replace(TEXT, short_message=b"x" * 255)))


@pytest.mark.parametrize(
    "pdu",
    [
        replace(BIND, password="123456789"),
        replace(BIND, system_id="s" * 16),
        replace(BIND, system_type="s" * 13),
        replace(BIND, interface_version=256),
        SubmitSm(1, replace(TEXT, source=Address("9" * 21))),
        SubmitSm(1, replace(TEXT, source=Address("۹"))),
        SubmitSm(1, replace(TEXT, source=Address("9\x009"))),
        SubmitSm(1, replace(TEXT, service_type="USSDXX")),
        SubmitSm(1, replace(TEXT, tlvs=((1, b"x" * 65536),))),
        SubmitSm(1 << 32, TEXT),
        SubmitSmResp(1, 0, "m" * 65),
    ],
)
def test_nothing_is_cut_to_fit(pdu: Pdu) -> None:
    """A field that is too long is our bug and stops us; it never goes out shortened."""
    with pytest.raises(LocalProtocolError):
        encode(pdu)


def test_an_error_may_come_without_a_body() -> None:
    """A refusing SMSC may send sixteen octets and no more."""
    assert decode(struct.pack(">LLLL", 16, 0x80000004, 0x58, 9)) == SubmitSmResp(9, 0x58)


def test_nothing_of_a_person_in_a_repr() -> None:
    """A PDU that ends up in a log shows no number, no text and no password."""
    shown = repr(SubmitSm(1, replace(TEXT, short_message=b"0012345679"))) + repr(BIND)
    assert "989121234567" not in shown
    assert "0012345679" not in shown
    assert "secret" not in shown


# Against smpplib

ORDINARY = st.builds(lambda message: replace(message, tlvs=()), messages())


@given(st.sampled_from([Command.SUBMIT_SM, Command.DELIVER_SM]), number, ORDINARY)
def test_smpplib_reads_ours_and_we_read_smpplibs(
    command_id: Command, sequence: int, message: ShortMessage
) -> None:
    """Two codecs that know nothing of each other agree on every message, octet by octet."""
    kind = SubmitSm if command_id == Command.SUBMIT_SM else DeliverSm
    ours = encode(kind(sequence, message))
    assert read_message(ours) == (sequence, message)
    assert write_message(command_id, sequence, message) == ours


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 255))
def test_smpplib_agrees_on_the_parameters_that_it_knows(its: int, umr: int, op: int) -> None:
    """A session's parameters stand where smpplib puts them."""
    pdu = command.SubmitSM(
        "submit_sm",
        sequence=1,
        source_addr="1420",
        destination_addr="989121234567",
        short_message=b"x",
        its_session_info=its,
        user_message_reference=umr,
        ussd_service_op=op,
    )
    pdu.sequence = 1
    read = decode(pdu.generate())
    assert isinstance(read, SubmitSm)
    assert read.message.tlv(Tag.ITS_SESSION_INFO) == its.to_bytes(2)
    assert read.message.tlv(Tag.USER_MESSAGE_REFERENCE) == umr.to_bytes(2)
    assert read.message.tlv(Tag.USSD_SERVICE_OP) == bytes([op])


def test_smpplib_agrees_on_binds_and_answers() -> None:
    """A bind of smpplib's is read field by field, and ours is what smpplib sends."""

    class Numbers:
        sequence = 5

        def next_sequence(self) -> int:
            return 5

    for kind in BindType:
        theirs = smpplib_pdu.make_pdu(
            f"bind_{kind}",
            client=Numbers(),
            system_id="dargah",
            password="secret",
            system_type="t",
            addr_ton=1,
            addr_npi=1,
            address_range="1420",
        ).generate()
        ours = Bind(5, kind, "dargah", "secret", "t", 0x34, 1, 1, "1420")
        assert decode(theirs) == ours
        assert encode(ours) == theirs
    resp = smpplib_pdu.parse_pdu(encode(SubmitSmResp(5, 0, "id-1")), client=Numbers())
    assert (resp.sequence, resp.message_id) == (5, b"id-1")


def test_the_oracle_refuses_what_smpplib_would_spoil() -> None:
    """What smpplib cuts or misreads doesn't pass its door."""
    with pytest.raises(LocalProtocolError):
        write_message(Command.SUBMIT_SM, 1, replace(TEXT, source=Address("9" * 21)))
    frame = encode(DeliverSm(1, TEXT))
    for end in range(16, len(frame)):
        with pytest.raises(BadPdu):
            read_message(struct.pack(">L", end) + frame[4:end])


def test_statuses_have_words() -> None:
    """A log can say what a status means, one that nobody has heard of too."""
    assert describe(Status.INVALID_PASSWORD) == "Invalid Password"
    assert describe(0x4FF) == "status 0x4ff"


# Frames


@given(st.lists(pdus, max_size=6), st.data())
def test_any_cut_gives_the_same_frames(sent: list[Pdu], data: st.DataObject) -> None:
    """However TCP cuts the stream, the same PDUs come out in the same order."""
    stream = b"".join(map(encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    framer = Framer()
    read = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        read += [decode(frame) for frame in framer.frames(stream[start:end])]
    assert read == sent


@pytest.mark.parametrize("length", [0, 1, 15, MAX_PDU + 1, 0xFFFFFFFF])
def test_a_length_out_of_bounds_ends_the_stream(length: int) -> None:
    """A length that can't be true is noticed after four octets, and what came before counts."""
    framer = Framer()
    good = encode(SubmitSmResp(1))
    frames = framer.frames(good + struct.pack(">L", length))
    assert next(frames) == good
    with pytest.raises(RemoteProtocolError):
        next(frames)
