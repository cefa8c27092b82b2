"""
Rows decided in bulk: those that are written as most are.

    Block ─▶ where the six fields are ─▶ eight characters a word ─▶ numbers ─▶ packed records

A word holds eight characters of each row, the first in its lowest byte, so that one numpy operation
looks at that place of a hundred thousand rows. Only what is beyond doubt is decided here, and
only accepted: ten digits with their right check digit or twelve, a known status and kind, dates
that exist, numbers in their range, fields bare or wholly in quotes. Every other row is for
csv_rows.py, which alone rejects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eligibility.buckets import NINE, NINE_FACTOR, TWELVE, TWELVE_FACTOR
from eligibility.csv_lines import MAX_LINE, Block
from eligibility.csv_rows import AHEAD, KINDS, STATUSES, Header
from eligibility.csv_words import FIRST, SMALL, ZEROS, Mask, Offsets, Shape, Words, eight, two, word
from eligibility.record import (
    FIRST_DAY,
    LAST_DAY,
    NO_BRANCH,
    VERSION,
    days_of,
    hundredths_of,
)
from eligibility.spool import ROW

_PACKED: Final = np.dtype(
    [("head", "u1"), ("days", ">u2"), ("branch", ">u2"), ("high", "u1"), ("low", ">u4")]
)
"""The record of record.py."""


_TWO: Final = Shape("dd")
_FOUR: Final = Shape("dddd")
_YEAR_MONTH: Final = Shape("dddd-dd-")
_TIME: Final = Shape("dd:dd:dd")
_OFFSET: Final = Shape("?dd:dd")
_OFFSET_HOURS: Final = Shape("?dd")

_QUOTE, _POINT, _T, _BLANK, _Z, _PLUS, _MINUS = b'".T Z+-'
_YEARS: Final = LAST_DAY.year - FIRST_DAY.year + 1
_DAY: Final = np.zeros(_YEARS << 9, np.int64)
"""Of a year, a month and a day of it: the day as it is packed; 0 where there is no such day."""
_every = np.arange(str(FIRST_DAY), str(LAST_DAY + timedelta(1)), dtype="datetime64[D]")
_months = _every.astype("datetime64[M]")
_DAY[
    (_every.astype("datetime64[Y]").astype(np.int64) + 1970 - FIRST_DAY.year) << 9
    | (_months.astype(np.int64) % 12 + 1) << 5
    | (_every - _months).astype(np.int64) + 1
] = np.arange(days_of(FIRST_DAY), days_of(LAST_DAY) + 1)
_DAY_1970: Final = days_of(date(1970, 1, 1))
_TEHRAN: Final = 12_600
"""Seconds that Tehran is ahead."""

_SUMS: Final = tuple(
    np.array([n // 100 * w + n // 10 % 10 * (w - 1) + n % 10 * (w - 2) for n in range(1000)])
    for w in (10, 7, 4)
)
"""The weighted sums of the check digit, three digits at a time (national_id.py)."""


@dataclass(frozen=True, slots=True, repr=False)
class Decided:
    """The people of some lines of a block, in the spool's form; the row numbers are lacking."""

    lines: Offsets
    foreign: Mask
    rows: "NDArray[np.void]"


class QuickReader:
    """Decides lines under one header. `now` is the loader's clock, aware."""

    def __init__(self, header: Header, now: datetime) -> None:
        self._header = header
        self._latest = hundredths_of(now + AHEAD)

    def read(self, block: Block) -> Decided:
        """The people of all lines that are beyond doubt."""
        header, fields = self._header, _Fields(block, self._header.columns)
        place, foreign, sound = _places(fields, header.national_id)
        good = fields.split & sound
        status, sound = _codes(fields, header.status, STATUSES)
        good &= sound
        kind, sound = _codes(fields, header.kind, KINDS)
        good &= sound
        days, sound = _days(fields, header.valid_until)
        good &= sound
        branch, sound = _branches(fields, header.branch)
        good &= sound
        updated, sound = _moments(fields, header.updated_at)
        good &= sound & (updated >= 0) & (updated <= self._latest)
        packed = np.empty(len(good), _PACKED)
        packed["head"] = VERSION << 5 | status << 3 | kind
        packed["days"], packed["branch"] = days, branch
        packed["high"], packed["low"] = updated >> 32, updated & 0xFFFFFFFF
        rows = np.zeros(len(good), ROW)
        rows["place"], rows["updated"] = place, updated
        rows["record"] = packed.view(ROW["record"])
        if good.all():
            return Decided(fields.lines, foreign, rows)
        return Decided(fields.lines[good], foreign[good], rows[good])


class _Fields:
    """Where the fields of the lines are that have as many as the header.

    `split`: where nothing but the fields' own quotes is quoted.
    """

    def __init__(self, block: Block, columns: int) -> None:
        self.octets = np.frombuffer(block.text, np.uint8)
        self._words = np.ndarray(
            (len(block.text) - 7,), "<u8", buffer=block.text, offset=0, strides=(1,)
        )
        fields = np.diff(block.closing, prepend=-1)
        right = (fields == columns) & (block.ends - block.starts <= MAX_LINE - 2)
        self.lines = np.flatnonzero(right)
        self._columns = columns
        self._marks = block.marks
        self._starts, self._ends = block.starts[self.lines], block.ends[self.lines]
        self._closing = block.closing[self.lines]
        self.split = np.ones(len(self.lines), np.bool_)
        self._quoted: list[Mask] = []
        if b'"' in block.text:
            self._quotes()

    def words(self, at: Offsets) -> Words:
        """The eight characters that begin at each offset."""
        return self._words[at]

    def bare(self, column: int) -> tuple[Offsets, Offsets]:
        """Where the fields of a column begin, and how long they are, without their quotes."""
        left, length = self._whole(column)
        if self._quoted:
            quoted = self._quoted[column]
            return left + quoted, length - 2 * quoted
        return left, length

    def _whole(self, column: int) -> tuple[Offsets, Offsets]:
        before = self._closing - (self._columns - column)
        left = self._marks[before] + 1 if column else self._starts
        right = self._ends if column == self._columns - 1 else self._marks[before + 1]
        return left, right - left

    def _quotes(self) -> None:
        """See which fields are wholly in quotes, and which lines have quotes elsewhere."""
        found = np.flatnonzero(self.octets == _QUOTE)
        quotes = np.searchsorted(found, self._ends) - np.searchsorted(found, self._starts)
        for column in range(self._columns):
            left, length = self._whole(column)
            wrapped = (
                (length >= 2)
                & (self.octets[left] == _QUOTE)
                & (self.octets[left + length - 1] == _QUOTE)
            )
            self._quoted.append(wrapped)
            quotes -= 2 * wrapped
        self.split = quotes == 0


def _places(fields: _Fields, column: int) -> tuple[Words, Mask, Mask]:
    """Places, which of them are foreigners', and which are sound."""
    left, length = fields.bare(column)
    head, sound = eight(fields.words(left))
    tail = fields.words(left + 8)
    nine, check = head * 10 + (tail & 15), tail >> 8 & 15
    ten = sound & (length == 10) & _TWO.fits(tail)
    nine[~ten] = 0
    high, rest = nine // 1_000_000, nine % 1_000_000
    sums = _SUMS[0][high] + _SUMS[1][rest // 1000] + _SUMS[2][rest % 1000]
    over = sums % 11
    right = np.where(over < 2, over, 11 - over).view(np.uint64) == check
    ten &= right & (nine != check * 111_111_111)
    place = nine * NINE_FACTOR % NINE
    foreign = sound & (length == 12) & _FOUR.fits(tail)
    some = np.flatnonzero(foreign)
    # The product has 80 bits: six digits of the number at a time.
    first, last = head[some] // 100, head[some] % 100 * 10_000
    last += two(tail[some]) * 100 + two(tail[some], 16)
    product = first * TWELVE_FACTOR % TWELVE * 1_000_000 + last * TWELVE_FACTOR
    place[some] = product % TWELVE
    return place, foreign, ten | foreign


def _codes(
    fields: _Fields, column: int, codes: Mapping[str, int]
) -> tuple[NDArray[np.uint8], Mask]:
    """The codes of words of up to nine letters, large or small."""
    left, length = fields.bare(column)
    shown = np.minimum(length, 8)
    words = fields.words(left) & FIRST[shown] | SMALL[shown]
    ninth = fields.octets[left + 8] | 0x20
    found = np.zeros(len(left), np.uint8)
    sound = np.zeros(len(left), np.bool_)
    for name, code in codes.items():
        same = (words == word(name[:8].encode())) & (length == len(name))
        if len(name) > 8:
            same &= ninth == ord(name[8])
        found[same] = code
        sound |= same
    return found, sound


def _dates(fields: _Fields, left: Offsets) -> Offsets:
    """The days of the dates at these offsets, 0 where there is none."""
    words, tail = fields.words(left), fields.words(left + 8)
    sound = _YEAR_MONTH.fits(words) & _TWO.fits(tail)
    year = two(words) * 100 + two(words, 16) - FIRST_DAY.year  # wraps where it is earlier
    month, day = two(words, 40), two(tail)
    sound &= (year < _YEARS) & (month <= 12) & (day <= 31)
    return _DAY[np.where(sound, year << 9 | month << 5 | day, 0)]


def _days(fields: _Fields, column: int) -> tuple[Offsets, Mask]:
    left, length = fields.bare(column)
    empty = length == 0
    days = np.where(empty, 0, _dates(fields, left))
    return days, empty | ((length == 10) & (days > 0))


def _branches(fields: _Fields, column: int) -> tuple[Words, Mask]:
    left, length = fields.bare(column)
    shown = np.clip(length, 1, 8)
    lacking = 8 - shown
    number, sound = eight(fields.words(left) << (8 * lacking).view(np.uint64) | ZEROS[lacking])
    sound &= (length >= 1) & (length <= 8) & (number < NO_BRANCH)
    number[~sound] = NO_BRANCH
    return number, sound | (length == 0)


def _moments(fields: _Fields, column: int) -> tuple[Offsets, Mask]:
    """Hundredths of a second since 1970, at most a little before."""
    left, length = fields.bare(column)
    days = _dates(fields, left)
    plain = length == 10
    words = fields.words(left + 11)
    between = fields.octets[left + 10]
    hour, minute, second = two(words), two(words, 24), two(words, 48)
    timed = (length >= 19) & _TIME.fits(words) & ((between == _T) | (between == _BLANK))
    timed &= (hour < 24) & (minute < 60) & (second < 60)
    time = np.where(timed, hour * 3600 + minute * 60 + second, 0).view(np.int64)
    part, width = _fractions(fields, left + 19, timed)
    ahead, zoned = _offsets(fields, left + 19 + width, length - 19 - width)
    ahead[plain] = _TEHRAN
    moments = ((days - _DAY_1970) * 86_400 + time - ahead) * 100 + part
    return moments, (days > 0) & (plain | (timed & zoned))


def _fractions(fields: _Fields, at: Offsets, timed: Mask) -> tuple[Offsets, Offsets]:
    """Hundredths in three or six digits after a point, and how long point and digits are."""
    part, width = np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    some = np.flatnonzero(timed & (fields.octets[at] == _POINT))
    if len(some):
        digits = fields.octets[at[some][:, None] + np.arange(1, 8)]
        shown = np.argmin((digits >= 48) & (digits <= 57), axis=1)
        shown[(shown != 3) & (shown != 6)] = -1000  # nothing of a length like this is sound
        width[some] = shown + 1
        part[some] = (digits[:, 0] & 15) * np.int64(10) + (digits[:, 1] & 15)
    return part, width


def _offsets(fields: _Fields, at: Offsets, length: Offsets) -> tuple[Offsets, Mask]:
    """Seconds that a zone is ahead of UTC; where none is named, Tehran's."""
    at = np.maximum(at, 0)
    words = fields.words(at)
    sign, hours, minutes = words & 0xFF, two(words, 8), two(words, 32)
    full = (length == 6) & _OFFSET.fits(words) & (minutes < 60)
    short = (length == 3) & _OFFSET_HOURS.fits(words)
    signed = (full | short) & ((sign == _PLUS) | (sign == _MINUS)) & (hours < 24)
    ahead = (hours * 3600 + np.where(full, minutes * 60, 0)).view(np.int64)
    ahead = np.where(sign == _MINUS, -ahead, ahead)
    ahead[~signed] = 0
    none = length == 0
    ahead[none] = _TEHRAN
    return ahead, signed | none | ((length == 1) & (sign == _Z))
