"""
From the fields of a CSV row to a person: their place, and their record packed.

    national_id,status,valid_until,kind,branch,updated_at

Columns are found by the header, in any order, extra ones ignored. Digits may be Persian. Reasons
for a rejection never hold a national ID.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from eligibility.buckets import spread
from eligibility.load_errors import LoadRefused
from eligibility.national_id import InvalidId, NationalId, typed_digits
from eligibility.record import (
    FIRST_DAY,
    KIND_CODES,
    LAST_DAY,
    NO_BRANCH,
    STATUS_CODES,
    UNREADABLE,
    BadRecord,
    days_of,
    hundredths_of,
    pack_codes,
)
from persian.digits import to_ascii_digits
from persian.jalali import TEHRAN

COLUMNS: Final = ("national_id", "status", "valid_until", "kind", "branch", "updated_at")
SHORTEST_ROW: Final = 36
"""Bytes of the shortest line that can be accepted: ten digits, `active`, `main`, a plain date."""

AHEAD: Final = timedelta(days=1)
"""A registry's clock may be ahead of ours, and its export may be dated in another zone."""

_MAX_DATES_KEPT: Final = 10_000


class Person(NamedTuple):
    """A row that is loaded. `updated` is in hundredths of a second since 1970."""

    foreign: bool
    place: int
    updated: int
    record: bytes


class Rejected(Exception):
    """A row that is not loaded: the column at fault ("" for the row) and the reason.

    `person` is of whom it would have told, with a record that says no more than that they are
    known; None where the row's ID is none.
    """

    def __init__(self, column: str, reason: str, person: Person | None = None) -> None:
        super().__init__(column, reason)
        self.column = column
        self.reason = reason
        self.person = person


@dataclass(frozen=True, slots=True)
class Header:
    """Where each of COLUMNS stands, and how many columns there are."""

    national_id: int
    status: int
    valid_until: int
    kind: int
    branch: int
    updated_at: int
    columns: int

    @classmethod
    def read(cls, name: str, fields: list[str]) -> "Header":
        """Find the columns. Raises LoadRefused, naming those that are missing or doubled."""
        titles = [title.strip().strip("\ufeff").lower().replace(" ", "_") for title in fields]
        missing = [column for column in COLUMNS if column not in titles]
        if missing:
            hint = ""
            if len(titles) == 1 and any(sign in titles[0] for sign in ";\t|"):
                hint = " Columns are separated by commas."
            elif any("\0" in title for title in titles):
                hint = " It looks like UTF-16 without its byte-order mark; save it as UTF-8."
            raise LoadRefused(f"{name} has no column {', '.join(missing)} in its header.{hint}")
        if doubled := [column for column in COLUMNS if titles.count(column) > 1]:
            raise LoadRefused(f"{name} has the column {', '.join(doubled)} more than once.")
        return cls(**{column: titles.index(column) for column in COLUMNS}, columns=len(titles))


class RowReader:
    """Reads rows under one header. `now` is the loader's clock, aware."""

    def __init__(self, header: Header, now: datetime, *, pad_ids: bool = False) -> None:
        self._header = header
        self._pad_ids = pad_ids
        self._latest = hundredths_of(now + AHEAD)
        self._days: dict[str, int] = {"": 0}

    def read(self, fields: list[str]) -> Person:
        """The person in a row. Raises Rejected."""
        header = self._header
        if len(fields) != header.columns and (
            len(fields) < header.columns or any(fields[header.columns :])
        ):
            raise Rejected("", f"has {len(fields)} fields where the header has {header.columns}")
        person = self._person(fields[header.national_id])
        try:
            updated, record = self._record(fields)
        except Rejected as rejected:
            known = Person(person.foreign, spread(person), 0, UNREADABLE)
            raise Rejected(rejected.column, rejected.reason, known) from None
        return Person(person.foreign, spread(person), updated, record)

    def _record(self, fields: list[str]) -> tuple[int, bytes]:
        header = self._header
        status = STATUSES.get(fields[header.status])
        if status is None:
            status = _code(STATUSES, "status", fields[header.status])
        days = self._days.get(fields[header.valid_until])
        if days is None:
            days = self._valid_until(fields[header.valid_until])
        kind = KINDS.get(fields[header.kind])
        if kind is None:
            kind = _code(KINDS, "kind", fields[header.kind])
        branch = _branch(fields[header.branch])
        updated = self._updated_at(fields[header.updated_at])
        return updated, pack_codes(status, kind, days, branch, updated)

    def _person(self, text: str) -> NationalId:
        if "." in text:
            raise Rejected("national_id", "is a number with a point: a spreadsheet's doing")
        try:
            return NationalId.parse(text)
        except InvalidId as error:
            if error.reason == "short":
                return self._padded(typed_digits(text))
            raise Rejected("national_id", _ID_REASONS[error.reason]) from None

    def _padded(self, digits: str) -> NationalId:
        if not self._pad_ids:
            raise Rejected(
                "national_id",
                f"has {len(digits)} digits: 10 are needed (a spreadsheet may have dropped leading "
                "zeros; --pad-ids restores them)",
            )
        try:
            return NationalId.parse(digits.zfill(10))
        except InvalidId:
            raise Rejected(
                "national_id",
                f"has {len(digits)} digits, and with zeros before them a wrong check digit",
            ) from None

    def _valid_until(self, text: str) -> int:
        stripped = to_ascii_digits(text).strip()
        try:
            days = days_of(date.fromisoformat(stripped)) if stripped else 0
        except BadRecord:
            raise Rejected(
                "valid_until", f"is before {FIRST_DAY} or after {LAST_DAY} (dates are Gregorian)"
            ) from None
        except ValueError:
            raise Rejected("valid_until", "is no date that exists (YYYY-MM-DD)") from None
        if len(self._days) < _MAX_DATES_KEPT:
            self._days[text] = days
        return days

    def _updated_at(self, text: str) -> int:
        try:
            moment = datetime.fromisoformat(to_ascii_digits(text).strip())
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=TEHRAN)
            updated = hundredths_of(moment)
        except BadRecord:
            raise Rejected("updated_at", "is before 1970 or far ahead") from None
        except (ValueError, OverflowError):
            raise Rejected("updated_at", "is no moment that exists (ISO 8601)") from None
        if updated > self._latest:
            raise Rejected("updated_at", "is more than a day ahead")
        return updated


STATUSES: Final[dict[str, int]] = {status.value: code for status, code in STATUS_CODES.items()}
KINDS: Final[dict[str, int]] = {kind.value: code for kind, code in KIND_CODES.items()}
_ID_REASONS: Final = {
    "characters": "is empty or holds something other than digits",
    "length": "has neither 10 digits nor 12",
    "check_digit": "has a wrong check digit",
}


def _code(codes: dict[str, int], column: str, text: str) -> int:
    code = codes.get(text.strip().lower())
    if code is None:
        raise Rejected(column, f"is none of {', '.join(codes)}")
    return code


def _branch(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        text = to_ascii_digits(text).strip()
        if not text:
            return NO_BRANCH
        if not (text.isascii() and text.isdigit()):
            raise Rejected("branch", "is no number")
    if len(text) > 9 or int(text) >= NO_BRANCH:
        raise Rejected("branch", f"is above {NO_BRANCH - 1}")
    return int(text)
