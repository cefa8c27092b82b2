"""Texts that answer none, put into an operator's outbox; whatever gateway serves it sends them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from config.sms_settings import Numbering
from sms.inbox import key
from sms.outbox import SEALED_FOR
from sms.record import Reply, encode_reply, unasked
from sms.service import GROUP
from state.commands import Commands
from state.keyed_hash import KeyedHash
from state.sealed import Seal
from state.streams import Stream
from telecom.msisdn import Msisdn

KNOWN_FOR: Final = timedelta(days=7)
"""How long it is known what was put once."""


class Unasked:
    """`operators` are those that take SMS from us, with how they are addressed.

    `number` is whom a text comes from; `limit` the bound of an outbox. A text may be sent for
    `good_for` from when it was put, and as long as a reply may besides.
    """

    def __init__(
        self,
        operators: Mapping[str, Numbering],
        *,
        state: Commands,
        seal: Seal,
        hashes: KeyedHash,
        number: str,
        limit: int,
        good_for: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._operators = operators
        self._seal = seal
        self._hashes = hashes
        self._number = number
        self._good_for = good_for
        self._clock = clock
        # Nothing is read here, so the consumer's name is never seen.
        self._outboxes = {
            name: Stream(state, key(name, "out"), group=GROUP, consumer="unasked", limit=limit)
            for name in operators
        }

    async def put(self, operator: str, msisdn: Msisdn, text: str, *, once: str) -> bool:
        """Put a text of one message; False where one with the same `once` was put in a week.

        Raises KeyError for an operator that is not set up, Full, Unavailable, ReplyError.
        """
        now = self._clock()
        source, destination = unasked(self._number, msisdn, self._operators[operator])
        told_at = (now + self._good_for).timestamp()
        reply = Reply(now.timestamp(), told_at, source, destination, text)
        return await self._outboxes[operator].put(
            self._seal.seal(encode_reply(reply), SEALED_FOR),
            mark=key(operator, f"once:{self._hashes.of('sms_unasked', once)}"),
            mark_seconds=KNOWN_FOR.total_seconds(),
        )
