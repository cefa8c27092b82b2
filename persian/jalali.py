"""
Dates as Iran writes them. The one door of persiantools.

Dates are stored Gregorian and shown Jalali. Iran has had no daylight saving since 2022, so
Tehran is a fixed offset and needs no zone database.
"""

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from persiantools.jdatetime import JalaliDate

TEHRAN: Final = timezone(timedelta(hours=3, minutes=30))


def tehran_date(moment: datetime) -> date:
    """The day in Tehran at an aware moment. Raises ValueError for a moment without an offset."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs its offset")
    return moment.astimezone(TEHRAN).date()


@lru_cache(maxsize=4096)  # answers are about few days; the library takes 10 microseconds
def jalali_date(day: date) -> str:
    """
    A Gregorian day as "1405/12/29", year/month/day in ASCII digits.

    Raises ValueError outside the calendar that persiantools counts: before 622-03-22, and in
    the last months of the year 9999.
    """
    try:
        jalali = JalaliDate(day)  # type: ignore[no-untyped-call]  # the library has no hints here
    except ValueError as error:
        raise ValueError(f"the year {day.year} has no Jalali date here") from error
    return f"{jalali.year:04}/{jalali.month:02}/{jalali.day:02}"
