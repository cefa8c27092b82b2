"""What is told around Tehran's midnight, where a day ends and sometimes a year."""

from datetime import UTC, date, datetime, timedelta

import pytest

from eligibility.cache import Cache
from eligibility.load import LoadOptions
from eligibility.national_id import NationalId
from eligibility.verdict import Outcome, Verdict
from persian.jalali import jalali_date
from state.link import Redis
from tests.loading import ANY_AGE, csv_of, line, load_text, national, with_redis
from tests.redis_server import RunningRedis

LAST_DAYS = [
    (date(2025, 3, 20), "1403/12/30", "1404/01/01"),  # a leap year's
    (date(2026, 3, 20), "1404/12/29", "1405/01/01"),
    (date(2030, 3, 20), "1408/12/30", "1409/01/01"),  # the next leap year's, five years later
    (date(2028, 2, 29), "1406/12/10", "1406/12/11"),  # a day of the other calendar's leap year
]
KINDS = ("active", "active, no end", "inactive", "inactive, no end", "pending")
JUST = timedelta(milliseconds=10)


@pytest.mark.parametrize(("last", "jalali", "jalali_next"), LAST_DAYS)
def test_cover_ends_with_its_day(
    server: RunningRedis, last: date, jalali: str, jalali_next: str
) -> None:
    """Cover holds to the last moment of its last day in Tehran, and has ended since the next."""
    midnight = datetime(last.year, last.month, last.day, 20, 30, tzinfo=UTC)
    assert jalali_date(last) == jalali

    async def play(link: Redis) -> None:
        rows = [
            line(
                national(n),
                kind.split(",")[0],
                "" if "no end" in kind else last.isoformat(),
                updated_at="2020-01-01",
            )
            for n, kind in enumerate(KINDS, 1)
        ]
        options = LoadOptions(as_of=midnight - timedelta(days=2))
        await load_text(link, csv_of(rows), options, clock=lambda: midnight - timedelta(days=1))
        cache = Cache(link, link, ANY_AGE)
        await cache.refresh()

        async def told(now: datetime) -> list[Verdict]:
            return [
                await cache.verdict(NationalId.parse(national(n)), now)
                for n in range(1, len(KINDS) + 1)
            ]

        other = (
            [Outcome.COVERED, None],
            [Outcome.NOT_COVERED, None],
            [Outcome.PENDING_PAYMENT, None],
        )
        # Back and forth: a clock that is set back tells the day before again.
        for now, ended in (
            (midnight - JUST, False),
            (midnight, True),
            (midnight - JUST, False),
            (midnight + timedelta(days=1) - JUST, True),
        ):
            active, endless, inactive, inactive_endless, pending = await told(now)
            assert [endless.outcome, endless.valid_until] == other[0]
            assert [inactive_endless.outcome, inactive_endless.not_covered_since] == other[1]
            assert [pending.outcome, pending.valid_until] == other[2]
            assert inactive.outcome is Outcome.NOT_COVERED
            if ended:
                for verdict in (active, inactive):
                    assert verdict.outcome is Outcome.NOT_COVERED
                    assert verdict.not_covered_since == last + timedelta(days=1)
                    assert jalali_date(verdict.not_covered_since) == jalali_next
            else:
                assert active.outcome is Outcome.COVERED
                assert active.valid_until == last
                assert inactive.not_covered_since is None

    with_redis(server, play)
