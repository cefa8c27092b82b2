"""
One SMPP 3.4 session, ESME or SMSC: bytes and `now` in, events and bytes out.

No socket and no clock. The owner feeds it what came, writes what `bytes_to_send` gives after
every call, calls `tick` when `next_deadline` has come, and closes the connection on `Closed`.
`now` is seconds from any start, never backwards.

Generic_nack answers what has no answer of its own: a length out of bounds, and an unknown
command. A bad body gets its own response with an error. A response is never answered.
"""

from collections.abc import Callable
from dataclasses import replace

from smpp.codec import decode, encode
from smpp.debts import Debts
from smpp.errors import BadPdu, LocalProtocolError, NotBound, RemoteProtocolError
from smpp.events import (
    Anomaly,
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    Received,
    Throttled,
)
from smpp.framing import Framer
from smpp.liveness import Due, Liveness
from smpp.pace import Pace
from smpp.pdu import (
    INTERFACE_VERSION,
    RESPONSE,
    Bind,
    BindResp,
    BindType,
    Command,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    ShortMessage,
    Status,
    SubmitSm,
    SubmitSmResp,
    Tag,
    Unbind,
    UnbindResp,
    Unknown,
    first,
)
from smpp.settings import SessionSettings
from smpp.states import Role, Signal, State, move
from smpp.window import Load, SequenceNumbers, Window

_LINKED = (State.BINDING, State.BOUND, State.DRAINING, State.UNBINDING)
_CARRIES = (State.BOUND, State.DRAINING)
# No answer of their own, and no fault either (4.1.7, 4.12.1).
_LET_PASS = (Command.OUTBIND, Command.ALERT_NOTIFICATION)


class Session:
    """See the head of this file. `jitter` gives 0 to 1, for the pauses after throttling."""

    def __init__(
        self,
        role: Role,
        settings: SessionSettings,
        now: float,
        jitter: Callable[[], float] = float,
    ) -> None:
        self.role = role
        self.state = State.OPEN
        self.bind_type: BindType | None = None
        self._settings = settings
        self._framer = Framer(settings.max_pdu)
        self._pace = Pace(settings, jitter)
        self._window = Window(settings, self._pace)
        self._out: list[bytes] = []
        self._numbers = SequenceNumbers()
        self._debts = Debts(settings.unanswered)
        self._bind: Bind | None = None
        self._unbind_sequence = 0
        self._enquiry = 0
        self._liveness = Liveness(settings, now)
        self._state_deadline: float | None = now + settings.session_init_timeout

    # What the owner asks for

    @property
    def load(self) -> Load:
        """How much is on its way."""
        return Load(self._window.outstanding, self._window.queued, len(self._debts))

    def bytes_to_send(self) -> bytes:
        """What to write now; handed out once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def bind(self, bind: Bind, now: float) -> None:
        """ESME: ask for a bind; its sequence is set here."""
        if self.role is not Role.ESME:
            raise LocalProtocolError("an SMSC doesn't bind")
        state = move(self.state, Signal.BIND_SENT)
        request = replace(bind, sequence=self._numbers.next(self._window))
        self._send(request)
        self._bind, self.state = request, state
        self._state_deadline = now + self._settings.bind_timeout

    def answer_bind(self, status: int, system_id: str, now: float) -> list[Event]:
        """SMSC: accept (status 0) or refuse the bind that was asked for."""
        if self._bind is None or self.role is not Role.SMSC:
            raise LocalProtocolError("no bind to answer")
        bind = self._bind
        if status:
            self._send(BindResp(bind.sequence, bind.bind_type, status))
            return self._close(Signal.BIND_REFUSED, "refused")
        state = move(self.state, Signal.BIND_ACCEPTED)
        # An ESME of 3.3 knows no optional parameters (3.4).
        knows_tlvs = bind.interface_version >= INTERFACE_VERSION
        version = ((Tag.SC_INTERFACE_VERSION, bytes([INTERFACE_VERSION])),) if knows_tlvs else ()
        self._send(BindResp(bind.sequence, bind.bind_type, 0, system_id, version))
        self.state = state
        return [self._bound(bind, bind.system_id, bind.interface_version, now)]

    def submit(self, message: ShortMessage, now: float) -> int:
        """ESME: send a submit_sm when window and rate allow. Returns its sequence number.

        Raises NotBound, Busy, and LocalProtocolError if a field doesn't fit.
        """
        if self.role is not Role.ESME:
            raise LocalProtocolError("an SMSC doesn't submit")
        may = self.bind_type is not None and self.bind_type.submits
        return self._request(SubmitSm(self._numbers.next(self._window), message), may, now)

    def deliver(self, message: ShortMessage, now: float) -> int:
        """SMSC: send a deliver_sm; otherwise like `submit`."""
        if self.role is not Role.SMSC:
            raise LocalProtocolError("an ESME doesn't deliver")
        may = self.bind_type is not None and self.bind_type.delivers
        return self._request(DeliverSm(self._numbers.next(self._window), message), may, now)

    def answer(self, sequence: int, now: float, status: int = 0, message_id: str = "") -> bool:
        """Answer a `Received`. False if the link is over, so that nobody will hear it."""
        if self.state is State.CLOSED:
            return False
        if not self._debts.settle(sequence):
            raise LocalProtocolError("no such message to answer")
        resp = DeliverSmResp if self.role is Role.ESME else SubmitSmResp
        self._send(resp(sequence, status, message_id))
        self._unbind_if_drained(now)
        return True

    def drain(self, now: float) -> list[Event]:
        """Send no more, wait for the answers both ways, then unbind. Again: no effect."""
        if self.state in (State.OPEN, State.BINDING):
            return self._close(Signal.ENDED, "unbound")
        if self.state is State.BOUND:
            self.state = move(self.state, Signal.DRAIN)
            self._state_deadline = now + self._settings.drain_timeout
            self._unbind_if_drained(now)
        return []

    def connection_lost(self) -> list[Event]:
        """The connection is gone; what was outstanding is unknown."""
        return [] if self.state is State.CLOSED else self._close(Signal.ENDED, "lost")

    # Time

    def next_deadline(self) -> float | None:
        """When `tick` must be called; None once closed."""
        if self.state is State.CLOSED:
            return None
        deadlines = [self._state_deadline, self._window.next_deadline()]
        if self.state in _CARRIES:
            deadlines.append(self._liveness.next_deadline())
        return min((at for at in deadlines if at is not None), default=None)

    def tick(self, now: float) -> list[Event]:
        """Do what is due by now."""
        if self.state is State.CLOSED:
            return []
        events: list[Event] = list(self._window.expire(now))
        if self._state_deadline is not None and now >= self._state_deadline:
            if self.state is State.DRAINING:
                self._send_unbind(now)
            else:
                reason = {
                    State.OPEN: "no_bind",
                    State.BINDING: "no_bind_resp",
                    State.UNBINDING: "no_unbind_resp",
                }[self.state]
                return events + self._close(Signal.ENDED, reason)
        if self.state in _CARRIES:
            if self._liveness.idle(now):
                return events + self._close(Signal.ENDED, "idle")
            events += self._keep_alive(now)
        self._pump(now)
        self._unbind_if_drained(now)
        return events

    def _keep_alive(self, now: float) -> list[Event]:
        match self._liveness.due(now):
            case Due.ASK:
                self._enquiry = self._numbers.next(self._window)
                self._send(EnquireLink(self._enquiry))
            case Due.GIVE_UP:
                silent = Anomaly("silent_link", Command.ENQUIRE_LINK)
                return [silent, *self._close(Signal.ENDED, "silent")]
            case Due.NOTHING:
                pass
        return []

    # What the peer sends

    def receive_bytes(self, data: bytes, now: float) -> list[Event]:
        """Whatever came from the peer, cut anywhere. Never raises for what a peer sent."""
        events: list[Event] = []
        frames = self._framer.frames(data)
        while self.state is not State.CLOSED:
            try:
                frame = next(frames, None)
            except RemoteProtocolError:
                self._send(GenericNack(0, Status.INVALID_COMMAND_LENGTH))
                events.append(Anomaly("bad_length", 0, Status.INVALID_COMMAND_LENGTH))
                events += self._close(Signal.ENDED, "corrupt")
                break
            if frame is None:
                break
            self._liveness.heard(now)
            try:
                events += self._rx(decode(frame), now)
            except BadPdu as bad:
                events += self._rx_bad(bad, now)
        self._pump(now)
        self._unbind_if_drained(now)
        return events

    def _rx(self, pdu: Pdu, now: float) -> list[Event]:
        match pdu:
            case DeliverSm() | SubmitSm():
                return self._rx_message(pdu, now)
            case SubmitSmResp(sequence, status, message_id):
                return self._rx_answer(Command.SUBMIT_SM, sequence, status, message_id, now)
            case DeliverSmResp(sequence, status, message_id):
                return self._rx_answer(Command.DELIVER_SM, sequence, status, message_id, now)
            case EnquireLink(sequence):
                linked = self.state in _LINKED
                self._send(EnquireLinkResp(sequence, 0 if linked else Status.INVALID_BIND_STATUS))
                return []
            case EnquireLinkResp(sequence) if sequence == self._enquiry:
                return []
            case Bind():
                return self._rx_bind(pdu, now)
            case BindResp() if self.state is State.BINDING and self._is_our_bind(pdu.sequence):
                return self._rx_bind_resp(pdu, now)
            case Unbind(sequence):
                self._send(UnbindResp(sequence))
                return self._close(Signal.UNBIND_RECEIVED, "peer_unbound")
            case UnbindResp() | GenericNack() if self._is_our_unbind(pdu.sequence):
                return self._close(Signal.UNBIND_ANSWERED, "unbound")
            case GenericNack(sequence, status):
                return self._rx_nack(sequence, status or Status.SYSTEM_ERROR, now)
            case Unknown(sequence, command_id, status):
                if command_id & RESPONSE:
                    return [Anomaly("stray_response", command_id, status)]
                if command_id not in _LET_PASS:
                    self._send(GenericNack(sequence, Status.INVALID_COMMAND_ID))
                return [Anomaly("unknown_command", command_id)]
            case BindResp(_, bind_type, status):
                return [Anomaly("stray_response", bind_type.command | RESPONSE, status)]
            case EnquireLinkResp(_, status):
                return [Anomaly("stray_response", Command.ENQUIRE_LINK | RESPONSE, status)]
            case UnbindResp(_, status):
                return [Anomaly("stray_response", Command.UNBIND | RESPONSE, status)]

    def _rx_bad(self, bad: BadPdu, now: float) -> list[Event]:
        anomaly = Anomaly("bad_pdu", bad.command_id, bad.status)
        if bad.command_id & RESPONSE:
            # Its header still says what became of our request.
            header = Unknown(bad.sequence, bad.command_id, bad.command_status)
            return [anomaly, *self._rx(decode(encode(header)), now)]
        if bad.command_id == Command.DELIVER_SM:
            self._send(DeliverSmResp(bad.sequence, bad.status))
        else:
            self._send(Unknown(bad.sequence, bad.command_id | RESPONSE, bad.status))
        return [anomaly]

    def _rx_message(self, pdu: DeliverSm | SubmitSm, now: float) -> list[Event]:
        kind = self.bind_type
        if isinstance(pdu, SubmitSm):
            command, refusal = Command.SUBMIT_SM, Status.QUEUE_FULL
            ours = self.role is Role.SMSC and kind is not None and kind.submits
        else:
            command, refusal = Command.DELIVER_SM, Status.RX_TEMPORARY
            ours = self.role is Role.ESME and kind is not None and kind.delivers
        what = "overload"
        if not ours:
            what, refusal = "wrong_state", Status.INVALID_BIND_STATUS
        elif self.state in _CARRIES and self._debts.incur(pdu.sequence):
            self._liveness.carried(now)
            return [Received(pdu.sequence, pdu.message)]
        resp = SubmitSmResp if command is Command.SUBMIT_SM else DeliverSmResp
        self._send(resp(pdu.sequence, refusal))
        return [Anomaly(what, command, refusal)]

    def _rx_answer(
        self, command: Command, sequence: int, status: int, message_id: str, now: float
    ) -> list[Event]:
        sent = self._window.settle(sequence, command | RESPONSE)
        if sent is None:
            return [Anomaly("stray_response", command | RESPONSE, status)]
        answered = Answered(sequence, status, message_id, now - sent.at)
        if answered.accepted:
            self._pace.accepted()
        if not answered.throttled:
            return [answered]
        return [answered, Throttled(status, self._pace.throttled(now), self._pace.rate)]

    def _rx_nack(self, sequence: int, status: int, now: float) -> list[Event]:
        if self.state is State.BINDING and self._is_our_bind(sequence):
            return [BindRefused(status), *self._close(Signal.BIND_REFUSED, "refused")]
        anomaly = Anomaly("nacked", Command.GENERIC_NACK, status)
        sent = self._window.settle(sequence, None)
        if sent is None:
            return [anomaly]
        return [anomaly, Answered(sequence, status, "", now - sent.at)]

    def _rx_bind(self, bind: Bind, now: float) -> list[Event]:
        if self.role is Role.SMSC and self.state is State.OPEN:
            self.state = move(self.state, Signal.BIND_RECEIVED)
            self._bind = bind
            self._state_deadline = now + self._settings.bind_timeout
            return [BindRequested(bind)]
        bound = self.role is Role.SMSC
        status = Status.ALREADY_BOUND if bound else Status.INVALID_BIND_STATUS
        self._send(BindResp(bind.sequence, bind.bind_type, status))
        return [Anomaly("wrong_state", bind.bind_type.command, status)]

    def _rx_bind_resp(self, resp: BindResp, now: float) -> list[Event]:
        assert self._bind is not None
        if resp.status:
            refused = BindRefused(resp.status)
            return [refused, *self._close(Signal.BIND_REFUSED, "refused")]
        self.state = move(self.state, Signal.BIND_ACCEPTED)
        version = first(resp.tlvs, Tag.SC_INTERFACE_VERSION)
        return [self._bound(self._bind, resp.system_id, version[0] if version else None, now)]

    # The parts of those

    def _bound(self, bind: Bind, peer: str, version: int | None, now: float) -> Bound:
        self.bind_type = bind.bind_type
        self._state_deadline = None
        self._liveness.heard(now)
        self._liveness.carried(now)
        return Bound(bind.bind_type, peer, version)

    def _is_our_bind(self, sequence: int) -> bool:
        bind = self._bind
        return self.role is Role.ESME and bind is not None and bind.sequence == sequence

    def _is_our_unbind(self, sequence: int) -> bool:
        return self.state is State.UNBINDING and sequence == self._unbind_sequence

    def _request(self, pdu: SubmitSm | DeliverSm, may: bool, now: float) -> int:
        if self.state is not State.BOUND or not may:
            raise NotBound(f"{self.state} as {self.bind_type or 'nothing'}")
        command = Command.SUBMIT_SM if isinstance(pdu, SubmitSm) else Command.DELIVER_SM
        self._window.admit(pdu.sequence, encode(pdu), command | RESPONSE, now)
        self._liveness.carried(now)
        self._pump(now)
        return pdu.sequence

    def _pump(self, now: float) -> None:
        if self.state in _CARRIES:
            self._out += self._window.release(now)

    def _unbind_if_drained(self, now: float) -> None:
        if self.state is State.DRAINING and not self._window and not self._debts:
            self._send_unbind(now)

    def _send_unbind(self, now: float) -> None:
        self.state = move(self.state, Signal.UNBIND_SENT)
        self._unbind_sequence = self._numbers.next(self._window)
        self._state_deadline = now + self._settings.unbind_timeout
        self._send(Unbind(self._unbind_sequence))

    def _close(self, signal: Signal, reason: str) -> list[Event]:
        self.state = move(self.state, signal)
        self._debts.clear()
        self._state_deadline = None
        left = "unbound" if reason in ("unbound", "peer_unbound") else "lost"
        return [*self._window.abandon(left), Closed(reason)]

    def _send(self, pdu: Pdu) -> None:
        self._out.append(encode(pdu))
