"""
Numbers and dates as spoken Persian, in words that can each be a recording.

    1405        number/1000-o number/400-o number/5          هزارُ چهارصدُ پنج
    29 Esfand   day/29 month/12                              بیستُ نُهمِ اسفندِ

"And" is the sound -o on the end of the word before it, never a word of its own, so whatever can
have another number after it exists twice. Sixty words reach to a million millions.

Texts are fully vocalised, since a synthesiser that has to guess reads نه as "no" and leaves out
the ezafe.
"""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

LARGEST = 10**12 - 1

_split = str.split

_ONES = _split("""
صفر یک دو سه چهار پنج شِش هفت هشت نُه دَه یازده دوازده سیزده چهارده پانزده شانزده هفده
هجده نوزده
""")
_TENS = ["بیست", "سی", "چهل", "پنجاه", "شصت", "هفتاد", "هشتاد", "نود"]
_HUNDREDS = ["صد", "دویست", "سیصد", "چهارصد", "پانصد", "ششصد", "هفتصد", "هشتصد", "نُهصد"]
_SCALES = {1_000: "هزار", 1_000_000: "میلیون", 1_000_000_000: "میلیارد"}
_ORDINALS = _split("""
یکم دوم سوم چهارم پنجم شِشم هفتم هشتم نُهم دَهم یازدهم دوازدهم سیزدهم چهاردهم پانزدهم
شانزدهم هفدهم هجدهم نوزدهم
""")
_MONTHS = [
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
]
_DAMMA = "\u064f"
_KASRA = "\u0650"


def _linked(word: str) -> str:
    # After a vowel the -o needs its glide: si-yo.
    return word + ("یُ" if word.endswith("ی") else _DAMMA)


def _texts() -> dict[str, str]:
    texts = {f"number/{value}": word for value, word in enumerate(_ONES)}
    both = {10 * n: word for n, word in enumerate(_TENS, 2)}
    both |= {100 * n: word for n, word in enumerate(_HUNDREDS, 1)}
    for value, word in (both | _SCALES).items():
        texts[f"number/{value}"] = word
        texts[f"number/{value}-o"] = _linked(word)
    ordinals = [*_ORDINALS, "بیستم"]
    ordinals += [f"{_linked('بیست')} {word}" for word in _ORDINALS[:9]]
    ordinals += ["سی‌اُم", f"{_linked('سی')} {_ORDINALS[0]}"]
    texts |= {f"day/{day}": word + _KASRA for day, word in enumerate(ordinals, 1)}
    texts |= {f"month/{month}": word + _KASRA for month, word in enumerate(_MONTHS, 1)}
    # Two takes of each digit: one that goes on, one that ends a group.
    texts |= {f"digit/{digit}": f"{word}،" for digit, word in enumerate(_ONES[:10])}
    texts |= {f"digit/{digit}-end": f"{word}." for digit, word in enumerate(_ONES[:10])}
    return texts


TEXTS: Mapping[str, str] = MappingProxyType(_texts())
"""Every word by its name, vocalised. Names are those of the recordings."""


def number_words(value: int) -> tuple[str, ...]:
    """A number from 0 to LARGEST, as names of words. Raises ValueError beyond."""
    if not 0 <= value <= LARGEST:
        raise ValueError("no words for a number of this size")
    if value == 0:
        return ("number/0",)
    names: list[str] = []
    rest = value
    for scale in (1_000_000_000, 1_000_000, 1_000):
        group, rest = divmod(rest, scale)
        if not group:
            continue
        # One thousand is "thousand"; one million is "one million".
        if (scale, group) != (1_000, 1):
            names += _group(group)
        names.append(f"number/{scale}-o" if rest else f"number/{scale}")
    return (*names, *_group(rest))


def _group(value: int) -> list[str]:
    """A number from 1 to 999; nothing for 0."""
    parts = [value // 100 * 100]
    rest = value % 100
    parts += [rest] if rest < 20 else [rest // 10 * 10, rest % 10]
    parts = [part for part in parts if part]
    return [*(f"number/{part}-o" for part in parts[:-1]), *(f"number/{p}" for p in parts[-1:])]


def date_words(year: int, month: int, day: int) -> tuple[str, ...]:
    """A Jalali date as names of words: the day with its ezafe, the month with its, the year."""
    return (f"day/{day}", f"month/{month}", *number_words(year))


def digit_words(digits: str, *, pause: str) -> tuple[str, ...]:
    """ASCII digits one by one, in groups of three or four with the name `pause` between them.

    Raises ValueError for anything but digits.
    """
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("not digits")
    names: list[str] = []
    for group in _grouped(digits):
        names += [pause] if names else []
        names += [f"digit/{digit}" for digit in group[:-1]]
        names.append(f"digit/{group[-1]}-end")
    return tuple(names)


def _grouped(digits: str) -> list[str]:
    """Fours and threes, fours first (11 is 4-4-3, 10 is 4-3-3); up to five are one group."""
    if len(digits) <= 5:
        return [digits]
    groups = -(-len(digits) // 4)
    size, larger = divmod(len(digits), groups)
    starts = [n * size + min(n, larger) for n in range(groups + 1)]
    return [digits[a:b] for a, b in pairwise(starts)]
