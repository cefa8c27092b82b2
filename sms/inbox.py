"""
From a deliver_sm to the inbox stream: it is acknowledged only when it is there.

    receipt ──▶ counted                       whole ──▶ inbox, unless it was here a moment ago
    part ──▶ kept in Redis ──▶ inbox, when the others have come or are not waited for any longer

All keys of an operator share one hash slot, its name in braces. Numbers are in them as keyed
hashes alone, and what lies in Redis is sealed.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import structlog

from config.sms_settings import SmsSettings
from smpp.pdu import ShortMessage, Status, Tag
from sms.parts import GIVE_UP, MOST_JOINED, PART, PUT_PART, WHOLE
from sms.receipt import receipt_state
from sms.record import Taken, encode_taken
from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sealed import Seal
from state.streams import Full, Stream
from telecom.segments import Concat, sar, take_header

log = structlog.get_logger("sms")

GROUP: Final = "dargah"
"""Who reads an inbox or an outbox: the gateways together."""

SEALED_FOR: Final = b"sms inbox"
_AT_ONE_SWEEP: Final = 100


class Observer(Protocol):
    """Who counts: metrics in a gateway, nobody in a test."""

    def sms_in(self, operator: str, what: str) -> None:
        """A deliver_sm, or what became of its message.

        what: "taken", "again", "part", "full", "unavailable", "draining", "receipt_delivered"
        and so on; then "answered", "incomplete", "not_a_subscriber", "unreadable", "failed".
        """
        ...

    def sms_out(self, operator: str, what: str) -> None:
        """What became of a reply.

        what: "unasked" (put though nobody wrote); "submitted", "throttled", "again", "not_bound",
        "busy"; "expired"; "refused", "unanswered", "unreadable", "unsendable" or "failed": these
        are dead letters.
        """
        ...

    def sms_replied(self, operator: str, seconds: float) -> None:
        """A reply was taken by the SMSC, so many seconds after its question had come."""
        ...


class Inbox:
    """One operator's way in."""

    def __init__(
        self,
        operator: str,
        stream: Stream,
        commands: Commands,
        seal: Seal,
        hashes: KeyedHash,
        settings: SmsSettings,
        *,
        clock: Callable[[], datetime],
        observer: Observer,
    ) -> None:
        self._operator = operator
        self._stream = stream
        self._commands = commands
        self._seal = seal
        self._hashes = hashes
        self._settings = settings
        self._clock = clock
        self._observer = observer
        self._mark_ms = round(settings.redelivery_window * 1000)

    async def rx_deliver_sm(self, message: ShortMessage) -> int:
        """Keep a message; the command_status to answer it with. Raises nothing of Redis's.

        0 only where it is safe. Otherwise the SMSC keeps it and comes again: 0x14 where we have
        too many, 0x64 where Redis is away.
        """
        if message.is_receipt:
            self._observer.sms_in(self._operator, f"receipt_{receipt_state(message)}")
            return Status.OK
        try:
            what = await self._keep(message)
        except Full:
            self._observer.sms_in(self._operator, "full")
            return Status.QUEUE_FULL
        except (Unavailable, ReplyError) as error:
            log.warning("sms_not_kept", operator=self._operator, reason=str(error))
            self._observer.sms_in(self._operator, "unavailable")
            return Status.RX_TEMPORARY
        self._observer.sms_in(self._operator, what)
        return Status.OK

    async def sweep(self) -> int:
        """Hand on what has waited long enough for its other parts; how many. Raises Unavailable."""
        now = round(self._clock().timestamp() * 1000)
        waiting = self._key("waiting")
        overdue = await self._commands.send(
            "ZRANGEBYSCORE", waiting, "-inf", now, "LIMIT", 0, _AT_ONE_SWEEP
        )
        for set_ in overdue:
            await self._commands.script(
                GIVE_UP,
                [set_, self._stream.key, waiting],
                now,
                self._settings.inbox_limit,
                self._mark_ms,
            )
        return len(overdue)

    async def _keep(self, message: ShortMessage) -> str:
        payload = message.short_message or message.tlv(Tag.MESSAGE_PAYLOAD) or b""
        part, octets = take_header(payload, message.esm_class)
        if part is None and message.tlvs:
            part = sar(message.tlvs)
        whose = f"{message.source.digits} {message.destination.digits}"
        digest = self._hashes.of("sms text", f"{whose} {message.data_coding} {octets.hex()}")
        taken = Taken(
            self._clock().timestamp(),
            message.source,
            message.destination,
            message.data_coding,
            octets,
        )
        sealed = self._seal.seal(encode_taken(taken), SEALED_FOR)
        if part is not None and 1 < part.total <= MOST_JOINED:
            return await self._keep_part(part, whose, digest, sealed)
        whole = part is None or part.total == 1
        fresh = await self._stream.put(
            WHOLE if whole else PART,
            sealed,
            mark=self._key(f"seen:{digest}"),
            mark_seconds=self._settings.redelivery_window,
        )
        return "taken" if fresh else "again"

    async def _keep_part(self, part: Concat, whose: str, digest: str, sealed: bytes) -> str:
        name = self._hashes.of("sms part", f"{whose} {part.reference} {part.total}")
        until = self._clock().timestamp() + self._settings.parts_wait
        home = self._stream.home
        said = await self._commands.script(
            PUT_PART,
            [self._key(f"part:{name}"), self._stream.key, self._key("waiting")],
            part.number,
            part.total,
            digest,
            sealed,
            round(until * 1000),
            self._settings.parts_limit,
            self._settings.inbox_limit,
            self._mark_ms,
        )
        if said == b"full":
            raise Full
        await self._stream.replicated(home)
        return {b"whole": "taken", b"part": "part"}.get(said, "again")

    def _key(self, name: str) -> str:
        return key(self._operator, name)


def key(operator: str, name: str) -> str:
    """A key of an operator's, in the operator's own hash slot."""
    return f"sms:{{{operator}}}:{name}"
