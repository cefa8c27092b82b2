"""Dates as Iran writes them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persian.jalali import TEHRAN, jalali_date, tehran_date

# Days from the first of Farvardin: six months of 31, five of 30, the rest is Esfand.
MONTH_STARTS = [31 * month for month in range(6)] + [186 + 30 * month for month in range(6)]


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (date(2026, 3, 20), "1404/12/29"),
        (date(2026, 3, 21), "1405/01/01"),
        (date(2027, 3, 20), "1405/12/29"),
        (date(2025, 3, 20), "1403/12/30"),  # a leap year
        (date(2030, 3, 20), "1408/12/30"),  # five years later
        (date(1979, 2, 11), "1357/11/22"),
        (datetime(2026, 3, 21, 23, 59, tzinfo=UTC), "1405/01/01"),
    ],
)
def test_known_days(day: date, written: str) -> None:
    """Days that the calendar on the wall shows."""
    assert jalali_date(day) == written


@given(
    st.dates(date(1926, 3, 22), date(2119, 1, 1)).filter(lambda day: day.year % 4 != 0),
    st.integers(0, 364),
)
def test_a_year_counts_its_days_in_order(day: date, nth: int) -> None:
    """From Nowruz on, six months have 31 days and the next five 30."""
    year = int(jalali_date(day)[:4])
    nowruz = date(year + 621, 3, 19)
    while jalali_date(nowruz) != f"{year}/01/01":
        nowruz += timedelta(days=1)
    assert nowruz.month == 3
    assert nowruz.day in {20, 21, 22}
    month = sum(start <= nth for start in MONTH_STARTS)
    in_month = nth - MONTH_STARTS[month - 1] + 1
    assert jalali_date(nowruz + timedelta(days=nth)) == f"{year}/{month:02}/{in_month:02}"


def test_a_day_that_the_calendar_lacks() -> None:
    """A day before the calendar began, or at the end of all dates, is refused clearly."""
    assert jalali_date(date(622, 3, 22)) == "0001/01/01"
    for day in (date(622, 3, 21), date.max):
        with pytest.raises(ValueError, match="no Jalali date"):
            jalali_date(day)


def test_tehran_is_ahead() -> None:
    """In Tehran the new day begins at half past eight in the evening, UTC, summer and winter."""
    for month in (1, 7):
        before = datetime(2026, month, 10, 20, 29, 59, tzinfo=UTC)
        assert tehran_date(before) == date(2026, month, 10)
        assert tehran_date(before + timedelta(seconds=1)) == date(2026, month, 11)
    assert tehran_date(datetime(2026, 7, 10, 0, 0, tzinfo=TEHRAN)) == date(2026, 7, 10)


def test_a_moment_without_an_offset() -> None:
    """A time that doesn't say where it is told is never guessed at."""
    with pytest.raises(ValueError, match="offset"):
        tehran_date(datetime(2026, 1, 1))  # noqa: DTZ001
