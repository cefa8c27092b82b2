"""
From the inbox to the outbox: read what was written, ask, and put the answer in the other stream.

The entry leaves the inbox in the step that puts the reply into the outbox. Before it, a crash
leaves the question, and it is answered anew: by the repeat rule under the same tracking code.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from config.sms_settings import Numbering
from eligibility.answer import Asker
from eligibility.national_id import InvalidId, NationalId
from smpp.data_coding import decode_text
from smpp.pdu import Address
from sms.answer import Answers
from sms.inbox import SEALED_FOR as INBOX
from sms.inbox import Observer
from sms.outbox import SEALED_FOR as OUTBOX
from sms.parts import PART
from sms.record import BadRecord, Reply, Taken, decode_taken, encode_reply
from sms.text import Eligibility, Help, Request, read
from state.consumer import MOST_DELIVERIES
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sealed import Seal, Unreadable
from state.streams import Entry, Stream
from telecom.msisdn import Msisdn, NotAnMsisdn

log = structlog.get_logger("sms")

_INTERNATIONAL: Final = 1
_PAUSE: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Question:
    """A message put together again."""

    first: Taken
    text: str | None = field(repr=False)


class Answering:
    """The work of one operator's inbox (see state/consumer.py)."""

    def __init__(
        self,
        operator: str,
        inbox: Stream,
        outbox: Stream,
        answers: Answers,
        seal: Seal,
        hashes: KeyedHash,
        numbering: Numbering,
        *,
        clock: Callable[[], datetime],
        observer: Observer,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._operator = operator
        self._inbox = inbox
        self._outbox = outbox
        self._answers = answers
        self._seal = seal
        self._hashes = hashes
        self._numbering = numbering
        self._clock = clock
        self._observer = observer
        self._pause = pause

    async def answer(self, entry: Entry) -> None:
        """Answer one message; it leaves the inbox when that is sure."""
        try:
            question = self._question(entry)
        except (Unreadable, BadRecord) as error:
            log.error("sms_unreadable", operator=self._operator, reason=str(error))
            # Another process may have the right key.
            if entry.deliveries > MOST_DELIVERIES:
                await self._drop(entry, "unreadable")
            return
        try:
            asker = self._asker(question.first.source)
        except NotAnMsisdn:
            # A short code or a name: a machine, which would answer our answer.
            await self._drop(entry, "not_a_subscriber")
            return
        request = Help() if question.text is None else read(question.text)
        if entry.values[0] == PART and not _stands_alone(request):
            await self._drop(entry, "incomplete")
            return
        text = await self._words(request, asker, entry)
        await self._put(entry, self._reply(question.first, text), "answered")

    async def give_up(self, entry: Entry) -> None:
        """Apologise for what our own bug keeps from being answered (see state/consumer.py).

        Where not even the sender can be read, it is only taken off.
        """
        log.error("sms_dead_letter", operator=self._operator, what="failed")
        try:
            first = decode_taken(self._seal.open(entry.values[1], INBOX))
            self._asker(first.source)
            reply = self._reply(first, self._answers.sorry())
        except Exception:  # whatever it was that failed before
            await self._drop(entry, "failed")
            return
        await self._put(entry, reply, "failed")

    async def _put(self, entry: Entry, reply: Reply, what: str) -> None:
        sealed = self._seal.seal(encode_reply(reply), OUTBOX)
        while True:
            try:
                moved = await self._inbox.move(entry.id, self._outbox, sealed)
            except (Unavailable, ReplyError) as error:
                # Kept in hand, so that no more is read than can be put.
                log.warning("sms_not_moved", operator=self._operator, reason=str(error))
                await self._pause(_PAUSE)
                continue
            if moved:
                self._observer.sms_in(self._operator, what)
            return

    async def _words(self, request: Request, asker: Asker, entry: Entry) -> str:
        if entry.deliveries > MOST_DELIVERIES:
            return self._answers.sorry()
        try:
            return await self._answers.answer(request, asker)
        except Exception as error:
            # Our own bug; whoever wrote gets a true sentence all the same.
            log.error("sms_answer_failed", operator=self._operator, reason=type(error).__name__)
            return self._answers.sorry()

    async def _drop(self, entry: Entry, what: str) -> None:
        if await self._inbox.done(entry.id):
            self._observer.sms_in(self._operator, what)

    def _question(self, entry: Entry) -> _Question:
        parts = [decode_taken(self._seal.open(sealed, INBOX)) for sealed in entry.values[1:]]
        if not parts:
            raise BadRecord("nothing in it")
        codings = {part.data_coding for part in parts}
        if len(codings) == 1:
            # Joined before they are read: a letter of two units may lie on both sides of a cut.
            text = decode_text(b"".join(part.octets for part in parts), codings.pop())
        else:
            texts = [decode_text(part.octets, part.data_coding) for part in parts]
            text = "".join(text for text in texts if text is not None) or None
        return _Question(parts[0], text)

    def _asker(self, source: Address) -> Asker:
        digits = source.digits
        if source.ton == _INTERNATIONAL and not digits.startswith(("+", "0")):
            digits = f"+{digits}"
        number = Msisdn.parse(digits)
        token = self._hashes.of("asker", number.digits)
        return Asker(token, contact=number, operator=self._operator)

    def _reply(self, taken: Taken, text: str) -> Reply:
        as_set = self._numbering
        ours = taken.destination
        ton, npi = as_set.source_ton, as_set.source_npi
        if not ours.digits.isdecimal():
            ton, npi = as_set.name_ton, as_set.name_npi
        return Reply(
            taken.at,
            self._clock().timestamp(),
            _numbered(ours, ton, npi),
            _numbered(taken.source, as_set.destination_ton, as_set.destination_npi),
            text,
        )


def _numbered(address: Address, ton: int | None, npi: int | None) -> Address:
    if ton is None and npi is None:
        return address
    return replace(
        address,
        ton=address.ton if ton is None else ton,
        npi=address.npi if npi is None else npi,
    )


def _stands_alone(request: Request) -> bool:
    """Whether what there is of a message holds a right ID."""
    if not isinstance(request, Eligibility):
        return False
    try:
        NationalId.parse(request.national_id)
    except InvalidId:
        return False
    return True
