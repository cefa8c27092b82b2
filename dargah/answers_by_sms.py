"""
USSD answers that could not be shown, sent by SMS.

The edges do not know each other: USSD says which answer was not shown to whom, and here it goes
into the outbox of SMS.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from sms.service import Sms
from state.errors import ReplyError, Unavailable
from telecom.msisdn import Msisdn
from ussd.sessions import Told

log = structlog.get_logger("sms")

TRIES = 3
PAUSE = 1.0
"""Seconds between two tries to put it into the outbox, where Redis is away."""


class AnswersBySms:
    """See the head of this file. start: runs a coroutine and holds it."""

    def __init__(
        self,
        sms: Sms,
        start: Callable[[Coroutine[Any, Any, None]], object],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sms = sms
        self._start = start
        self._pause = pause

    def untold(self, operator: str, msisdn: Msisdn, told: Told) -> None:
        """Send an answer by an operator, once for each tracking code; a landline reads no SMS."""
        if msisdn.is_mobile:
            self._start(self._send(operator, msisdn, told))

    async def _send(self, operator: str, msisdn: Msisdn, told: Told) -> None:
        for left in reversed(range(TRIES)):
            try:
                await self._sms.answer(operator, msisdn, told.answer, told.language)
                return
            except (Unavailable, ReplyError) as error:
                log.warning("answer_not_sent", operator=operator, reason=str(error), tries=left)
            if left:
                await self._pause(PAUSE)
