"""
Where a person lies in Redis: a small hash of about 128 people, not a key of their own.

    nine digits ── × 618033989 mod 10**9 ──▶ q      bucket = q div W, field = q mod W
    twelve      ── × 618033988749 mod 10**12 ──▶ q  the same, in a key family of its own

Both products are bijections (the factors end in 9, so they share no divisor with a power of
ten): nobody shares an address, and neighbouring numbers are spread evenly, whatever ranges the
registry gave out. The tenth digit is the check of the others and need not be kept. The field is
a small number, which a listpack stores in two or three bytes.

    p:TOKEN:BUCKET   f:TOKEN:BUCKET   hashes: field -> packed record (record.py)
                                      and the field `w`: whole, all its people are here

A bucket is written whole, `w` with its people, also where it has none. So one key proves by
itself that somebody is unknown: not there, and `w` is. Nothing else has to be asked, on one Redis
or on the node of a Cluster that has the bucket.

A generation's keys bear its random token, not its number: whoever still holds an old pointer, or
the pointer of another installation, finds nothing, and never another person.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from eligibility.national_id import NationalId, check_digit

PEOPLE_IN_BUCKET: Final = 128

WHOLE: Final = b"w"
"""The field of a bucket that has all its people; no person's, for those are numbers."""

NINE: Final = 10**9
TWELVE: Final = 10**12
NINE_FACTOR: Final = 618_033_989
TWELVE_FACTOR: Final = 618_033_988_749
_NINE_INVERSE: Final = pow(NINE_FACTOR, -1, NINE)
_TWELVE_INVERSE: Final = pow(TWELVE_FACTOR, -1, TWELVE)


def spread(national_id: NationalId) -> int:
    """q: the person's place among 10**9 (or, of twelve digits, 10**12) places."""
    if len(national_id.digits) == 10:
        return national_id.number // 10 * NINE_FACTOR % NINE
    return national_id.number * TWELVE_FACTOR % TWELVE


def _width(space: int, people: int) -> int:
    buckets = max(1, -(-people // PEOPLE_IN_BUCKET))
    return -(-space // buckets)


@dataclass(frozen=True, slots=True)
class Family:
    """The buckets of one kind of number in one generation: `space` places, `width` to a bucket."""

    prefix: bytes
    space: int
    width: int

    @property
    def buckets(self) -> int:
        """How many buckets there can be; they are numbered from 0."""
        return -(-self.space // self.width)

    def key(self, bucket: int) -> bytes:
        """The key of a bucket."""
        return b"%b%d" % (self.prefix, bucket)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the people of the generation with this token are laid out."""

    token: str
    width: int
    foreign_width: int
    nationals: Family = field(init=False, repr=False)
    foreigners: Family = field(init=False, repr=False)
    _key_of_national: bytes = field(init=False, repr=False, compare=False)
    _key_of_foreigner: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        token = self.token.encode("ascii")
        nationals = Family(b"p:%b:" % token, NINE, self.width)
        foreigners = Family(b"f:%b:" % token, TWELVE, self.foreign_width)
        object.__setattr__(self, "nationals", nationals)
        object.__setattr__(self, "foreigners", foreigners)
        object.__setattr__(self, "_key_of_national", nationals.prefix + b"%d")
        object.__setattr__(self, "_key_of_foreigner", foreigners.prefix + b"%d")

    @classmethod
    def for_people(cls, token: str, nationals: int, foreigners: int = 0) -> "Layout":
        """The layout for so many people: about 128 to a bucket."""
        return cls(token, _width(NINE, nationals), _width(TWELVE, foreigners))

    def bucket_keys(self) -> Iterator[bytes]:
        """The keys of all buckets, also of those without people."""
        for family in (self.nationals, self.foreigners):
            for bucket in range(family.buckets):
                yield family.key(bucket)

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return self.nationals.buckets + self.foreigners.buckets

    def address(self, national_id: NationalId) -> tuple[bytes, bytes]:
        """The key and the field of a person."""
        if len(national_id.digits) == 10:
            q = national_id.number // 10 * NINE_FACTOR % NINE  # spread(), without its call
            width = self.width
            return self._key_of_national % (q // width), b"%d" % (q % width)
        q = spread(national_id)
        width = self.foreign_width
        return self._key_of_foreigner % (q // width), b"%d" % (q % width)


def person_at(family: Family, bucket: int, place: int) -> NationalId | None:
    """Who lies at a place of a bucket: `Layout.address` the other way round.

    None where nobody can: outside the family, or ten equal digits.
    """
    q = bucket * family.width + place
    if not (0 <= place < family.width and 0 <= q < family.space):
        return None
    if family.space == TWELVE:
        return NationalId(f"{q * _TWELVE_INVERSE % TWELVE:012}")
    nine = q * _NINE_INVERSE % NINE
    check = check_digit(nine)
    if nine == check * 111_111_111:
        return None
    return NationalId(f"{nine:09}{check}")
