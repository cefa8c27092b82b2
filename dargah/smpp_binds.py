"""
The SMPP binds of a gateway: each a service of its own, all of an operator's behind one name.

    deliver_sm ─┬─ USSD ────────▶ ussd/smpp.py, answered by `submit`
                ├─ receipt ─────▶ `receipt`
                └─ text message ▶ `received`, whose status goes into deliver_sm_resp

What goes out is sent by an operator and what it is ("sms" or "ussd"), on any bind of theirs that
holds and carries it, in turn: an operator's two sites are one to everybody above.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from config.errors import ConfigError
from config.smpp_settings import SmppBind
from dargah.bridge import Tasks, described, settled
from dargah.smpp_endpoint import endpoint_of, is_loopback
from dargah.smpp_metrics import BindMetrics, SmppMetrics
from dargah.smpp_of_settings import bind_of, dialect_of, session_of
from smpp.errors import Busy, NotBound
from smpp.esme import Esme, Notice, Waiting
from smpp.events import Anomaly, Answered, BindRefused, Bound, Closed, Throttled
from smpp.link import Inbound, Outcome
from smpp.pdu import ShortMessage, Status
from smpp.reconnect import ReconnectSettings
from smpp.states import State
from smpp.ussd_tlv import is_ussd
from telecom.msisdn import Msisdn
from ussd.conversation import UssdConversations
from ussd.sessions import Told
from ussd.smpp import UssdOverSmpp

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

log = structlog.get_logger("smpp")

SMS, USSD = "sms", "ussd"
OK = "ok"

_LAST_WORDS = 0.5
"""Seconds for what the end of the links itself has begun."""

Receive = Callable[[str, ShortMessage], Awaitable[int]]
"""Takes an operator and its message; gives the status to answer with, 0 once it is safe."""

Untold = Callable[[str, Msisdn, Told], object]
"""Takes an operator, and an answer that could not be shown to this number."""


class BindService:
    """One bind: its Esme, its USSD, its counters."""

    def __init__(
        self,
        settings: SmppBind,
        reactor: "AsyncioSelectorReactor",
        binds: "SmppBinds",
        metrics: BindMetrics,
        reconnect: ReconnectSettings | None,
    ) -> None:
        self.settings = settings
        self._binds = binds
        self._metrics = metrics
        self._log = log.bind(bind=settings.name, operator=settings.operator)
        self._dialect = dialect_of(settings.dialect)
        # A gateway without marks is understood only where nothing else can come.
        self._unmarked = settings.carries == (USSD,) and not self._dialect.service_type
        self.esme = Esme(
            endpoint_of(reactor, settings),
            bind_of(settings),
            session_of(settings),
            clock=reactor,
            jitter=random.random,
            received=self._received,
            noticed=self._noticed,
            reconnect=reconnect,
        )
        try:
            self.ussd = UssdOverSmpp(
                binds.conversations,
                settings.operator,
                self._dialect,
                submit=lambda message: binds.submit(
                    settings.operator, message, carries=USSD, first=self
                ),
                start=binds.tasks.start,
                most=settings.turns,
                at_once=settings.dialect.send_resp_before_submit,
                session_ttl=settings.dialect.session_ttl or None,
                untold=self._untold,
                odd=metrics.odd,
            )
        except ValueError as error:
            raise ConfigError(
                f"smpp.dialect.max_octets of bind {settings.name}: {error}."
            ) from None

    @property
    def state(self) -> str:
        """ "ok", or why not, for /readyz."""
        if self.esme.bound:
            return OK
        link = self.esme.link
        return "not connected" if link is None else f"connected, {link.session.state}"

    def carries(self, what: str) -> bool:
        """Whether this kind of message may be sent here, now."""
        return (
            what in self.settings.carries
            and self.settings.bind_type != "receiver"
            and self.esme.bound
        )

    def submit(self, message: ShortMessage) -> "asyncio.Future[Outcome]":
        """Send by this bind. Raises NotBound, Busy, LocalProtocolError."""
        try:
            outcome = self.esme.submit(message)
        except Busy:
            self._metrics.window_full += 1
            raise
        self._metrics.tx_submit_sm += 1
        outcome.add_done_callback(self._came_out)
        return outcome

    def _untold(self, msisdn: Msisdn, told: Told) -> None:
        if self.settings.answers_by_sms:
            self._binds.untold(self.settings.operator, msisdn, told)

    def _came_out(self, future: "asyncio.Future[Outcome]") -> None:
        outcome = future.result()
        if isinstance(outcome, Answered):
            self._metrics.rx_submit_sm_resp += 1
            if not outcome.accepted:
                self._metrics.unaccepted["throttled" if outcome.throttled else "refused"] += 1
        else:
            self._metrics.unaccepted[outcome.reason] += 1

    def _received(self, inbound: Inbound) -> None:
        message = inbound.message
        self._metrics.rx_deliver_sm += 1
        if self._unmarked or is_ussd(message, self._dialect):
            if USSD in self.settings.carries:
                self.ussd.received(message, lambda: self._answer(inbound, Status.OK))
            else:
                self._metrics.odd("not_carried")
                self._answer(inbound, Status.RX_REJECT)
        elif SMS not in self.settings.carries:
            self._metrics.odd("not_carried")
            # Another gateway of ours may carry it: the SMSC must not throw it away.
            self._answer(inbound, Status.RX_TEMPORARY)
        elif self._binds.stopping:
            # The SMSC keeps it, and sends it to whoever binds next.
            self._answer(inbound, Status.RX_TEMPORARY)
        else:
            take = self._binds.receipt if message.is_receipt else self._binds.received
            self._binds.tasks.start(self._take(inbound, take))

    async def _take(self, inbound: Inbound, take: Receive) -> None:
        status: int = Status.RX_TEMPORARY
        try:
            status = await take(self.settings.operator, inbound.message)
        except Exception as error:
            self._log.error("sms_not_taken", **described(error))
        finally:
            self._answer(inbound, status)

    def _answer(self, inbound: Inbound, status: int) -> None:
        # False where the link is over: the SMSC will send it again.
        if inbound.answer(status):
            self._metrics.tx_deliver_sm_resp += 1

    def _noticed(self, notice: Notice) -> None:
        match notice:
            case Bound(bind_type):
                self._metrics.bound = True
                self._log.info("smpp_bound", bind_type=bind_type.value)
            case BindRefused(status):
                self._log.error("smpp_bind_refused", status=f"{status:#04x}")
            case Closed(reason):
                self._metrics.bound = False
                self._log.info("smpp_closed", reason=reason)
            case Waiting(delay, alarm):
                say = self._log.error if alarm else self._log.info
                say("smpp_waits", seconds=round(delay, 1), alarm=alarm)
            case Throttled(status):
                self._metrics.throttled += 1
                self._log.warning("smpp_throttled", status=f"{status:#04x}")
            case Anomaly(what):
                self._metrics.odd(what)
            case _:
                pass


class SmppBinds:
    """All binds, from `start` to `stop`.

    received: each text message. receipt: each delivery receipt. Either gives the status for the
    deliver_sm_resp; what it raises becomes 0x64, try again. untold: each USSD answer that could
    not be shown, where the bind's settings want it told by SMS. Raises ConfigError where TLS can't
    be had as it is set, or a gateway's screen is too small for the phrases.
    """

    def __init__(
        self,
        settings: Sequence[SmppBind],
        reactor: "AsyncioSelectorReactor",
        *,
        conversations: UssdConversations,
        received: Receive,
        receipt: Receive,
        metrics: SmppMetrics,
        untold: Untold = lambda *_: None,
        reconnect: ReconnectSettings | None = None,
    ) -> None:
        self.conversations = conversations
        self.untold = untold
        self.received = received
        self.receipt = receipt
        self.tasks = Tasks()
        self.stopping = False
        self._loop = asyncio.get_running_loop()
        self._binds = [
            BindService(bind, reactor, self, metrics.of(bind.name), reconnect) for bind in settings
        ]
        self._turn = 0

    @property
    def binds(self) -> Sequence[BindService]:
        """Each bind, as in the settings."""
        return self._binds

    def start(self) -> None:
        """Begin to connect, all at once."""
        for bind in self._binds:
            if not bind.settings.tls and not is_loopback(bind.settings.host):
                log.warning("smpp_without_tls", bind=bind.settings.name)
            bind.esme.startService()

    def submit(
        self,
        operator: str,
        message: ShortMessage,
        *,
        carries: str = SMS,
        first: BindService | None = None,
    ) -> "asyncio.Future[Outcome]":
        """Send by a bind of the operator's that holds and carries it, `first` if it does.

        The future gives Answered or Unanswered and never fails. Raises NotBound, Busy (every one
        of them is full) and LocalProtocolError (a field doesn't fit).
        """
        if first is not None and first.carries(carries):
            return first.submit(message)
        able = [
            bind
            for bind in self._binds
            if bind.settings.operator == operator and bind.carries(carries)
        ]
        if not able:
            raise NotBound(f"no bind of {operator} holds that carries {carries}")
        self._turn += 1
        for number in range(len(able)):
            try:
                return able[(self._turn + number) % len(able)].submit(message)
            except Busy:
                continue
        raise Busy(f"every bind of {operator} is full")

    def ready(self) -> Mapping[str, str]:
        """Each bind's state for /readyz: "ok", or why not."""
        return {f"smpp {bind.settings.name}": bind.state for bind in self._binds}

    async def stop(self, deadline: float) -> int:
        """Take no more, finish what is under way, unbind, close; within `deadline` seconds.

        Returns how many turns and messages had to be given up.
        """
        self.stopping = True
        ends = self._loop.time() + deadline
        for bind in self._binds:
            bind.ussd.close()
        # The answers have to go out while the binds hold; half the time is for unbinding.
        late = await self.tasks.finish(deadline / 2)
        drained = [asyncio.ensure_future(settled(bind.esme.stopService())) for bind in self._binds]
        if not drained:
            return late
        _, slow = await asyncio.wait(drained, timeout=max(0.0, ends - self._loop.time()))
        if slow:
            for bind in self._binds:
                if (link := bind.esme.link) is not None and link.session.state is not State.CLOSED:
                    late += link.session.load.outstanding + link.session.load.queued
                    link.drop()
            await asyncio.wait(slow)
        # Answers that went down with the links have to reach the outbox of SMS.
        late += await self.tasks.finish(_LAST_WORDS)
        return late
