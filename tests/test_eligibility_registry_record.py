"""What a registry gives, and what is made of it."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eligibility.record import FIRST_DAY, LAST_DAY, NO_BRANCH
from eligibility.registry import FaultKind, RegistryFault
from eligibility.registry_record import COLUMNS, record_of
from tests.loading import NOW
from tests.registry_stub import GIVEN, RECORD

ODD: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.binary(max_size=4),
    st.just([]),
)


@pytest.mark.parametrize(
    ("column", "given"),
    [
        ("status", " Active"),
        ("valid_until", date(2027, 3, 20)),
        ("valid_until", datetime(2027, 3, 20)),  # noqa: DTZ001 - as an engine gives it
        ("valid_until", "۲۰۲۷-۰۳-۲۰"),
        ("kind", "MAIN"),
        ("branch", "12"),
        ("branch", "۱۲"),
        ("updated_at", "2026-11-01 08:00"),
        ("updated_at", "2026-11-01T04:30:00Z"),
        ("updated_at", datetime(2026, 11, 1, 8)),  # noqa: DTZ001 - Tehran's, without a word of it
        ("updated_at", datetime(2026, 11, 1, 5, 30, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_ways_to_write(column: str, given: object) -> None:
    """Dates and numbers may come as such or as text; a moment without an offset is Tehran's."""
    assert record_of(GIVEN | {column: given}, NOW) == RECORD


@pytest.mark.parametrize(
    ("column", "given"),
    [
        *[("status", wrong) for wrong in (None, "", "aktiv", 1)],
        *[
            ("valid_until", wrong)
            for wrong in (
                *("20270320", "2027-02-30", "1405-12-29", "2027-3-20", 20270320, 0, "9999-12-31"),
                *(datetime(2027, 3, 20, 1, tzinfo=UTC), "2027-W11-6"),
            )
        ],
        *[("kind", wrong) for wrong in (None, "", "child")],
        *[("branch", wrong) for wrong in (-1, NO_BRANCH, "x", "1.5", 1.5, True, "²")],
        *[
            ("updated_at", wrong)
            for wrong in (None, "", "soon", 0, date(2026, 11, 1), NOW + timedelta(days=2), "1969")
        ],
    ],
)
def test_what_is_no_record(column: str, given: object) -> None:
    """What cannot be read is a fault that names the column, and never what stood in it."""
    for wrong in (GIVEN | {column: given}, {k: v for k, v in GIVEN.items() if k != column}):
        with pytest.raises(RegistryFault, match=f"registry's {column} of a person") as caught:
            record_of(wrong, NOW)
        assert caught.value.kind is FaultKind.UNREADABLE


def test_a_clock_that_is_ahead() -> None:
    """A record dated ahead keeps its date, by which it is compared with those of a load."""
    ahead = NOW + timedelta(hours=3)
    assert record_of(GIVEN | {"updated_at": ahead.isoformat()}, NOW).updated_at == ahead


@given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, ODD)))
def test_anything(given: dict[str, object]) -> None:
    """Whatever comes is a record that can be kept, or a fault."""
    try:
        record = record_of(given, NOW)
    except RegistryFault:
        return
    assert record.valid_until is None or FIRST_DAY <= record.valid_until <= LAST_DAY
    assert record.updated_at <= NOW
