"""
From the outbox to the network: a reply leaves the stream when the SMSC has taken it.

    accepted ──▶ off          refused for load, or no link ──▶ again, later, as often as it takes
    refused for good ──▶ off, as a dead letter
    no answer, or an error that may pass ──▶ again, a few times: two replies are better than none
    older than its validity ──▶ off: an old verdict is never sent as a new one
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog

from config.sms_settings import SmsSettings
from smpp.errors import Busy, LocalProtocolError, NotBound
from smpp.events import Answered, Unanswered
from smpp.pdu import ShortMessage, Status
from sms.inbox import Observer
from sms.record import BadRecord, Reply, decode_reply
from state.errors import ReplyError, Unavailable
from state.sealed import Seal, Unreadable
from state.streams import Entry, Stream
from telecom.segments import Segment, split

log = structlog.get_logger("sms")

SEALED_FOR: Final = b"sms outbox"

Submit = Callable[[str, ShortMessage], "asyncio.Future[Answered | Unanswered]"]
"""Send by an operator (smpp/esme.py). Raises NotBound, Busy, LocalProtocolError."""

LATER: Final = frozenset({Status.QUEUE_FULL, Status.THROTTLED, Status.INVALID_BIND_STATUS})
"""The SMSC cannot now; nothing is wrong with the message."""

FOR_GOOD: Final = frozenset(
    {
        *(Status.INVALID_MESSAGE_LENGTH, Status.INVALID_COMMAND_LENGTH, Status.INVALID_COMMAND_ID),
        *(Status.INVALID_SOURCE, Status.INVALID_DESTINATION, Status.INVALID_SERVICE_TYPE),
        *(Status.INVALID_SCHEDULE, Status.INVALID_VALIDITY),
        0x43,  # invalid esm_class
        *range(0xC0, 0xC5),  # optional parameters
    }
)
"""The same message would be refused again (5.1.3)."""

_LINK_PAUSE: Final = 0.5
_LINK_PAUSES: Final = 10
"""How long a reply is kept in hand while there is no link: a reconnect takes a second or two.
Then another process may have it."""

_REST: Final = 2.0


class Outbox:
    """The work of one operator's outbox (see state/consumer.py).

    `rest` asks the consumer to read nothing for so many seconds.
    """

    def __init__(
        self,
        operator: str,
        stream: Stream,
        seal: Seal,
        submit: Submit,
        settings: SmsSettings,
        *,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        rest: Callable[[float], None],
        observer: Observer,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._operator = operator
        self._stream = stream
        self._seal = seal
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._rest = rest
        self._observer = observer
        self._pause = pause
        self._validity = settings.validity_minutes * 60.0

    async def send(self, entry: Entry) -> None:
        """Send one reply; it leaves the stream when the SMSC has taken it, or never will."""
        try:
            reply = decode_reply(self._seal.open(entry.values[0], SEALED_FOR))
        except (Unreadable, BadRecord, IndexError) as error:
            log.error("sms_reply_unreadable", operator=self._operator, reason=type(error).__name__)
            if entry.deliveries > self._settings.resend + 1:
                await self._off(entry, "unreadable")
            return
        # A copy that is sent after a crash joins the parts that came before it.
        parts = split(reply.text, zlib.crc32(str(entry.id).encode()))
        refusals = resent = waits = 0
        while True:
            left = self._left(reply)
            if left < 1:
                log.warning("sms_expired", operator=self._operator)
                await self._off(entry, "expired")
                return
            try:
                outcome = await self._submit(self._operator, self._message(reply, parts[0], left))
            except LocalProtocolError:
                log.error("sms_unsendable", operator=self._operator)
                await self._off(entry, "unsendable")
                return
            except (NotBound, Busy) as error:
                bound = isinstance(error, Busy)
                self._observer.sms_out(self._operator, "busy" if bound else "not_bound")
                waits += 1
                if not bound and waits > _LINK_PAUSES:
                    self._rest(_REST)
                    await self._stream.hand_back([entry.id], self._settings.claim_after)
                    return
                await self._pause(_LINK_PAUSE)
                continue
            match outcome:
                case Answered(status=Status.OK) if len(parts) > 1:
                    del parts[0]
                    refusals = resent = 0
                    continue
                case Answered(status=Status.OK):
                    await self._off(entry, "submitted")
                    passed = self._clock().timestamp() - reply.at
                    self._observer.sms_replied(self._operator, max(0.0, passed))
                    return
                case Answered(status=status) if status in LATER:
                    self._observer.sms_out(self._operator, "throttled")
                case Answered(status=status) if status in FOR_GOOD:
                    await self._dead(entry, "refused", f"{status:#04x}")
                    return
                case Unanswered(sent=False):
                    self._observer.sms_out(self._operator, "busy")
                case _:
                    resent += 1
                    if resent > self._settings.resend:
                        refused = isinstance(outcome, Answered)
                        status = outcome.status if isinstance(outcome, Answered) else 0
                        what = "refused" if refused else "unanswered"
                        await self._dead(entry, what, f"{status:#04x}")
                        return
                    self._observer.sms_out(self._operator, "again")
            await self._pause(self._back_off(refusals))
            refusals += 1

    async def give_up(self, entry: Entry) -> None:
        """Take off what our own bug keeps from being sent (see state/consumer.py)."""
        await self._dead(entry, "failed", "")

    def _left(self, reply: Reply) -> float:
        """Seconds for which the reply still holds; never more than a fresh one's."""
        return min(self._validity, reply.told_at + self._validity - self._clock().timestamp())

    def _message(self, reply: Reply, segment: Segment, left: float) -> ShortMessage:
        return ShortMessage(
            reply.source,
            reply.destination,
            segment.short_message,
            data_coding=segment.data_coding,
            esm_class=segment.esm_class,
            validity_period=_relative(left),
        )

    def _back_off(self, refusals: int) -> float:
        pause = self._settings.retry_first * 2.0 ** min(refusals, 16)
        return min(pause, self._settings.retry_cap) * (1 + self._jitter())

    async def _dead(self, entry: Entry, what: str, status: str) -> None:
        log.warning("sms_dead_letter", operator=self._operator, what=what, status=status)
        await self._off(entry, what)

    async def _off(self, entry: Entry, what: str) -> None:
        """Take it off the stream, trying until Redis answers: else it would be sent again."""
        while True:
            try:
                await self._stream.done(entry.id)
            except (Unavailable, ReplyError) as error:
                log.warning("sms_not_taken_off", operator=self._operator, reason=str(error))
                await self._pause(_LINK_PAUSE)
                continue
            self._observer.sms_out(self._operator, what)
            return


def _relative(seconds: float) -> str:
    """A time from now as SMPP writes it, under an hour (3.4, 7.1.1.2)."""
    minutes, rest = divmod(int(seconds), 60)
    return f"00000000{minutes:02}{rest:02}000R"
