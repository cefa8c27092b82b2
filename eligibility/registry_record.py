"""
From what a registry gives to a Record, or to no record at all: never to a guess.

    status       active, inactive, pending
    valid_until  a date, or text YYYY-MM-DD (Gregorian); nothing: none
    kind         main, dependant, pensioner, voluntary
    branch       0 to 65534, a number or its text; nothing: unknown
    updated_at   a moment, or its text in ISO 8601; without an offset: Tehran time

The columns of the CSV, and the same rules (csv_rows.py). What cannot be read is a fault of the
registry's answer, and the person is told that it cannot be checked.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

from eligibility.record import NO_BRANCH, BadRecord, days_of, hundredths_of
from eligibility.registry import FaultKind, RegistryFault
from eligibility.verdict import Kind, Record, Status
from persian.digits import to_ascii_digits
from persian.jalali import TEHRAN

COLUMNS: Final = ("status", "valid_until", "kind", "branch", "updated_at")
"""What is read of a person, besides the ID."""

_AHEAD: Final = timedelta(days=1)
"""A registry's clock may be ahead of ours; one that is further off is wrong."""


def record_of(given: Mapping[str, object], asked_at: datetime) -> Record:
    """The record in a row's or an object's COLUMNS, as it was confirmed at an aware moment.

    Raises RegistryFault, naming the column and never its content.
    """
    column = ""
    try:
        column = "status"
        status = Status(_text(given[column]).lower())
        column = "valid_until"
        valid_until = _day(given[column])
        column = "kind"
        kind = Kind(_text(given[column]).lower())
        column = "branch"
        branch = _branch(given[column])
        column = "updated_at"
        updated_at = _moment(given[column])
        if updated_at > asked_at + _AHEAD:
            raise ValueError
        hundredths_of(updated_at)
    except (KeyError, ValueError, OverflowError, BadRecord):
        raise RegistryFault(
            FaultKind.UNREADABLE, f"the registry's {column} of a person cannot be read"
        ) from None
    return Record(status, valid_until, kind, branch, updated_at, asked_at)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return to_ascii_digits(value).strip()


def _day(value: object) -> date | None:
    if value is None or value == "":
        return None
    # A datetime is a date too; as midnight it is what some engines make of a DATE.
    if isinstance(value, datetime):
        if value.time() != value.time().min:
            raise ValueError
        value = value.date()
    day = value if isinstance(value, date) else _plain_day(_text(value))
    days_of(day)
    return day


def _plain_day(text: str) -> date:
    # fromisoformat also takes 20270320 and 2027-W11-6, which no column of dates has.
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise ValueError
    return date.fromisoformat(text)


def _branch(value: object) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ValueError
    if not isinstance(value, int):
        text = _text(value)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError
        value = int(text)
    if not 0 <= value < NO_BRANCH:
        raise ValueError
    return value


def _moment(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=TEHRAN)
