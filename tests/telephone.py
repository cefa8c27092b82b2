"""
A caller: a real Asterisk used as a telephone, driven over AMI.

It dials by SIP, hears by RTP (recorded), types digits as RFC 4733 events and hangs up.
"""

import asyncio
import secrets
from array import array
from pathlib import Path

from tests.ami import Ami, Message
from tests.asterisk_run import Asterisk, start

DIALPLAN = """
[phone]
exten => listen,1,Answer()
 same => n,MixMonitor(${HEARD}.mix.wav,r(${HEARD}))
 same => n,Wait(300)
 same => n,Hangup()
"""
QUIET_SECONDS = 0.5
WAV_HEADER = 44
TONE_MILLISECONDS = "100"


class Telephone:
    """One telephone, one call at a time."""

    def __init__(self, asterisk: Asterisk, ami: Ami, keypad: Ami) -> None:
        self._asterisk, self._ami, self._keypad = asterisk, ami, keypad
        self._channel = ""
        self.heard = Path()

    @classmethod
    async def plugged_in(cls, tree: Path, folder: Path, *, sip_port: int) -> "Telephone":
        """A telephone whose line ends at a PBX's SIP port."""
        asterisk = await start(tree, folder, extensions=DIALPLAN, dials=sip_port, prompts=None)
        # PlayDTMF holds its connection for the length of the tone: it has one of its own.
        return cls(asterisk, await asterisk.ami(), await asterisk.ami(events="off"))

    async def dial(self, number: str) -> None:
        """Call, and wait until the other side answers."""
        self.heard = self._asterisk.recordings / f"{secrets.token_hex(4)}.wav"
        answered = self._ami.expect(lambda event: event.get("Event") == "OriginateResponse")
        await self._ami.action(
            "Originate",
            Channel=f"PJSIP/{number}@peer",
            Context="phone",
            Exten="listen",
            Priority="1",
            Async="true",
            Timeout="10000",
            CallerID='"caller" <09121234567>',
            Variable=f"HEARD={self.heard}",
        )
        async with asyncio.timeout(15):
            event: Message = await answered
        assert event["Response"] == "Success", event
        self._channel = event["Channel"]

    async def quiet(self) -> None:
        """Wait until the other side has been silent for half a second."""
        last, since = "", 0.0
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(60):
            while True:
                now = await self._packets()
                if now != last:
                    last, since = now, loop.time()
                elif last not in ("", "0") and loop.time() - since >= QUIET_SECONDS:
                    return
                await asyncio.sleep(0.1)  # Silence is nothing but time without packets.

    async def hearing(self) -> None:
        """Wait until the other side makes a sound."""
        async with asyncio.timeout(20):
            while await self._packets() in ("", "0"):  # noqa: ASYNC110 - AMI has no event for RTP
                await asyncio.sleep(0.1)

    async def _packets(self) -> str:
        got = await self._ami.action(
            "Getvar", Channel=self._channel, Variable="CHANNEL(rtcp,rxcount)"
        )
        return got.get("Value", "")

    async def type(self, digits: str) -> None:
        """Press keys, one after another."""
        for digit in digits:
            await self._keypad.action(
                "PlayDTMF", Channel=self._channel, Digit=digit, Duration=TONE_MILLISECONDS
            )
            # The action returns as the tone begins; a key is let go before the next.
            await asyncio.sleep(0.2)

    def hung_up(self) -> "asyncio.Future[Message]":
        """When the call ends, whoever ends it."""
        channel = self._channel
        return self._ami.expect(
            lambda event: event.get("Event") == "Hangup" and event.get("Channel") == channel
        )

    async def hang_up(self) -> None:
        """End the call."""
        await self._ami.action("Hangup", Channel=self._channel)

    def sound(self) -> "array[int]":
        """What was heard so far: 8 kHz samples."""
        # Its header is completed when the call ends, and may still be empty.
        raw = self.heard.read_bytes()[WAV_HEADER:]
        return array("h", raw[: len(raw) // 2 * 2])

    async def unplug(self) -> None:
        """Stop it."""
        await self._ami.close()
        await self._keypad.close()
        self._asterisk.stop()
