"""The SMPP session in both roles, its clock turned by hand."""

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import decode, encode
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
    Throttled,
    Unanswered,
)
from smpp.framing import Framer
from smpp.pdu import (
    MAX_SEQUENCE,
    BindResp,
    BindType,
    Command,
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
    Unknown,
)
from smpp.session import Session
from smpp.settings import SessionSettings
from smpp.states import TRANSITIONS, Role, Signal, State, move
from smpp.window import SequenceNumbers
from tests.smpp_pdus import BIND, TEXT, pdus

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


# The window


def test_the_window_holds_back_and_the_queue_fills() -> None:
    """Two messages go out, two wait, the fifth is refused; an answer lets the next one go."""
    session = esme()
    numbers = [session.submit(TEXT, 0.0) for _ in range(4)]
    with pytest.raises(Busy):
        session.submit(TEXT, 0.0)
    assert [pdu.sequence for pdu in sent(session)] == numbers[:2]
    load = session.load
    assert (load.outstanding, load.queued) == (2, 2)
    events = session.receive_bytes(encode(SubmitSmResp(numbers[0], 0, "id")), 0.5)
    assert events == [Answered(numbers[0], 0, "id", 0.5)]
    assert [pdu.sequence for pdu in sent(session)] == [numbers[2]]


def test_an_unanswered_message_is_unknown_after_its_time() -> None:
    """Nobody knows what became of a message without an answer; a late answer changes nothing."""
    session = esme(replace(PLAIN, enquire_link_interval=100.0))
    number = session.submit(TEXT, 0.0)
    assert session.next_deadline() == 30.0
    assert session.tick(29.9) == []
    assert session.tick(30.0) == [Unanswered(number, "timeout", sent=True)]
    late = session.receive_bytes(encode(SubmitSmResp(number)), 31.0)
    assert late == [Anomaly("stray_response", Command.SUBMIT_SM | 0x80000000)]


def test_a_message_that_never_left_may_be_sent_again() -> None:
    """What waited too long in the queue ends as not sent."""
    session = esme(replace(PLAIN, window=1))
    session.submit(TEXT, 0.0)
    waiting = session.submit(TEXT, 0.0)
    assert session.tick(10.0) == [Unanswered(waiting, "queue", sent=False)]


def test_a_lost_link_leaves_everything_unknown() -> None:
    """When the connection is gone, each message ends, sent or not."""
    session = esme(replace(PLAIN, window=1))
    first, second = session.submit(TEXT, 0.0), session.submit(TEXT, 0.0)
    assert session.connection_lost() == [
        Unanswered(first, "lost", sent=True),
        Unanswered(second, "lost", sent=False),
        Closed("lost"),
    ]
    assert session.connection_lost() == []
    assert session.next_deadline() is None


def test_a_message_that_doesn_t_fit_takes_no_place() -> None:
    """Our own mistake is loud, and the session goes on."""
    session = esme()
    with pytest.raises(LocalProtocolError):
        session.submit(replace(TEXT, short_message=b"x" * 255), 0.0)
    assert session.load.outstanding == 0
    assert sent(session) == []


def test_numbers_begin_again_and_pass_over_those_in_use() -> None:
    """After 0x7FFFFFFF comes 1, unless 1 still awaits its answer."""
    numbers = SequenceNumbers(MAX_SEQUENCE - 1)
    assert [numbers.next({1}) for _ in range(2)] == [MAX_SEQUENCE, 2]


def test_an_answer_of_another_kind_settles_nothing() -> None:
    """A deliver_sm_resp with the number of our submit_sm is nobody's answer."""
    session = esme()
    number = session.submit(TEXT, 0.0)
    (event,) = session.receive_bytes(encode(DeliverSmResp(number)), 0.1)
    assert isinstance(event, Anomaly)
    assert session.load.outstanding == 1


def test_a_nack_is_an_answer() -> None:
    """A generic_nack of our message ends it, and never as accepted."""
    session = esme()
    number = session.submit(TEXT, 0.0)
    nacked, answered = session.receive_bytes(encode(GenericNack(number, 0)), 0.1)
    assert isinstance(nacked, Anomaly)
    assert answered == Answered(number, Status.SYSTEM_ERROR, "", 0.1)


# Pace


def test_the_rate_is_kept() -> None:
    """At ten a second, twenty messages take two seconds less the first one."""
    session = esme(SessionSettings(window=50, queue=50, rate=10.0))
    for _ in range(20):
        session.submit(TEXT, 0.0)
    moments = [0.0] * len(sent(session))
    while session.load.queued:
        now = session.next_deadline()
        assert now is not None
        session.tick(now)
        moments += [now] * len(sent(session))
    assert len(moments) == 20
    assert all(later - earlier >= 0.0999 for earlier, later in pairwise(moments))
    assert moments[-1] == pytest.approx(1.9)


@pytest.mark.parametrize("status", [Status.THROTTLED, Status.QUEUE_FULL])
def test_throttling_slows_us(status: Status) -> None:
    """After a throttling answer: half the rate, and a pause that doubles until one is accepted."""
    session = esme(SessionSettings(window=1, queue=5, rate=100.0, queue_timeout=99.0))
    now = 0.0
    pauses = []
    for _ in range(3):
        number = session.submit(TEXT, now)
        assert sent(session)
        answered, throttled = session.receive_bytes(encode(SubmitSmResp(number, status)), now)
        assert isinstance(answered, Answered)
        assert answered.throttled
        assert isinstance(throttled, Throttled)
        pauses.append((throttled.until - now, throttled.rate))
        held = session.submit(TEXT, now)
        assert sent(session) == []
        session.tick(throttled.until)
        assert [pdu.sequence for pdu in sent(session)] == [held]
        now = throttled.until + 1e-6
        session.receive_bytes(encode(GenericNack(held, 1)), now)
        now += 1.0
    assert [pause for pause, _ in pauses] == [1.0, 2.0, 4.0]
    assert pauses[0][1] == 50.0
    assert all(rate is not None and rate < 50.0 for _, rate in pauses[1:])
    number = session.submit(TEXT, now)
    session.receive_bytes(encode(SubmitSmResp(number)), now)
    number = session.submit(TEXT, now + 1)
    _, again = session.receive_bytes(encode(SubmitSmResp(number, status)), now + 1)
    assert isinstance(again, Throttled)
    assert again.until == now + 2.0


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


# Silence


def test_a_silent_link_is_asked_twice_and_closed() -> None:
    """After 20 s of silence we ask, after 10 s again, after 10 more it is over."""
    session = esme()
    number = session.submit(TEXT, 0.0)
    session.receive_bytes(encode(SubmitSmResp(number)), 0.0)
    sent(session)
    moments = []
    last: list[Event] = []
    while session.state is State.BOUND:
        now = session.next_deadline()
        assert now is not None
        last = session.tick(now)
        moments.append((now, [type(pdu) for pdu in sent(session)]))
    assert moments == [(20.0, [EnquireLink]), (30.0, [EnquireLink]), (40.0, [])]
    assert last == [Anomaly("silent_link", Command.ENQUIRE_LINK), Closed("silent")]


def test_any_pdu_is_a_sign_of_life() -> None:
    """A peer that says anything at all is there, and asking begins anew."""
    session = esme()
    session.tick(20.0)
    (question,) = sent(session)
    session.receive_bytes(encode(EnquireLinkResp(question.sequence)), 21.0)
    assert session.next_deadline() == 41.0
    session.tick(41.0)
    session.receive_bytes(encode(EnquireLink(5)), 42.0)
    assert session.next_deadline() == 62.0


def test_a_link_that_carries_nothing_can_be_given_up() -> None:
    """With an inactivity limit, enquire_links alone don't keep a link."""
    session = smsc(replace(PLAIN, inactivity_timeout=50.0))
    for now in (15.0, 30.0, 45.0):
        session.receive_bytes(encode(EnquireLink(int(now))), now)
    assert session.next_deadline() == 50.0
    assert session.tick(50.0) == [Closed("idle")]


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
