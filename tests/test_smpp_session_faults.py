"""What the SMPP session makes of a peer that errs."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import encode
from smpp.events import (
    Anomaly,
    Answered,
    Closed,
)
from smpp.pdu import (
    BindResp,
    BindType,
    Command,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Status,
    SubmitSmResp,
    Unknown,
)
from smpp.session import Session
from smpp.states import Role
from tests.smpp_pdus import TEXT, pdus
from tests.smpp_sessions import PLAIN, esme, sent, smsc

# Faults of the peer


@pytest.mark.parametrize(
    ("request_id", "answer"),
    [
        (Command.DELIVER_SM, DeliverSmResp(7, Status.INVALID_SERVICE_TYPE)),
        (Command.SUBMIT_SM, SubmitSmResp(7, Status.INVALID_SERVICE_TYPE)),
        (Command.BIND_TRANSCEIVER, BindResp(7, BindType.TRANSCEIVER, Status.INVALID_SYSTEM_ID)),
    ],
)
def test_a_bad_body_gets_its_own_answer(request_id: Command, answer: Pdu) -> None:
    """A known request with a broken body gets its own response with the fault, and life goes on."""
    session = esme()
    frame = struct.pack(">LLLL", 46, request_id, 0, 7) + b"x" * 30
    session.receive_bytes(frame + encode(EnquireLink(8)), 1.0)
    assert sent(session) == [answer, EnquireLinkResp(8)]


def test_an_unknown_command_is_nacked() -> None:
    """A command that nobody knows gets generic_nack 0x03, and the link stays."""
    session = esme()
    session.receive_bytes(encode(Unknown(7, 0x777, 0, b"abc")), 1.0)
    assert sent(session) == [GenericNack(7, Status.INVALID_COMMAND_ID)]
    session.receive_bytes(encode(Unknown(7, Command.ALERT_NOTIFICATION, 0, b"abc")), 1.0)
    assert sent(session) == []


def test_a_length_out_of_bounds_closes() -> None:
    """After a length that can't be, the stream is lost: one nack, then the end."""
    session = esme()
    events = session.receive_bytes(encode(EnquireLink(8)) + b"GET / HTTP/1.1", 1.0)
    assert events[-1] == Closed("corrupt")
    assert sent(session) == [EnquireLinkResp(8), GenericNack(0, Status.INVALID_COMMAND_LENGTH)]
    assert session.receive_bytes(encode(EnquireLink(9)), 1.0) == []
    assert sent(session) == []


def test_a_broken_answer_is_still_an_answer() -> None:
    """An answer with a broken body says by its header whether the message was taken."""
    session = esme()
    number = session.submit(TEXT, 0.0)
    sent(session)
    broken = struct.pack(">LLLL", 18, 0x80000004, 0, number) + b"id"
    bad, answered = session.receive_bytes(broken, 0.2)
    assert isinstance(bad, Anomaly)
    assert answered == Answered(number, 0, "", 0.2)
    assert sent(session) == []


@given(st.lists(pdus, max_size=8), st.binary(max_size=40), st.sampled_from(Role), st.data())
@settings(max_examples=200)
def test_any_stream_cut_anywhere(
    stream_of: list[Pdu], garbage: bytes, role: Role, data: st.DataObject
) -> None:
    """Whatever a peer sends, however it is cut: the same events, and no answer is answered."""
    stream = b"".join(map(encode, stream_of)) + garbage
    whole, cut = (esme() if role is Role.ESME else smsc() for _ in range(2))
    expected = whole.receive_bytes(stream, 1.0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += cut.receive_bytes(stream[start:end], 1.0)
    assert events == expected
    answers = sent(cut)
    assert answers == sent(whole)
    requests = sum(not int.from_bytes(encode(pdu)[4:8]) >> 31 for pdu in stream_of)
    assert len(answers) <= requests + 1 + len(garbage) // 16


@given(st.binary(max_size=400))
def test_random_bytes_before_a_bind(noise: bytes) -> None:
    """Noise from somebody who never binds doesn't hurt."""
    Session(Role.SMSC, PLAIN, 0.0).receive_bytes(noise, 0.0)
