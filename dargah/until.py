"""When something ends, as an operator writes it."""

import re
from datetime import datetime, timedelta

from persian.digits import to_ascii_digits
from persian.jalali import TEHRAN

LONGEST = timedelta(days=31)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"([0-9]{1,4})([mhd])")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def moment_of(text: str, now: datetime) -> datetime:
    """18:30 (the next time that it is so in Tehran), a date with a time, or 90m, 6h, 2d from now.

    A date without an offset is Tehran's. Raises ValueError for anything else, for what has passed
    and for what is more than LONGEST away.
    """
    text = to_ascii_digits(text).strip()
    here = now.astimezone(TEHRAN)
    if span := _SPAN.fullmatch(text):
        moment = here + timedelta(**{_UNITS[span[2]]: int(span[1])})
    elif clock := _CLOCK.fullmatch(text):
        moment = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        moment += timedelta(days=1 if moment <= here else 0)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("must be like 18:30, '2026-11-22 18:30' or 6h") from None
        if not re.search(r"[T ]", text):
            raise ValueError("a date needs its time, such as '2026-11-22 18:30'")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=TEHRAN)
    if moment <= now:
        raise ValueError("that has passed")
    if moment - now > LONGEST:
        raise ValueError(f"a notice ends within {LONGEST.days} days")
    return moment
