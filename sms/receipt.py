"""
What became of a message of ours, as a delivery receipt says it (SMPP 3.4, 5.3.2.35 and B).

The TLV message_state goes before the text `... stat:DELIVRD err:...`, whose other fields differ
between vendors.
"""

import re
from typing import Final

from smpp.pdu import ShortMessage, Tag

_STATES: Final = {
    1: "enroute",
    2: "delivered",
    3: "expired",
    4: "deleted",
    5: "undeliverable",
    6: "accepted",
    7: "unknown",
    8: "rejected",
}
_WORDS: Final = {
    "ENROUTE": "enroute",
    "DELIVRD": "delivered",
    "EXPIRED": "expired",
    "DELETED": "deleted",
    "UNDELIV": "undeliverable",
    "ACCEPTD": "accepted",
    "UNKNOWN": "unknown",
    "REJECTD": "rejected",
}
_STAT: Final = re.compile(rb"stat:([A-Za-z]{7})", re.IGNORECASE)


def receipt_state(message: ShortMessage) -> str:
    """A small word: "delivered", "expired" and so on, "unknown" where nothing is said."""
    state = message.tlv(Tag.MESSAGE_STATE)
    if state is not None and len(state) == 1 and state[0] in _STATES:
        return _STATES[state[0]]
    octets = message.short_message or message.tlv(Tag.MESSAGE_PAYLOAD) or b""
    found = _STAT.search(octets)
    return _WORDS.get(found[1].decode().upper(), "unknown") if found else "unknown"
