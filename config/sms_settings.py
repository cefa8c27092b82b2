"""What an operator may set about SMS."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Numbering:
    """TON and NPI of the addresses that we submit (SMPP 3.4, 5.2.5 and 5.2.6).

    `name_…` goes before `source_…` where people write to a name, not a number.
    None: as the operator sent them with the message that is answered.
    """

    source_ton: int | None = None
    source_npi: int | None = None
    destination_ton: int | None = None
    destination_npi: int | None = None
    name_ton: int | None = None
    name_npi: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsSettings:
    """Bounds and times of SMS. Times in seconds where nothing else is said."""

    operators: tuple[str, ...]
    """Who delivers and takes SMS; a reply leaves by the operator that the question came by."""
    number: str = "10001420"
    """Whom a text comes from that answers none: our short code, or a name."""
    numbering: Mapping[str, Numbering] = field(default_factory=dict)
    inbox_limit: int = 100_000
    """Messages of one operator that wait for an answer; one more is refused, and sent again."""
    outbox_limit: int = 100_000
    """Replies to one operator that wait to be taken."""
    parts_limit: int = 10_000
    """Long messages of one operator that wait for their other parts."""
    redelivery_window: float = 10.0
    """The same text by the same person within this is the SMSC repeating itself."""
    parts_wait: float = 300.0
    """Wait for the other parts of a long message."""
    at_once: int = 500
    """Messages of one operator worked on at once, and replies awaiting their submit_sm_resp."""
    claim_after: float = 30.0
    """What a process has not touched for so long is another's to answer."""
    resend: int = 2
    """How often a reply is sent again that was not answered, or refused without a clear reason."""
    retry_first: float = 1.0
    """Pause after a first refusal for the sake of load; doubled at each further one."""
    retry_cap: float = 30.0
    validity_minutes: int = 10
    """How long from the question a reply may be sent, and the network may try to reach the phone:
    an old verdict helps nobody. At most 59."""
    replicas: int = 0
    """Replicas of Redis that must have a message before it is acknowledged."""
    replicas_within: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.validity_minutes <= 59:
            raise ValueError("validity_minutes is from 1 to 59")
