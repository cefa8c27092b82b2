"""Bound sessions for the tests, at time 0."""

from dataclasses import replace

from smpp.codec import decode, encode
from smpp.events import (
    BindRequested,
    Bound,
)
from smpp.framing import Framer
from smpp.pdu import (
    BindResp,
    BindType,
    Pdu,
)
from smpp.session import Session
from smpp.settings import SessionSettings
from smpp.states import Role
from tests.smpp_pdus import BIND

PLAIN = SessionSettings(window=2, queue=2)


def sent(session: Session) -> list[Pdu]:
    """What the session has to say now."""
    return [decode(frame) for frame in Framer().frames(session.bytes_to_send())]


def esme(
    given_settings: SessionSettings = PLAIN, bind_type: BindType = BindType.TRANSCEIVER
) -> Session:
    """An ESME bound at time 0."""
    session = Session(Role.ESME, given_settings, 0.0)
    session.bind(replace(BIND, bind_type=bind_type), 0.0)
    (bind,) = sent(session)
    events = session.receive_bytes(encode(BindResp(bind.sequence, bind_type, 0, "smsc")), 0.0)
    assert events == [Bound(bind_type, "smsc", None)]
    return session


def smsc(
    given_settings: SessionSettings = PLAIN, bind_type: BindType = BindType.TRANSCEIVER
) -> Session:
    """An SMSC to which an ESME has bound at time 0."""
    session = Session(Role.SMSC, given_settings, 0.0)
    bind = replace(BIND, sequence=1, bind_type=bind_type)
    assert session.receive_bytes(encode(bind), 0.0) == [BindRequested(bind)]
    session.answer_bind(0, "smsc", 0.0)
    sent(session)
    return session
