"""A moment as an operator gives it to a command."""

from datetime import UTC, datetime

from dargah.failures import Failure
from persian.jalali import TEHRAN


def moment_given(option: str, text: str | None) -> datetime | None:
    """ISO 8601, Tehran's time without an offset, brought to UTC; None for None. Raises Failure."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=TEHRAN)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Failure(
            f"{option} is a time such as 2026-11-21T06:00 or 2026-11-21T06:00+03:30."
        ) from None
