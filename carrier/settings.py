"""What a carrier is given before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smpp.dialect import SPECIFICATION, Dialect
from smpp.pdu import Address
from smpp.settings import SessionSettings

LONGEST_LINE = 64 * 1024
"""Octets of one line on the control port."""

_TEXT_LINE = Address("10001420", 3, 0)
_USSD_LINE = Address("1420", 3, 0)
_SESSION = SessionSettings(
    window=10_000,
    queue=10_000,
    unanswered=100_000,
    response_timeout=10.0,
    enquire_link_interval=60.0,
)
"""Wide: how many messages are out at once is the phones' affair. An SMSC waits 10 s for a
deliver_sm_resp, and then delivers again."""


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """One operator; for two, start two carriers. Times in seconds."""

    host: str = "127.0.0.1"
    port: int = 2775
    """0 for any that is free."""
    users: Mapping[str, str] = field(default_factory=lambda: {"dargah": "dargah"}, repr=False)
    """system_id to password. Each may bind as often as it likes."""
    control_path: Path | None = None
    """A Unix socket for other processes; None for none."""
    text_line: Address = _TEXT_LINE
    ussd_line: Address = _USSD_LINE
    """destination_addr of a dialled code, unless the dialect puts the code itself there."""
    dialect: Dialect = SPECIFICATION
    redeliver_after: float = 1.0
    """From a message that was not taken to its next try; real ones wait minutes."""
    connections: int = 100
    session: SessionSettings = _SESSION
