"""
A phone of the network's: texts, and dials codes.

    handset = carrier.handset("09121234567")
    await handset.text("0012345679")        the text of the reply
    screen = await handset.dial("*4*1420#")
    screen = await handset.reply("1")

It waits as long as a network does, and no longer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from carrier.dialogue import Dialogue, Screen
from carrier.errors import CarrierError, NoDialogue, NoReply
from carrier.short_messages import Received, originate
from smpp.errors import LocalProtocolError
from smpp.pdu import Address, ShortMessage, Status
from telecom.msisdn import Msisdn

NETWORK_TIMEOUT = 25.0
"""Seconds that a network waits for a gateway's answer (RestComm's dialogtimeout)."""
_NOT_TAKEN = "no gateway has taken the text; is one bound that takes messages?"
_NOT_ANSWERED = (
    "the text was taken; the same text within a few seconds is taken for a repeated delivery, and "
    "answered once"
)
_INBOX = 100
"""Texts that a phone keeps unread; one more pushes out the oldest."""


class Network(Protocol):
    """What a phone needs of its network."""

    async def deliver(self, message: ShortMessage) -> None:
        """Until a gateway has taken it. Raises Refused."""

    async def deliver_unit(self, message: ShortMessage) -> None:
        """Once; a USSD unit has no value later. Raises NoLink, NoReply, Refused."""

    def tell_unit(self, message: ShortMessage) -> None:
        """Once, whether anybody hears it or not."""

    def dialogue(self, subscriber: Address) -> Dialogue:
        """A new dialogue."""

    @property
    def text_line(self) -> Address:
        """The short code that texts go to."""

    @property
    def hasty(self) -> bool:
        """Whether parts go out without waiting for each other's answer."""


class Handset:
    """One phone; only while somebody holds it does anything reach it."""

    def __init__(self, network: Network, msisdn: Msisdn) -> None:
        self._network = network
        self._address = Address(msisdn.digits, 1, 1)
        self._inbox: asyncio.Queue[Received] = asyncio.Queue()
        self._screens: asyncio.Queue[Screen | str] = asyncio.Queue()
        self._dialogue: Dialogue | None = None
        self._reference = 0

    def __repr__(self) -> str:
        return f"Handset({self._address})"

    # SMS

    async def text(
        self, text: str, *, within: float = NETWORK_TIMEOUT, by_sar: bool = False
    ) -> str:
        """Send a text; the text of the first message that comes after. Raises CarrierError."""
        while not self._inbox.empty():
            self._inbox.get_nowait()
        why = _NOT_TAKEN
        try:
            async with _in_time(within):
                await self.send(text, by_sar=by_sar)
                why = _NOT_ANSWERED
                return (await self._inbox.get()).text
        except NoReply as error:
            raise NoReply(f"{error} ({why})") from None

    async def send(self, text: str, *, by_sar: bool = False) -> None:
        """Send a text; done when a gateway has taken it whole. Raises Refused."""
        self._reference += 1
        parts = originate(
            text, self._address, self._network.text_line, self._reference, by_sar=by_sar
        )
        if self._network.hasty:
            await asyncio.gather(*map(self._network.deliver, parts))
        else:
            for part in parts:
                await self._network.deliver(part)

    async def message(self, *, within: float = NETWORK_TIMEOUT) -> Received:
        """The next message, of those unread the oldest. Raises NoReply."""
        async with _in_time(within):
            return await self._inbox.get()

    # USSD

    async def dial(self, code: str, *, within: float = NETWORK_TIMEOUT) -> Screen:
        """Dial a code: a new dialogue, whatever was before. Raises CarrierError."""
        self._dialogue = dialogue = self._network.dialogue(self._address)
        return await self._turn(dialogue, lambda: dialogue.begin(code), within)

    async def reply(self, text: str, *, within: float = NETWORK_TIMEOUT) -> Screen:
        """Answer the screen. Raises CarrierError."""
        dialogue = self._dialogue
        if dialogue is None or not dialogue.open:
            raise NoDialogue("no screen is open that takes an answer")
        return await self._turn(dialogue, lambda: dialogue.go_on(text), within)

    def abort(self) -> None:
        """Press the red key; or the network's own end of a dialogue that got no answer."""
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None and dialogue.open:
            self._network.tell_unit(dialogue.abort())

    @property
    def waits(self) -> bool:
        """Whether a screen is shown that takes an answer."""
        return self._dialogue is not None and self._dialogue.open

    def lose(self, why: str) -> None:
        """The network's end of a dialogue of which the gateway knows; `why` is told to whoever
        waits for the screen.
        """
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            dialogue.open = False
            self._screens.put_nowait(why)

    async def _turn(
        self, dialogue: Dialogue, write: Callable[[], ShortMessage], within: float
    ) -> Screen:
        while not self._screens.empty():
            self._screens.get_nowait()
        try:
            message = write()
        except LocalProtocolError:
            raise NoDialogue("that is longer than a USSD string") from None
        try:
            async with _in_time(within):
                await self._network.deliver_unit(message)
                screen = await self._screens.get()
        except NoReply:
            self.abort()
            raise
        except CarrierError:
            dialogue.open = False
            raise
        if isinstance(screen, str):
            raise NoReply(screen)
        return screen

    # From the network

    def receive(self, received: Received) -> None:
        """A text has come."""
        if self._inbox.qsize() >= _INBOX:
            self._inbox.get_nowait()
        self._inbox.put_nowait(received)

    def receive_screen(self, message: ShortMessage) -> int:
        """A screen has come; the status to answer it with."""
        if self._dialogue is None:
            return Status.SUBMIT_FAILED
        shown = self._dialogue.show(message)
        if isinstance(shown, Screen):
            self._screens.put_nowait(shown)
            return Status.OK
        if shown == Status.INVALID_MESSAGE_LENGTH:
            self._screens.put_nowait("the gateway's screen is not one that a phone can show")
        return shown


@asynccontextmanager
async def _in_time(within: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError:
        raise NoReply(f"no answer within {within:g} s") from None
