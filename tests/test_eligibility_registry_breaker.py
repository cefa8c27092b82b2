"""The breaker before the registry, by itself: what late answers and any order of them do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eligibility.registry_breaker import Breaker, BreakerSettings, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@pytest.mark.parametrize("answered", [True, False])
def test_late_answers_settle_nothing(answered: bool) -> None:
    """What was asked before the pause neither closes nor opens anything when it ends at last."""
    breaker = Breaker(BreakerSettings(1, 8.0, 32.0), random=lambda: 0.0, changed=lambda _: None)
    early, failing = breaker.admit(0), breaker.admit(0)
    assert early is not None
    assert failing is not None
    breaker.settle(failing, answered=False, now=0)
    assert breaker.state is OPEN
    probe = breaker.admit(8)
    assert probe is not None
    breaker.settle(early, answered=answered, now=8)
    assert breaker.state is HALF_OPEN
    breaker.settle(probe, answered=True, now=8)
    assert breaker.state is CLOSED


@given(st.lists(st.tuples(st.sampled_from(["ask", "ok", "bad", "wait"]), st.integers(0, 40))))
def test_breaker_in_any_order(steps: list[tuple[str, int]]) -> None:
    """However answers come in, a failing registry has one probe at a time, and none in a pause."""
    states: list[BreakerState] = []
    breaker = Breaker(BreakerSettings(3, 8.0, 32.0), random=lambda: 0.0, changed=states.append)
    now, opened, probe = 0.0, -1.0, -1
    tickets: list[int] = []
    for what, number in steps:
        before = breaker.state
        if what == "wait":
            now += number
        elif what == "ask":
            ticket = breaker.admit(now)
            if before is OPEN and now < opened + 8:
                assert ticket is None
            if before is HALF_OPEN:
                assert ticket is None
            if ticket is not None:
                tickets.append(ticket)
                probe = ticket
        elif tickets:
            ticket = tickets.pop(number % len(tickets))
            breaker.settle(ticket, answered=what == "ok", now=now)
            if before is HALF_OPEN:
                # What was asked before the pause says nothing of now.
                expected = (CLOSED if what == "ok" else OPEN) if ticket == probe else HALF_OPEN
                assert breaker.state is expected
            if before is not OPEN and breaker.state is OPEN:
                opened = now
            if before is OPEN:
                assert breaker.state is OPEN
    # Whatever happened, it can be asked again some day.
    for ticket in tickets:
        breaker.settle(ticket, answered=True, now=now)
    assert breaker.would_admit(now + 32)
