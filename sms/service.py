"""
SMS as a whole: what the wiring makes, starts and drains.

    deliver_sm ─▶ inbox stream ─▶ deliver_sm_resp
                       └─▶ read, ask, answer ─▶ outbox stream ─▶ submit_sm ─▶ submit_sm_resp ─▶ off

Each operator has both streams, so that one that throttles holds up nobody else. Many processes
may do this on the same Redis: each entry is one consumer's at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from config.sms_settings import Numbering, SmsSettings
from dialogue.check_texts import prove_texts
from dialogue.lookups import Inquiries
from dialogue.preferences import Preferences
from dialogue.version import Version, Versions
from eligibility.answer import Answer
from smpp.pdu import ShortMessage, Status
from sms.answer import Answers
from sms.answering import Answering
from sms.inbox import GROUP, Inbox, Observer, key
from sms.outbox import Outbox, Submit
from sms.unasked import Unasked
from state.commands import Commands
from state.consumer import Consumer, Link
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from state.sealed import Seal
from state.streams import Durability, Stream
from telecom.msisdn import Msisdn

log = structlog.get_logger("sms")

SWEEP_EVERY = 10.0

ONCE_FOR = timedelta(hours=25)
"""How long it is known what was sent once: longer than a tracking code is given again
(eligibility.repeat_for, a day at most)."""


@dataclass(frozen=True, slots=True)
class _Operator:
    inbox: Inbox
    answering: Consumer
    sending: Consumer


class Sms:
    """Messages in, one message back each.

    state: the state role of Redis; where replicas are asked for, a link of its own, since WAIT
    holds up what is behind it. open_link: a connection by a name, whose commands may take two
    seconds (state/consumer.py). submit: smpp/esme.py's, by operator. consumer: a name that no
    other process has. Raises ConfigError where the phrases lack the words for SMS.
    """

    def __init__(
        self,
        settings: SmsSettings,
        *,
        state: Commands,
        open_link: Callable[[str], Awaitable[Link]],
        versions: Versions[Version],
        inquiries: Inquiries,
        hashes: KeyedHash,
        seal: Seal,
        submit: Submit,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        consumer: str,
        observer: Observer,
        preferences: Preferences | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        prove_texts(versions.current.tree, versions.current.phrases)
        self._settings = settings
        self._observer = observer
        self._draining = False
        self._sweep: asyncio.Task[None] | None = None
        answers = Answers(versions, inquiries, preferences)

        def operator(name: str) -> _Operator:
            stream = partial(Stream, state, group=GROUP, consumer=consumer)
            into = stream(
                key(name, "in"),
                limit=settings.inbox_limit,
                durability=Durability(settings.replicas, settings.replicas_within),
            )
            out = stream(key(name, "out"), limit=settings.outbox_limit)
            answering = Answering(
                name,
                into,
                out,
                answers,
                seal,
                hashes,
                settings.numbering.get(name, Numbering()),
                clock=clock,
                observer=observer,
                pause=pause,
            )
            outbox = Outbox(
                name,
                out,
                seal,
                submit,
                settings,
                clock=clock,
                jitter=jitter,
                rest=lambda seconds: sending.rest(seconds),
                observer=observer,
                pause=pause,
            )
            consuming = partial(
                Consumer, at_once=settings.at_once, claim_after=settings.claim_after
            )
            sending = consuming(
                out, outbox.send, partial(open_link, f"sms-out-{name}"), give_up=outbox.give_up
            )
            return _Operator(
                Inbox(name, into, state, seal, hashes, settings, clock=clock, observer=observer),
                consuming(
                    into,
                    answering.answer,
                    partial(open_link, f"sms-in-{name}"),
                    give_up=answering.give_up,
                ),
                sending,
            )

        self._answers = answers
        self._unasked = Unasked(
            {name: settings.numbering.get(name, Numbering()) for name in settings.operators},
            state=state,
            seal=seal,
            hashes=hashes,
            number=settings.number,
            limit=settings.outbox_limit,
            good_for=timedelta(0),
            known_for=ONCE_FOR,
            clock=clock,
        )
        self._serves: dict[str, _Operator] = {}
        self._operators = {name: operator(name) for name in settings.operators}

    async def received(self, operator: str, message: ShortMessage) -> int:
        """A deliver_sm has come; the command_status for its deliver_sm_resp.

        0 only when the message is safe. Raises KeyError for an operator that is not set up.
        """
        known = self._operators[operator]
        if self._draining:
            self._observer.sms_in(operator, "draining")
            return Status.RX_TEMPORARY
        return await known.inbox.rx_deliver_sm(message)

    async def send(self, operator: str, msisdn: Msisdn, text: str, *, once: str) -> bool:
        """Put a text that answers none into an operator's outbox, to go out like any reply.

        False where one with the same `once` was put within a day. The text is one message long.
        Raises KeyError for an operator that is not set up, Full, Unavailable, ReplyError.
        """
        put = await self._unasked.put(operator, msisdn, text, once=once)
        if put:
            self._observer.sms_out(operator, "unasked")
        return put

    async def answer(self, operator: str, msisdn: Msisdn, answer: Answer, language: str) -> bool:
        """Send an answer that could not be shown elsewhere; once for its tracking code.

        As `send`. Raises ValueError for an answer without a code.
        """
        if answer.tracking_code is None:
            raise ValueError("an answer without a tracking code")
        text = self._answers.told_elsewhere(answer, language)
        return await self.send(operator, msisdn, text, once=answer.tracking_code)

    def start(self, operators: Container[str] | None = None) -> None:
        """Begin to answer and to send, what an earlier process left included.

        operators: those whom this process serves; None: all. Another process serves the rest.
        """
        self._serves = {
            name: operator
            for name, operator in self._operators.items()
            if operators is None or name in operators
        }
        for operator in self._serves.values():
            operator.answering.start()
            operator.sending.start()
        self._sweep = asyncio.create_task(self._sweeping(), name="sms parts")

    async def drain(self, seconds: float) -> int:
        """Take no more, answer and send what is at hand; how much was left for later.

        Call it while the operators' links still hold. What is left stays in the streams.
        """
        self._draining = True
        deadline = asyncio.get_running_loop().time() + seconds
        if self._sweep is not None:
            self._sweep.cancel()
            await asyncio.wait([self._sweep])
        operators = self._serves.values()
        left = await asyncio.gather(*(one.answering.finish(deadline) for one in operators))
        left += await asyncio.gather(*(one.sending.finish(deadline) for one in operators))
        return sum(left)

    async def _sweeping(self) -> None:
        while True:
            await asyncio.sleep(min(SWEEP_EVERY, self._settings.parts_wait / 2))
            for name, operator in self._serves.items():
                try:
                    await operator.inbox.sweep()
                except (Unavailable, ReplyError) as error:
                    log.warning("sms_unswept", operator=name, reason=str(error))
                except Exception as error:
                    # Our own bug: long messages go on being looked after all the same.
                    log.error("sms_unswept", operator=name, reason=type(error).__name__)
