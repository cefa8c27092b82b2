"""
One answered inquiry as it lies in the journal's stream, big-endian:

    byte 0       version
    bytes 1-4    the id of the key that hashed and sealed
    bytes 5-12   when, microseconds since 1970-01-01 UTC
    byte 13      channel          byte 14    outcome
    byte 15      1 stale, 2 a repeat, 4 from the cache, 8 from the registry
    bytes 16-19  generation; 0: none
    bytes 20-22  valid_until      23-25      not_covered_since     ordinals of days; 0: none
    bytes 26-41  keyed hash of the national ID
    bytes 42-57  keyed hash of the asker
    bytes 58-68  tracking code
    byte 69      length of the operator's name, the name, then the sealed asker

Neither a national ID nor a number is in it in clear.
"""

import struct
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from eligibility.answer import Asker
from eligibility.journal_keys import JournalKey
from eligibility.ledger import Entry
from eligibility.national_id import NationalId
from eligibility.verdict import Outcome, Source
from state.sealed import Seal, Unreadable
from telecom.channel import Channel
from telecom.msisdn import Msisdn, NotAnMsisdn

SEALED_FOR: Final = b"journal asker"

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">B4sqBBBI3s3s16s16s11sB")
_CHANNELS: Final = (Channel.VOICE, Channel.USSD, Channel.SMS, Channel.API)
_OUTCOMES: Final = tuple(Outcome)
_CHANNEL_CODES: Final = {channel: code for code, channel in enumerate(_CHANNELS)}
_OUTCOME_CODES: Final = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_STALE, _REPEAT, _CACHE, _REGISTRY = 1, 2, 4, 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class BadEntry(ValueError):
    """Octets that are no entry of a known version."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, when and how; to whom and about whom under the key `key_id`.

    `at` is in microseconds since 1970. `sealed` is the asker (`asker_of`), empty where the network
    hid the number.
    """

    at: int
    channel: Channel
    operator: str
    outcome: Outcome
    stale: bool
    repeat: bool
    source: Source | None
    generation: int | None
    valid_until: date | None
    not_covered_since: date | None
    key_id: str
    person: bytes = field(repr=False)
    asker: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    code: str


def microseconds(moment: datetime) -> int:
    """An aware moment as the journal has it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(at: int) -> datetime:
    """The journal's microseconds as an aware moment."""
    return _EPOCH + timedelta(microseconds=at)


def pack_told(
    key: JournalKey, person: NationalId, asker: Asker, entry: Entry, *, repeat: bool
) -> bytes:
    """An answered inquiry as the stream's octets."""
    verdict = entry.verdict
    flags = (_STALE if verdict.stale else 0) | (_REPEAT if repeat else 0)
    if verdict.source is not None:
        flags |= _CACHE if verdict.source is Source.CACHE else _REGISTRY
    operator = asker.operator.encode()[:255]
    head = _HEAD.pack(
        _VERSION,
        key.id_octets,
        microseconds(entry.at),
        _CHANNEL_CODES[entry.channel],
        _OUTCOME_CODES[verdict.outcome],
        flags,
        entry.generation or 0,
        _ordinal(verdict.valid_until),
        _ordinal(verdict.not_covered_since),
        key.hashes.octets("id", person.digits),
        key.hashes.octets("asker", asker.token),
        entry.code.encode("ascii"),
        len(operator),
    )
    return head + operator + _sealed(key.seal, asker)


def unpack_told(packed: bytes) -> Told:
    """What lies in the stream. Raises BadEntry."""
    try:
        version, key_id, at, channel, outcome, flags, generation, *rest = _HEAD.unpack_from(packed)
        until, since, person, asker, code, length = rest
        if version != _VERSION:
            raise BadEntry("an entry of another version")
        operator = packed[_HEAD.size : _HEAD.size + length]
        return Told(
            at=at,
            channel=_CHANNELS[channel],
            operator=operator.decode(),
            outcome=_OUTCOMES[outcome],
            stale=bool(flags & _STALE),
            repeat=bool(flags & _REPEAT),
            source=_source(flags),
            generation=generation or None,
            valid_until=_day(until),
            not_covered_since=_day(since),
            key_id=key_id.hex(),
            person=person,
            asker=asker,
            sealed=packed[_HEAD.size + length :],
            code=code.decode("ascii"),
        )
    except (struct.error, IndexError, UnicodeDecodeError, ValueError):
        raise BadEntry(f"{len(packed)} octets that are no entry of a known version") from None


def asker_of(seal: Seal, sealed: bytes) -> Msisdn | str | None:
    """A number, or an API key's id; None where nothing was sealed. Raises Unreadable."""
    if not sealed:
        return None
    kind, _, value = seal.open(sealed, SEALED_FOR).decode().partition(":")
    if kind == "key":
        return value
    try:
        return Msisdn(value)
    except NotAnMsisdn:
        raise Unreadable("what was sealed is no number") from None


def _sealed(seal: Seal, asker: Asker) -> bytes:
    if asker.contact is not None:
        return seal.seal(f"tel:{asker.contact.digits}".encode(), SEALED_FOR)
    if asker.api_key:
        return seal.seal(f"key:{asker.api_key}".encode(), SEALED_FOR)
    return b""


def _source(flags: int) -> Source | None:
    if flags & _CACHE:
        return Source.CACHE
    return Source.REGISTRY if flags & _REGISTRY else None


def _ordinal(day: date | None) -> bytes:
    return (day.toordinal() if day else 0).to_bytes(3)


def _day(packed: bytes) -> date | None:
    ordinal = int.from_bytes(packed)
    return date.fromordinal(ordinal) if ordinal else None
