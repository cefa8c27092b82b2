"""Texts that answer none, put into an operator's outbox; whatever gateway serves it sends them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from config.sms_settings import Numbering
from smpp.pdu import Address
from sms.inbox import GROUP, key
from sms.outbox import SEALED_FOR
from sms.record import Reply, encode_reply
from state.commands import Commands
from state.keyed_hash import KeyedHash
from state.sealed import Seal
from state.streams import Stream
from telecom.msisdn import Msisdn


class Unasked:
    """`operators` are those that take SMS from us, with how they are addressed.

    `number` is whom a text comes from; `limit` the bound of an outbox. A text may be sent for
    `good_for` from when it was put, and as long as a reply may besides. `known_for`: how long it
    is known what was put once.
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
        known_for: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._operators = operators
        self._seal = seal
        self._hashes = hashes
        self._number = number
        self._good_for = good_for
        self._known_for = known_for
        self._clock = clock
        # Nothing is read here, so the consumer's name is never seen.
        self._outboxes = {
            name: Stream(state, key(name, "out"), group=GROUP, consumer="unasked", limit=limit)
            for name in operators
        }

    async def put(self, operator: str, msisdn: Msisdn, text: str, *, once: str) -> bool:
        """Put a text of one message; False where one with the same `once` was put not long ago.

        Raises KeyError for an operator that is not set up, Full, Unavailable, ReplyError.
        """
        now = self._clock()
        source, destination = _addresses(self._number, msisdn, self._operators[operator])
        told_at = (now + self._good_for).timestamp()
        reply = Reply(now.timestamp(), told_at, source, destination, text)
        return await self._outboxes[operator].put(
            self._seal.seal(encode_reply(reply), SEALED_FOR),
            mark=key(operator, f"once:{self._hashes.of('sms_once', once)}"),
            mark_seconds=self._known_for.total_seconds(),
        )


def _addresses(number: str, msisdn: Msisdn, as_set: Numbering) -> tuple[Address, Address]:
    """Source and destination of a text that answers none; `number` may be a name.

    Without a message to take them from, TON and NPI are those of the standard where none are set:
    unknown for a short code, alphanumeric for a name, international (ISDN) for a subscriber.
    """

    def or_(value: int | None, usual: int) -> int:
        return usual if value is None else value

    if number.isdecimal():
        source = Address(number, or_(as_set.source_ton, 0), or_(as_set.source_npi, 0))
    else:
        source = Address(number, or_(as_set.name_ton, 5), or_(as_set.name_npi, 0))
    ton, npi = or_(as_set.destination_ton, 1), or_(as_set.destination_npi, 1)
    return source, Address(msisdn.digits, ton, npi)
