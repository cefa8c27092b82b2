"""
The operator's network: an SMSC to which gateways bind, and the phones behind it.

Messages go to the binds that take any, in turn. One that was not answered, or was refused for
now, is delivered again, as an SMSC does; a USSD unit is not.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from twisted.internet.interfaces import IReactorTime

from carrier.dialogue import Dialogue
from carrier.errors import NoLink, NoReply, Refused, WrongOrder
from carrier.faults import Faults
from carrier.handset import Handset
from carrier.settings import CarrierSettings
from carrier.short_messages import Parts, receipt, refusal
from carrier.wire import Wires
from smpp.errors import Busy, LocalProtocolError, NotBound, SmppError
from smpp.events import Answered, Bound, Event
from smpp.link import Inbound, Link, Outcome
from smpp.pdu import Address, Bind, ShortMessage, Status
from smpp.smsc import Smsc
from smpp.states import State
from smpp.ussd_tlv import is_ussd
from telecom.msisdn import Msisdn, NotAnMsisdn

SYSTEM_ID = "carrier"

_LATER = frozenset({Status.RX_TEMPORARY, Status.QUEUE_FULL, Status.THROTTLED, Status.SYSTEM_ERROR})


class Network:
    """See the head of this file. `wires` is the factory to listen with.

    counts: binds, refused_binds, submitted, throttled, unclaimed (texts for phones that nobody
    holds), receipts, delivered, redelivered.
    """

    def __init__(
        self,
        settings: CarrierSettings,
        clock: IReactorTime,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.faults = Faults()
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._clock = clock
        self._now = now
        self._smsc = Smsc(
            SYSTEM_ID,
            settings.session,
            clock=clock,
            jitter=float,
            authorise=self._authorise,
            received=self._rx_submit_sm,
            noticed=self._noticed,
            most=settings.connections,
        )
        self.wires = Wires(self._smsc, self.faults, clock)
        self._changed = asyncio.Event()
        self._turn = itertools.count()
        self._message_ids = itertools.count(1)
        self._sessions = itertools.count(1)
        self._parts = Parts()
        self._handsets: WeakValueDictionary[str, Handset] = WeakValueDictionary()

    # For people and tests

    def handset(self, msisdn: str) -> Handset:
        """The phone with this number, in any form. Raises NotAnMsisdn."""
        number = Msisdn.parse(msisdn)
        handset = self._handsets.get(number.digits)
        if handset is None:
            handset = self._handsets[number.digits] = Handset(self, number)
        return handset

    @property
    def binds(self) -> list[str]:
        """The system_id of every bind that holds, the oldest first."""
        return [
            link.peer_bind.system_id
            for link in self._smsc.links
            if link.session.state is State.BOUND and link.peer_bind is not None
        ]

    async def bound(self, binds: int = 1) -> None:
        """Wait until so many binds hold."""
        while len(self.binds) < binds:
            await self._wait()

    def drop(self) -> None:
        """Cut every connection now."""
        for wire in list(self.wires.protocols):
            wire.cut()

    def garbage(self, octets: bytes) -> None:
        """Write what is no SMPP on every connection."""
        for wire in list(self.wires.protocols):
            wire.garbage(octets)

    async def gone(self) -> None:
        """Wait until no connection is left."""
        for link in list(self._smsc.links):
            await link.gone.asFuture(asyncio.get_running_loop())

    # For handsets

    @property
    def text_line(self) -> Address:
        """The short code that texts go to."""
        return self._settings.text_line

    @property
    def hasty(self) -> bool:
        """Whether parts go out without waiting for each other's answer."""
        return self.faults.hasty

    def dialogue(self, subscriber: Address) -> Dialogue:
        """A new USSD dialogue."""
        number = next(self._sessions)
        return Dialogue(subscriber, self._settings.ussd_line, number, self._settings.dialect)

    async def deliver(self, message: ShortMessage) -> None:
        """Deliver until a gateway has taken it. Raises Refused."""
        while True:
            while (link := self._next_link()) is None:
                await self._wait()
            try:
                outcome = await self._send(link, message)
            except (NotBound, Busy):
                outcome = None
            if isinstance(outcome, Answered):
                if outcome.accepted:
                    self.counts["delivered"] += 1
                    return
                if outcome.status not in _LATER:
                    raise Refused(outcome.status)
            self.counts["redelivered"] += 1
            await asyncio.sleep(self._settings.redeliver_after)

    async def deliver_unit(self, message: ShortMessage) -> None:
        """Deliver once. Raises NoLink, NoReply, Refused."""
        link = self._next_link()
        if link is None:
            raise NoLink("no gateway is bound that takes messages")
        try:
            outcome = await self._send(link, message)
        except (NotBound, Busy):
            raise NoLink("the gateway's bind takes no messages now") from None
        except LocalProtocolError:
            raise WrongOrder("that doesn't fit in a deliver_sm") from None
        if not isinstance(outcome, Answered):
            raise NoReply("the gateway did not acknowledge it")
        if not outcome.accepted:
            raise Refused(outcome.status)
        self.counts["delivered"] += 1

    def tell_unit(self, message: ShortMessage) -> None:
        """Deliver once, whether anybody hears it or not."""
        link = self._next_link()
        if link is not None:
            with contextlib.suppress(SmppError):
                link.send(message)

    # The SMSC's owner

    def _authorise(self, bind: Bind) -> int:
        status = self.faults.refuse_binds
        if not status:
            password = self._settings.users.get(bind.system_id)
            if password is None:
                status = Status.INVALID_SYSTEM_ID
            elif password != bind.password:
                status = Status.INVALID_PASSWORD
        self.counts["refused_binds" if status else "binds"] += 1
        return status

    def _noticed(self, _: Link, event: Event) -> None:
        if isinstance(event, Bound):
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def _wait(self) -> None:
        await self._changed.wait()

    def _next_link(self) -> Link | None:
        ready = [link for link in self._smsc.links if _takes_messages(link)]
        return ready[next(self._turn) % len(ready)] if ready else None

    async def _send(self, link: Link, message: ShortMessage) -> Outcome:
        outcome = link.send(message)
        if self.faults.spend("duplicate"):
            link.send(message)
        return await outcome

    def _rx_submit_sm(self, inbound: Inbound) -> None:
        if self.faults.spend("throttle"):
            self.counts["throttled"] += 1
            self._answer(inbound, self.faults.throttle_status, 0)
            return
        status = self._take(inbound.message)
        if status:
            self._answer(inbound, status, 0)
            return
        self.counts["submitted"] += 1
        message_id = next(self._message_ids)
        told = receipt(
            inbound.message,
            message_id,
            self._now(),
            hexadecimal=self.faults.hex_receipts,
            plain=self.faults.plain_receipts,
        )
        if told is not None and self.faults.early_receipts:
            self._tell(inbound.link, told)
        self._answer(inbound, Status.OK, message_id, told)

    def _answer(
        self, inbound: Inbound, status: int, message_id: int, told: ShortMessage | None = None
    ) -> None:
        def answer() -> None:
            inbound.answer(status, str(message_id) if message_id else "")
            if told is not None and not self.faults.early_receipts:
                self._tell(inbound.link, told)

        if self.faults.delay:
            self._clock.callLater(self.faults.delay, answer)
        else:
            answer()

    def _tell(self, link: Link, told: ShortMessage) -> None:
        """A receipt goes to the bind that sent the message, or to any that takes it."""
        link_or_other = link if _takes_messages(link) else self._next_link()
        if link_or_other is not None:
            with contextlib.suppress(SmppError):
                link_or_other.send(told)
                self.counts["receipts"] += 1

    def _take(self, message: ShortMessage) -> int:
        try:
            msisdn = Msisdn.parse(_written(message.destination))
        except NotAnMsisdn:
            return Status.INVALID_DESTINATION
        handset = self._handsets.get(msisdn.digits)
        if is_ussd(message, self._settings.dialect):
            return self._show(handset, message)
        status = refusal(message)
        received = None if status else self._parts.join(message)
        if received is not None:
            if handset is None:
                self.counts["unclaimed"] += 1
            else:
                handset.receive(received)
        return status

    def _show(self, handset: Handset | None, message: ShortMessage) -> int:
        if handset is None:
            return Status.SUBMIT_FAILED
        if self.faults.spend("refuse_screens"):
            handset.lose("the network has refused the gateway's screen")
            return Status.SUBMIT_FAILED
        status = handset.receive_screen(message)
        if status == Status.OK and handset.waits and self.faults.spend("lose_dialogues"):
            # After the answer to its screen, as it happens on the way.
            self._clock.callLater(0, handset.abort)
        return status


def _takes_messages(link: Link) -> bool:
    kind = link.session.bind_type
    return link.session.state is State.BOUND and kind is not None and kind.delivers


def _written(address: Address) -> str:
    """With TON 1 an address is international and has no plus (5.2.5)."""
    return f"+{address.digits}" if address.ton == 1 else address.digits
