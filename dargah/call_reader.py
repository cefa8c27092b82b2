"""
Hears a call back: which outcome it tells, which day, which code, from the prompts' names.

As dargah/screen_reader.py for a screen; here a phrase is a run of recordings, and dates and codes
are words of their own.
"""

import re
from collections.abc import Sequence

from dargah.screen_reader import Seen, telling
from dialogue.tree import Tree
from ivr.voices import Voices

LANGUAGE = "fa"
"""The language that a call begins in, and the only one that is heard back."""

_DATE = r"day/(?P<{0}_day>\d+) month/(?P<{0}_month>\d+) (?P<{0}_year>(?:number/\d+(?:-o)? )+)"
_VALUES = {
    "valid_until": _DATE.format("told"),
    "since": _DATE.format("told"),
    "as_of": _DATE.format("as_of"),
    "code": r"(?:(?:digit/\d(?:-end)?|pause) )+",
    "minutes": r"(?:number/\d+(?:-o)? )+",
}
_DIGITS = re.compile(r"(?:(?:digit/\d(?:-end)?|pause) ){11,}")


def hear_back(tree: Tree, voices: Voices, names: Sequence[str]) -> Seen | None:
    """What these prompts tell, in the order they were heard; None where they tell no outcome."""
    folder = f"dargah/{LANGUAGE}/"
    heard = "".join(f"{name.removeprefix(folder)} " for name in names)
    found: list[tuple[int, Seen]] = []
    for outcome, key in telling(tree):
        parts = voices[LANGUAGE].phrases[key].parts
        pattern = "".join(
            f"{re.escape(part.clip)} " if part.clip else _VALUES[part.value] for part in parts
        )
        if told := re.search(rf"(?:^| ){pattern}", heard):
            dates = told.groupdict()
            code = _DIGITS.search(heard, told.start())
            found.append(
                (
                    told.end() - told.start(),
                    Seen(
                        outcome,
                        _day(dates),
                        "".join(re.findall(r"digit/(\d)", code[0])) if code else None,
                        stale="as_of_day" in dates,
                    ),
                )
            )
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _day(dates: dict[str, str]) -> str | None:
    """The told date such as 1405/12/29; None where none was told."""
    if "told_day" not in dates:
        return None
    year = sum(map(int, re.findall(r"number/(\d+)", dates["told_year"])))
    return f"{year}/{int(dates['told_month']):02}/{int(dates['told_day']):02}"
