"""Bounds and timers of one session; seconds, PDUs, octets."""

from dataclasses import dataclass

from smpp.framing import MAX_PDU


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session may hold and how long it waits (timers: 2.9 and 7.2)."""

    window: int = 10
    """Our messages that may await an answer at once."""
    queue: int = 1000
    """Our messages that may wait for room in the window; one more is refused as Busy."""
    queue_timeout: float = 10.0
    """Longest wait in the queue, then Unanswered("queue", sent=False)."""
    unanswered: int = 1000
    """The peer's messages that may await our answer; one more is refused."""
    rate: float | None = None
    """Our messages a second, as contracted; None for no limit."""
    session_init_timeout: float = 10.0
    """SMSC side: from connect to bind."""
    bind_timeout: float = 30.0
    """ESME side: from bind to its answer."""
    response_timeout: float = 30.0
    """From a message to its answer; Kannel waits 60 s, a USSD person much less."""
    enquire_link_interval: float = 20.0
    """Silence from the peer after which we ask whether it is there."""
    enquire_link_timeout: float = 10.0
    """From enquire_link to any sign of life."""
    enquire_link_misses: int = 2
    """Unanswered enquire_links in a row that close the link."""
    inactivity_timeout: float | None = None
    """Without any message either way, then closed; None for never."""
    drain_timeout: float = 15.0
    """From drain to unbind, whatever is still unanswered."""
    unbind_timeout: float = 5.0
    """From unbind to its answer."""
    throttle_pause: float = 1.0
    """After the first throttling answer; doubled at each further one in a row."""
    throttle_pause_cap: float = 30.0
    max_pdu: int = MAX_PDU

    def __post_init__(self) -> None:
        bounds = (self.window, self.queue + 1, self.unanswered, self.enquire_link_misses)
        if min(bounds) < 1 or (self.rate is not None and self.rate <= 0):
            raise ValueError("window, unanswered, misses and rate are above 0, queue at least 0")
