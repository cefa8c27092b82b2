"""
One USSD dialogue, the network's end: what goes out as deliver_sm, what a submit_sm shows.

The phone, not the gateway, holds the session's number; where the dialect counts units in it, the
next unit of ours takes the number after the gateway's last one.
"""

from dataclasses import dataclass, field, replace

from smpp.data_coding import UCS2
from smpp.dialect import (
    ABORT_INDICATION,
    PSSR_INDICATION,
    PSSR_RESPONSE,
    USSR_CONFIRM,
    CodeField,
    Dialect,
    SessionSource,
)
from smpp.pdu import Address, ShortMessage, Status
from smpp.ussd_tlv import read_screen, read_unit, write_unit
from telecom.screen import USSD_OCTETS

_UNREADABLE = "\ufffd"
_MOST_SEPTETS = USSD_OCTETS * 8 // 7


@dataclass(frozen=True, slots=True)
class Screen:
    """What the phone shows, and whether it takes an answer."""

    text: str = field(repr=False)
    more: bool


class Dialogue:
    """From the dialled code to the last screen. `number` is any number; it is cut to fit."""

    def __init__(self, subscriber: Address, line: Address, number: int, dialect: Dialect) -> None:
        self.open = True
        self._subscriber = subscriber
        self._line = line
        self._dialect = dialect
        # Where op 02 is in every screen, the end bit alone says which is the last.
        same = dialect.end_op == dialect.continue_op
        self._reading = replace(dialect, end_op=PSSR_RESPONSE) if same else dialect
        self._info = _first_info(number, dialect.session_source)
        self._session = "-"

    def begin(self, code: str) -> ShortMessage:
        """The unit of a dialled code."""
        dialled_there = self._dialect.code_field is CodeField.DESTINATION
        if dialled_there:
            self._line = replace(self._line, digits=code)
        ops = self._dialect.begin_ops
        message = self._unit(_one_of(ops, PSSR_INDICATION), "" if dialled_there else code)
        self._session = read_unit(message, self._dialect).session
        return message

    def go_on(self, text: str) -> ShortMessage:
        """The unit of an answer to the screen."""
        return self._unit(_one_of(self._dialect.continue_ops, USSR_CONFIRM), text)

    def abort(self) -> ShortMessage:
        """The unit that ends it from this side: the person gave up, or the gateway was late."""
        self.open = False
        if self._dialect.abort_ops:
            return self._unit(_one_of(self._dialect.abort_ops, ABORT_INDICATION), "")
        # Such a network has the end bit alone, or says nothing that could be understood.
        if self._info is not None and self._dialect.session_source.uses_its:
            self._info = bytes([*self._info[:-1], self._info[-1] | 1])
        return self.go_on("")

    def show(self, message: ShortMessage) -> Screen | int:
        """A submit_sm as a screen; or the status that refuses it, and the dialogue is over."""
        screen = read_screen(message, self._reading)
        if not self.open or screen.session != self._session:
            return Status.SUBMIT_FAILED
        if _octets_over(message, packed=self._dialect.packed_7bit):
            self.open = False
            return Status.INVALID_MESSAGE_LENGTH
        self.open = not screen.last
        tag = self._dialect.session_tag
        info = None if tag is None else message.tlv(tag)
        if info is not None and self._dialect.session_source is SessionSource.ITS_OCTET1:
            # Its unit has a number, bits 7 to 1; ours is the next.
            self._info = bytes([info[0], (info[1] & 0xFE) + 2 & 0xFE])
        return Screen(_UNREADABLE if screen.text is None else screen.text, not screen.last)

    def _unit(self, op: int, text: str) -> ShortMessage:
        return write_unit(
            op,
            text,
            subscriber=self._subscriber,
            service_code=self._line,
            session_info=self._info,
            dialect=self._dialect,
        )


def _first_info(number: int, source: SessionSource) -> bytes | None:
    match source:
        case SessionSource.ITS_OCTET1:
            return bytes([number & 0xFF, 0])
        case SessionSource.ITS_15BIT | SessionSource.ITS_OPAQUE:
            return (number << 1 & 0xFFFE).to_bytes(2)
        case SessionSource.UMR:
            return (number & 0xFFFF).to_bytes(2)
        case SessionSource.VENDOR:
            return (number & 0xFFFFFFFF).to_bytes(4)
        case SessionSource.NONE:
            return None


def _one_of(ops: frozenset[int], usual: int) -> int:
    return usual if usual in ops else min(ops)


def _octets_over(message: ShortMessage, *, packed: bool) -> bool:
    plain = message.data_coding not in UCS2 and not packed
    return len(message.short_message) > (_MOST_SEPTETS if plain else USSD_OCTETS)
