"""What the SMPP session holds back and when: window, pace, silence; the clock turned by hand."""

from dataclasses import replace
from itertools import pairwise

import pytest

from smpp.codec import encode
from smpp.errors import Busy, LocalProtocolError
from smpp.events import (
    Anomaly,
    Answered,
    Closed,
    Event,
    Throttled,
    Unanswered,
)
from smpp.pdu import (
    MAX_SEQUENCE,
    Command,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Status,
    SubmitSmResp,
)
from smpp.settings import SessionSettings
from smpp.states import State
from smpp.window import SequenceNumbers
from tests.smpp_pdus import TEXT
from tests.smpp_sessions import PLAIN, esme, sent, smsc

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
