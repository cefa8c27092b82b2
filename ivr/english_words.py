"""Numbers and dates as spoken English, in words that can each be a recording."""

from collections.abc import Mapping
from types import MappingProxyType

_split = str.split

_ONES = _split("""
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen
""")
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MONTHS = [
    "Farvardeen",
    "Ordibehesht",
    "Khordaad",
    "Teer",
    "Mordaad",
    "Shahreevar",
    "Mehr",
    "Aabaan",
    "Aazar",
    "Day",
    "Bahman",
    "Esfand",
]
LARGEST = 9_999


def _texts() -> dict[str, str]:
    texts = {f"number/{value}": word for value, word in enumerate(_ONES)}
    texts |= {f"number/{10 * n}": word for n, word in enumerate(_TENS, 2)}
    texts |= {"number/100": "hundred", "number/1000": "thousand", "number/oh": "oh"}
    texts |= {f"month/{month}": word for month, word in enumerate(_MONTHS, 1)}
    texts |= {f"digit/{digit}": f"{word}," for digit, word in enumerate(_ONES[:10])}
    texts |= {f"digit/{digit}-end": f"{word}." for digit, word in enumerate(_ONES[:10])}
    return texts


TEXTS: Mapping[str, str] = MappingProxyType(_texts())
"""Every word by the name of its recording."""


def number_words(value: int) -> tuple[str, ...]:
    """A number from 0 to LARGEST, as names of words. Raises ValueError beyond."""
    if not 0 <= value <= LARGEST:
        raise ValueError("no words for a number of this size")
    if value == 0:
        return ("number/0",)
    names: list[str] = []
    for scale in (1_000, 100):
        count, value = divmod(value, scale)
        if count:
            names += [f"number/{count}", f"number/{scale}"]
    return (*names, *_below_hundred(value))


def date_words(year: int, month: int, day: int) -> tuple[str, ...]:
    """A Jalali date as names of words: "twenty-nine Esfand fourteen oh five"."""
    century, rest = divmod(year, 100)
    if not rest:
        ending: tuple[str, ...] = ("number/100",)
    elif rest < 10:
        ending = ("number/oh", f"number/{rest}")
    else:
        ending = _below_hundred(rest)
    return (*_below_hundred(day), f"month/{month}", *_below_hundred(century), *ending)


def _below_hundred(value: int) -> tuple[str, ...]:
    if value < 20:
        return (f"number/{value}",) if value else ()
    tens, ones = value // 10 * 10, value % 10
    return (f"number/{tens}", f"number/{ones}") if ones else (f"number/{tens}",)
