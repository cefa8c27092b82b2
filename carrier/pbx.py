"""
The Asterisk stand-in: dials a FastAGI port, one connection for each call.

    pbx = Pbx("127.0.0.1", 4573, speed=1000)
    record = await pbx.call(Script(["1", "0012345679#"]), msisdn="09121234567")
    record.heard            the names of the prompts, in order

`speed` is how much faster than ours the callers' time runs: their waiting for a digit, and the
length of prompts (none, unless `sounds` says otherwise). On asyncio's own transport, since a
bench wants thousands of calls at once.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from carrier.agi_words import CallFacts
from carrier.caller import Caller
from carrier.channel import PLAIN, Channel, Dialplan, Event, Heard, Over, Sounds, silent

_CONNECT_SECONDS = 2.0
"""MAX_AGI_CONNECT."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call that is over."""

    status: str
    """AGISTATUS: SUCCESS, FAILURE (no connection), HANGUP."""
    heard: tuple[str, ...] = field(repr=False)
    """The prompts that began to play, in order."""
    variables: Mapping[str, str] = field(repr=False)
    """What the AGI server left on the channel."""
    seconds: float
    """As the caller counts them."""


class Call(asyncio.Protocol):
    """One call; a Telephone for its caller."""

    def __init__(self, channel: Channel, caller: Caller, speed: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[CallRecord] = self._loop.create_future()
        self.heard: list[str] = []
        self._channel = channel
        self._caller = caller
        self._speed = speed
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._now()

    # For the caller

    @property
    def takes_digits(self) -> bool:
        """Whether a key pressed now makes a difference."""
        return self._channel.takes_digits

    def press(self, digits: str) -> str:
        """Press keys for as long as a command takes them; those that are left."""
        while digits and self._channel.takes_digits:
            digit, digits = digits[0], digits[1:]
            self._happened(self._channel.type(digit, self._now()))
        return digits

    def hang_up(self) -> None:
        """Put the receiver down. The call is over when the AGI server closes."""
        self._happened(self._channel.hang_up(self._now()))

    def drop(self) -> None:
        """Cut the connection, as when the PBX dies."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with the environment."""
        # uvloop's transports are no instances of asyncio's classes, whatever its stubs say.
        self._transport = cast(asyncio.Transport, transport)
        self._happened([])

    def data_received(self, data: bytes) -> None:
        """Commands."""
        self._happened(self._channel.receive_bytes(data, self._now()))

    def connection_lost(self, exc: Exception | None) -> None:
        """The AGI is over, and the call with it."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self.over.done():
            status = "HANGUP" if self._channel.gone else "SUCCESS"
            self.over.set_result(
                CallRecord(
                    status,
                    tuple(self.heard),
                    self._channel.variables,
                    self._now() - self._began,
                )
            )

    # The parts

    def _now(self) -> float:
        return self._loop.time() * self._speed

    def _happened(self, events: list[Event]) -> None:
        self._flush()
        for event in events:
            if isinstance(event, Heard):
                self.heard.append(event.name)
            if isinstance(event, Over) and self._transport is not None:
                self._transport.close()
            self._caller.noticed(event, self)
        self._reschedule()

    def _flush(self) -> None:
        data = self._channel.bytes_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _reschedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._channel.next_deadline()
        if deadline is not None and self._transport is not None:
            self._timer = self._loop.call_at(deadline / self._speed, self._tick)

    def _tick(self) -> None:
        self._timer = None
        deadline = self._channel.next_deadline()
        # The timer may be a hair too early after the division.
        now = self._now() if deadline is None else max(deadline, self._now())
        self._happened(self._channel.tick(now))


class Pbx:
    """Dials one FastAGI port. `now` is the wall clock, which Asterisk's unique ids begin with."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        script: str = "call",
        sounds: Sounds = silent,
        dialplan: Dialplan = PLAIN,
        speed: float = 1.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._port = port
        self._script = script
        self._sounds = sounds
        self._dialplan = dialplan
        self._speed = speed
        self._now = now
        self._numbers = itertools.count(1)

    async def begin(
        self, caller: Caller, *, msisdn: str = "unknown", callingpres: int = 0
    ) -> Call | None:
        """Dial; the call, or None where nobody listens (AGISTATUS is FAILURE then)."""
        number = next(self._numbers)
        facts = CallFacts(
            request=f"agi://{self._host}:{self._port}/{self._script}",
            channel=f"PJSIP/carrier-{number:08x}",
            uniqueid=f"{int(self._now())}.{number}",
            callerid=msisdn,
            callingpres=callingpres,
        )
        channel = Channel(facts, self._sounds, self._dialplan)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, call = await loop.create_connection(
                    lambda: Call(channel, caller, self._speed), self._host, self._port
                )
        except (OSError, TimeoutError):
            return None
        return call

    async def call(
        self, caller: Caller, *, msisdn: str = "unknown", callingpres: int = 0
    ) -> CallRecord:
        """Dial, and stay until the call is over."""
        call = await self.begin(caller, msisdn=msisdn, callingpres=callingpres)
        if call is None:
            return CallRecord("FAILURE", (), {}, 0.0)
        try:
            return await call.over
        except asyncio.CancelledError:
            call.drop()
            raise
