"""
The states of a session, the same table for both roles (2.2, 2.3).

What is not in TRANSITIONS is refused, in one place.
"""

from enum import StrEnum

from smpp.errors import LocalProtocolError


class Role(StrEnum):
    """Which side of the bind we are."""

    ESME = "esme"
    SMSC = "smsc"


class State(StrEnum):
    """Where a session stands. DRAINING: no new messages of ours, waiting for answers."""

    OPEN = "open"
    BINDING = "binding"
    BOUND = "bound"
    DRAINING = "draining"
    UNBINDING = "unbinding"
    CLOSED = "closed"


class Signal(StrEnum):
    """What moves a session on."""

    BIND_SENT = "bind sent"
    BIND_RECEIVED = "bind received"
    BIND_ACCEPTED = "bind accepted"
    BIND_REFUSED = "bind refused"
    DRAIN = "drain"
    UNBIND_SENT = "unbind sent"
    UNBIND_RECEIVED = "unbind received"
    UNBIND_ANSWERED = "unbind answered"
    ENDED = "ended"


TRANSITIONS: dict[tuple[State, Signal], State] = {
    (State.OPEN, Signal.BIND_SENT): State.BINDING,
    (State.OPEN, Signal.BIND_RECEIVED): State.BINDING,
    (State.OPEN, Signal.UNBIND_RECEIVED): State.CLOSED,
    (State.OPEN, Signal.ENDED): State.CLOSED,
    (State.BINDING, Signal.BIND_ACCEPTED): State.BOUND,
    (State.BINDING, Signal.BIND_REFUSED): State.CLOSED,
    (State.BINDING, Signal.UNBIND_RECEIVED): State.CLOSED,
    (State.BINDING, Signal.ENDED): State.CLOSED,
    (State.BOUND, Signal.DRAIN): State.DRAINING,
    (State.BOUND, Signal.UNBIND_RECEIVED): State.CLOSED,
    (State.BOUND, Signal.ENDED): State.CLOSED,
    (State.DRAINING, Signal.UNBIND_SENT): State.UNBINDING,
    (State.DRAINING, Signal.UNBIND_RECEIVED): State.CLOSED,
    (State.DRAINING, Signal.ENDED): State.CLOSED,
    (State.UNBINDING, Signal.UNBIND_ANSWERED): State.CLOSED,
    (State.UNBINDING, Signal.UNBIND_RECEIVED): State.CLOSED,
    (State.UNBINDING, Signal.ENDED): State.CLOSED,
}


def move(state: State, signal: Signal) -> State:
    """The next state. Raises LocalProtocolError for what the table doesn't hold."""
    try:
        return TRANSITIONS[state, signal]
    except KeyError:
        raise LocalProtocolError(f"{signal} while {state}") from None
