"""
Subscriber numbers: E.164, stored as digits without the plus.

    09121234567   9121234567   989121234567   +98 912 123 4567   00989121234567
    021-88881234  +44 20 7946 0018   ۰۹۱۲۱۲۳۴۵۶۷   +98 (0) 912 ...

A number without a country code is Iranian; a foreign one needs its + or 00. Portability has
run since 2016, so a prefix says nothing about the operator. Short codes (1420, 10001420) are
no subscriber's number and are refused.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from persian.digits import to_ascii_digits
from persian.letters import strip_invisible

_LONGEST_TYPED: Final = 40
_SHOWN: Final = 7
_HIDDEN: Final = 5

_PUNCTUATION: Final = re.compile(r"[\s\-\u2010-\u2015\u2212().\[\]/]+")
_E164: Final = re.compile(r"[1-9][0-9]{7,14}")

# With a country code (Iran's own numbers have ten digits after it, and a 0 often left in),
# or without: a trunk 0 and ten digits, or a mobile number bare. No mobile number begins with
# 98: ten bare digits that do are a short code behind the country code (9810001420).
_IRANIAN: Final = re.compile(r"(?:(?:\+|00)?980?|0)([1-9][0-9]{9})|(9(?!8)[0-9]{9})")
_FOREIGN: Final = re.compile(r"(?:\+|00)(?!98)([1-9][0-9]{7,14})")


class NotAnMsisdn(ValueError):
    """The text is no subscriber's number. The message never holds the text."""

    def __init__(self) -> None:
        super().__init__("not a telephone number")


@dataclass(frozen=True, slots=True, repr=False)
class Msisdn:
    """
    One subscriber's number; shown masked wherever it is printed.

    Raises NotAnMsisdn unless `digits` is E.164 without the plus, 8 to 15 ASCII digits.
    """

    digits: str

    def __post_init__(self) -> None:
        if not _E164.fullmatch(self.digits):
            raise NotAnMsisdn

    @classmethod
    def parse(cls, text: str) -> Self:
        """A number as a person, an aggregator or an SMSC writes it. Raises NotAnMsisdn."""
        if len(text) > _LONGEST_TYPED:
            raise NotAnMsisdn
        plain = to_ascii_digits(strip_invisible(text)).replace("\uff0b", "+")
        dialled = _PUNCTUATION.sub("", plain)
        if iranian := _IRANIAN.fullmatch(dialled):
            return cls("98" + (iranian[1] or iranian[2]))
        if foreign := _FOREIGN.fullmatch(dialled):
            return cls(foreign[1])
        raise NotAnMsisdn

    @property
    def is_mobile(self) -> bool:
        """Whether this is an Iranian mobile number; of foreign ones it cannot be told."""
        return len(self.digits) == 12 and self.digits.startswith("989")

    @property
    def masked(self) -> str:
        """ "98912*****67": at most seven digits shown, at least five hidden."""
        shown = min(_SHOWN, len(self.digits) - _HIDDEN)
        tail = min(2, shown // 3)
        head = shown - tail
        hidden = "*" * (len(self.digits) - shown)
        return f"{self.digits[:head]}{hidden}{self.digits[-tail:]}"

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Msisdn({self.masked})"
