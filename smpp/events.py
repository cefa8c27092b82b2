"""What a session tells the one who owns it."""

from dataclasses import dataclass

from smpp.pdu import Bind, BindType, ShortMessage, Status


@dataclass(frozen=True, slots=True)
class BindRequested:
    """SMSC side: an ESME wants to bind; answer with `Session.answer_bind`."""

    bind: Bind


@dataclass(frozen=True, slots=True)
class Bound:
    """The bind holds. peer: the other's system_id; interface_version: None if it didn't say."""

    bind_type: BindType
    peer: str
    interface_version: int | None


@dataclass(frozen=True, slots=True)
class BindRefused:
    """ESME side: the SMSC said no; `Closed` follows."""

    status: int


@dataclass(frozen=True, slots=True)
class Received:
    """A deliver_sm (to an ESME) or a submit_sm (to an SMSC); answer with `Session.answer`."""

    sequence: int
    message: ShortMessage


@dataclass(frozen=True, slots=True)
class Answered:
    """What the peer said to one of our messages. after: seconds since it went out."""

    sequence: int
    status: int
    message_id: str
    after: float

    @property
    def accepted(self) -> bool:
        """Whether the peer took the message."""
        return self.status == Status.OK

    @property
    def throttled(self) -> bool:
        """Refused for now, for the sake of load (0x58, 0x14): may be sent again later."""
        return self.status in (Status.THROTTLED, Status.QUEUE_FULL)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody will say what became of one of our messages.

    sent: False if it never left the queue, so that sending it again can't double it.
    reason: "timeout", "queue", "unbound" or "lost".
    """

    sequence: int
    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Throttled:
    """The peer asked for less: nothing goes out before `until`, then at `rate` PDU/s."""

    status: int
    until: float
    rate: float | None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something out of place that the session has dealt with; to be counted.

    what: "bad_pdu", "bad_length", "wrong_state", "stray_response", "nacked", "overload",
    "unknown_command" or "silent_link". command_id: 0 if unknown.
    """

    what: str
    command_id: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: send what is left, then close the connection.

    reason: "refused", "unbound", "peer_unbound", "no_bind", "no_bind_resp", "no_unbind_resp",
    "silent", "idle", "corrupt" or "lost".
    """

    reason: str


Event = (
    BindRequested
    | Bound
    | BindRefused
    | Received
    | Answered
    | Unanswered
    | Throttled
    | Anomaly
    | Closed
)
