"""The SMPP session in both roles: binding, messages, leaving."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.codec import encode
from smpp.errors import Busy, LocalProtocolError, NotBound
from smpp.events import (
    Anomaly,
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    Received,
    Unanswered,
)
from smpp.pdu import (
    BindResp,
    BindType,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Status,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Unbind,
    UnbindResp,
)
from smpp.session import Session
from smpp.settings import SessionSettings
from smpp.states import TRANSITIONS, Role, Signal, State, move
from tests.smpp_pdus import BIND, TEXT
from tests.smpp_sessions import PLAIN, esme, sent, smsc

# Binding


def test_an_smsc_says_which_version_it_speaks() -> None:
    """The bind's answer names 3.4 to those who know optional parameters, and nothing to others."""
    for version, tlvs in ((0x34, ((Tag.SC_INTERFACE_VERSION, b"\x34"),)), (0x33, ())):
        session = Session(Role.SMSC, PLAIN, 0.0)
        bind = replace(BIND, sequence=9, interface_version=version)
        session.receive_bytes(encode(bind), 0.0)
        assert session.answer_bind(0, "smsc", 0.0) == [
            Bound(BindType.TRANSCEIVER, "dargah", version)
        ]
        assert sent(session) == [BindResp(9, BindType.TRANSCEIVER, 0, "smsc", tlvs)]


@pytest.mark.parametrize("answer", ["resp", "nack"])
def test_a_refused_bind_ends_the_session(answer: str) -> None:
    """A refused bind is told with its status, and the link is closed."""
    session = Session(Role.ESME, PLAIN, 0.0)
    session.bind(BIND, 0.0)
    refusal: Pdu = (
        BindResp(1, BindType.TRANSCEIVER, 0x0E) if answer == "resp" else GenericNack(1, 0x0E)
    )
    assert session.receive_bytes(encode(refusal), 1.0) == [BindRefused(0x0E), Closed("refused")]
    assert session.state is State.CLOSED


def test_who_doesn_t_bind_is_shut_out() -> None:
    """A caller who connects and never binds holds the line for ten seconds and no longer."""
    session = Session(Role.SMSC, PLAIN, 0.0)
    assert session.next_deadline() == 10.0
    assert session.tick(9.9) == []
    assert session.tick(10.0) == [Closed("no_bind")]


def test_a_second_bind_is_refused() -> None:
    """Once bound, a further bind is answered 0x05 and changes nothing."""
    session = smsc()
    session.receive_bytes(encode(replace(BIND, sequence=5)), 1.0)
    assert sent(session) == [BindResp(5, BindType.TRANSCEIVER, Status.ALREADY_BOUND)]
    assert session.state is State.BOUND


@pytest.mark.parametrize(
    ("session", "pdu", "answer"),
    [
        (lambda: Session(Role.SMSC, PLAIN, 0.0), SubmitSm(7, TEXT), SubmitSmResp(7, 0x04)),
        (lambda: Session(Role.SMSC, PLAIN, 0.0), EnquireLink(7), EnquireLinkResp(7, 0x04)),
        (lambda: smsc(bind_type=BindType.RECEIVER), SubmitSm(7, TEXT), SubmitSmResp(7, 0x04)),
        (lambda: esme(bind_type=BindType.TRANSMITTER), DeliverSm(7, TEXT), DeliverSmResp(7, 0x04)),
        (esme, SubmitSm(7, TEXT), SubmitSmResp(7, 0x04)),
        (esme, replace(BIND, sequence=7), BindResp(7, BindType.TRANSCEIVER, 0x04)),
        (esme, EnquireLink(7), EnquireLinkResp(7)),
    ],
)
def test_what_the_bind_doesn_t_allow_is_refused(
    session: Callable[[], Session], pdu: Pdu, answer: Pdu
) -> None:
    """A request that this state or this kind of bind doesn't carry gets its own 0x04."""
    one = session()
    one.receive_bytes(encode(pdu), 1.0)
    assert sent(one) == [answer]


def test_we_send_nothing_that_the_bind_doesn_t_carry() -> None:
    """A receiver can't submit, a transmitter isn't delivered to, and nobody is before the bind."""
    with pytest.raises(NotBound):
        esme(bind_type=BindType.RECEIVER).submit(TEXT, 0.0)
    with pytest.raises(NotBound):
        smsc(bind_type=BindType.TRANSMITTER).deliver(TEXT, 0.0)
    with pytest.raises(NotBound):
        Session(Role.ESME, PLAIN, 0.0).submit(TEXT, 0.0)
    with pytest.raises(LocalProtocolError):
        smsc().submit(TEXT, 0.0)
    with pytest.raises(LocalProtocolError):
        esme().deliver(TEXT, 0.0)
    with pytest.raises(LocalProtocolError):
        smsc().bind(BIND, 0.0)


def test_the_table_is_whole() -> None:
    """Every state can be reached and can end, and what the table lacks is refused."""
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.CLOSED}
    assert set(TRANSITIONS.values()) == set(State) - {State.OPEN}
    assert {signal for _, signal in TRANSITIONS} == set(Signal)
    with pytest.raises(LocalProtocolError):
        move(State.CLOSED, Signal.BIND_SENT)


# Messages to us


def test_a_message_is_answered_once() -> None:
    """Each message gets the one answer that its owner gives it."""
    session = esme()
    (event,) = session.receive_bytes(encode(DeliverSm(77, TEXT)), 1.0)
    assert event == Received(77, TEXT)
    assert session.answer(77, 1.0)
    assert sent(session) == [DeliverSmResp(77)]
    with pytest.raises(LocalProtocolError):
        session.answer(77, 1.0)


def test_one_number_used_twice_is_answered_twice() -> None:
    """A peer that repeats a number before our answer still gets two."""
    session = smsc()
    session.receive_bytes(encode(SubmitSm(3, TEXT)) * 2, 1.0)
    assert session.answer(3, 1.0, message_id="a")
    assert session.answer(3, 1.0, message_id="b")
    assert sent(session) == [SubmitSmResp(3, 0, "a"), SubmitSmResp(3, 0, "b")]


@pytest.mark.parametrize(
    ("make", "request_of", "refusal"),
    [
        (esme, DeliverSm, DeliverSmResp(3, Status.RX_TEMPORARY)),
        (smsc, SubmitSm, SubmitSmResp(3, Status.QUEUE_FULL)),
    ],
)
def test_a_peer_can_t_pile_up_messages(
    make: Callable[[SessionSettings], Session],
    request_of: type[DeliverSm] | type[SubmitSm],
    refusal: Pdu,
) -> None:
    """Over the bound a message is refused for now, so that the peer keeps it."""
    session = make(replace(PLAIN, unanswered=2))
    stream = b"".join(encode(request_of(number, TEXT)) for number in (1, 2, 3))
    events = session.receive_bytes(stream, 1.0)
    assert [type(event) for event in events] == [Received, Received, Anomaly]
    assert sent(session) == [refusal]
    session.answer(1, 1.0)
    assert isinstance(session.receive_bytes(encode(request_of(4, TEXT)), 1.0)[0], Received)


# The end


def test_drain_waits_for_answers_both_ways_then_unbinds() -> None:
    """Nothing new goes out, what is owed is answered, then unbind, then the end."""
    session = esme()
    number = session.submit(TEXT, 0.0)
    session.receive_bytes(encode(DeliverSm(5, TEXT)), 0.0)
    sent(session)
    assert session.drain(1.0) == []
    with pytest.raises(NotBound):
        session.submit(TEXT, 1.0)
    session.receive_bytes(encode(SubmitSmResp(number)), 1.5)
    assert sent(session) == []
    session.answer(5, 2.0)
    _, unbind = sent(session)
    assert isinstance(unbind, Unbind)
    assert session.receive_bytes(encode(UnbindResp(unbind.sequence)), 2.5) == [Closed("unbound")]


def test_drain_does_not_wait_for_ever() -> None:
    """Fifteen seconds for the answers, five for the unbind, then it is over all the same."""
    session = esme(replace(PLAIN, enquire_link_interval=100.0))
    number = session.submit(TEXT, 0.0)
    session.drain(1.0)
    sent(session)
    assert session.next_deadline() == 16.0
    session.tick(16.0)
    assert [type(pdu) for pdu in sent(session)] == [Unbind]
    assert session.tick(21.0) == [Unanswered(number, "lost", sent=True), Closed("no_unbind_resp")]


def test_a_peer_s_unbind_is_answered() -> None:
    """When the peer unbinds we say so too, and what was outstanding is unknown."""
    session = esme()
    number = session.submit(TEXT, 0.0)
    sent(session)
    events = session.receive_bytes(encode(Unbind(9)), 1.0)
    assert events == [Unanswered(number, "unbound", sent=True), Closed("peer_unbound")]
    assert sent(session) == [UnbindResp(9)]
    assert not session.answer(5, 1.0)


def test_both_may_unbind_at_once() -> None:
    """Two unbinds that cross end the link and nothing more."""
    session = esme()
    session.drain(0.0)
    sent(session)
    assert session.receive_bytes(encode(Unbind(9)), 1.0) == [Closed("peer_unbound")]
    assert sent(session) == [UnbindResp(9)]


@given(st.lists(st.floats(0.01, 30.0), min_size=1, max_size=30))
def test_the_timer_never_spins(waits: list[float]) -> None:
    """After what was due is done, the next deadline lies ahead."""
    session = esme(SessionSettings(window=2, queue=50, rate=3.0))
    now = 0.0
    for wait in waits:
        if session.state is not State.BOUND:
            break
        now += wait
        session.tick(now)
        with suppress(NotBound, Busy):
            session.submit(TEXT, now)
        session.bytes_to_send()
        deadline = session.next_deadline()
        assert deadline is None or deadline > now - 1e-6


# Both roles against each other


@given(st.integers(1, 5), st.integers(0, 30), st.integers(0, 30), st.integers(1, 60))
def test_esme_and_smsc(window: int, up: int, down: int, step: int) -> None:
    """Every message of either side is answered, however the bytes are cut, and both end unbound."""
    a = Session(Role.ESME, SessionSettings(window=window, queue=30), 0.0)
    b = Session(Role.SMSC, SessionSettings(window=window, queue=30), 0.0)
    a.bind(BIND, 0.0)
    answered = {a: 0, b: 0}
    reasons = []

    def take(to: Session, event: Event) -> None:
        match event:
            case BindRequested():
                to.answer_bind(0, "smsc", 0.0)
            case Received(sequence):
                to.answer(sequence, 0.0)
            case Answered():
                answered[to] += event.accepted
            case Closed(reason):
                reasons.append(reason)

    def carry() -> None:
        pair = (a.bytes_to_send(), b.bytes_to_send())
        while pair != (b"", b""):
            for to, raw in zip((b, a), pair, strict=True):
                for at in range(0, len(raw), step):
                    for event in to.receive_bytes(raw[at : at + step], 0.0):
                        take(to, event)
            pair = (a.bytes_to_send(), b.bytes_to_send())

    carry()
    for _ in range(up):
        a.submit(TEXT, 0.0)
    for _ in range(down):
        b.deliver(TEXT, 0.0)
    carry()
    a.drain(0.0)
    carry()
    assert (answered[a], answered[b]) == (up, down)
    assert sorted(reasons) == ["peer_unbound", "unbound"]
