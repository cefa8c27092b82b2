"""
Texts on a USSD screen.

A USSD string is at most 160 octets (GSM 04.80, annex A): 182 characters of the GSM alphabet,
packed (TS 23.038, 6.1.2.3), or 80 UTF-16 units of anything else. One letter outside the
alphabet turns the whole screen to UTF-16.

A longer text is turned into pages. A page ends at the end of a line where that leaves it half
full, otherwise at the end of a word. Only a word longer than a screen is cut, never in a
number or date that fits on a screen, and never before a combining mark or at a ZWNJ.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from telecom import gsm0338

USSD_OCTETS: Final = 160
_MOST_CHARACTERS: Final = USSD_OCTETS * 8 // 7

# What the key lines must leave a page, or a text could take no end of pages.
_LEAST_BODY_UNITS: Final = 20

# A no-break space is part of its word.
_WORD: Final = re.compile(r"(?:\S|[\u00a0\u202f])+")
_NUMBER_OR_ONE: Final = re.compile(r"\d+(?:[/.,:\-\u066b\u066c]\d+)*|.", re.DOTALL)

_JOINERS: Final = "\u200c\u200d"  # ZWNJ, ZWJ: hold on to both neighbours
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)


def octets_of(text: str) -> int:
    """Octets on the air: packed GSM 7-bit if every character allows it, else UTF-16."""
    if gsm0338.encodable(text):
        return (gsm0338.septets(text) * 7 + 7) // 8
    return 2 * _units(text)


def fits(text: str) -> bool:
    """Whether the text fits on one screen."""
    return USSD.fits(text)


@dataclass(frozen=True, slots=True)
class Limit:
    """What one gateway can show: octets of a screen, and whether it takes the GSM alphabet.

    Without the GSM alphabet every text is UTF-16: 80 characters of any script.
    """

    octets: int = USSD_OCTETS
    gsm: bool = True

    def octets_of(self, text: str) -> int:
        """Octets that the text takes there."""
        return octets_of(text) if self.gsm else 2 * _units(text)

    def fits(self, text: str) -> bool:
        """Whether the text fits on one screen there."""
        return self.octets_of(text) <= self.octets


USSD: Final = Limit()
"""What the standard allows."""


def pages(text: str, more: str, back: str, limit: Limit = USSD) -> list[str]:
    """
    The text as screens that each fit; one, unchanged, if it fits whole.

    `more` stands on a line of its own below every page but the last, `back` below every page
    but the first. The alphabet is judged page by page. White space is lost only where a page
    ends. Raises ValueError if the two lines alone leave no room for a text.
    """
    if limit.fits(text):
        return [text]
    if 2 * (_units(f"\n{more}\n{back}") + _LEAST_BODY_UNITS) > limit.octets:
        raise ValueError("the lines for more and back leave no room on a USSD screen")
    end = len(text.rstrip())
    screens: list[str] = []
    start = _next_word(text, 0)
    while True:
        below = f"\n{back}" if screens else ""
        if end - start <= _MOST_CHARACTERS and limit.fits(last := text[start:end] + below):
            return [*screens, last]
        below = f"\n{more}{below}"
        cut = _page_end(text, start, below, limit)
        screens.append(text[start:cut] + below)
        start = _next_word(text, cut)


def _page_end(text: str, start: int, below: str, limit: Limit) -> int:
    """Where the page that starts at a word must end, so that it fits above `below`."""
    cut = line_cut = start
    for word in _WORD.finditer(text, start, start + _MOST_CHARACTERS + 1):
        if cut > start and "\n" in text[cut : word.start()]:
            line_cut = cut
        if not limit.fits(text[start : word.end()] + below):
            break
        cut = word.end()
    if cut == start:
        return _cut_word(text, start, below, limit)
    if line_cut > start and limit.octets_of(text[start:line_cut] + below) * 2 >= limit.octets:
        return line_cut
    return cut


def _cut_word(text: str, start: int, below: str, limit: Limit) -> int:
    """Where a word that is too long for a page is cut; always further than its start."""
    cut = start
    for piece_end in _piece_ends(text[start : start + _MOST_CHARACTERS + 1]):
        if not limit.fits(text[start : start + piece_end] + below):
            break
        cut = start + piece_end
    if cut > start:
        return cut
    # One number or one pile of marks fills the screen: then between any two characters.
    cut = start + 1
    while limit.fits(text[start : cut + 1] + below):
        cut += 1
    return cut


def _piece_ends(word: str) -> Iterator[int]:
    """Ends of the pieces of a word that stay whole: numbers, and letters with their marks."""
    held = False
    end = 0
    for piece in _NUMBER_OR_ONE.finditer(word):
        if end and not held and not _extends(word[piece.start()]):
            yield end
        held = word[piece.end() - 1] in _JOINERS
        end = piece.end()
    yield end


def _extends(char: str) -> bool:
    """Whether a character belongs to the one before it."""
    return (
        char in _JOINERS
        or unicodedata.category(char) in {"Mn", "Mc", "Me"}
        or ord(char) in _SKIN_TONES
    )


def _next_word(text: str, start: int) -> int:
    word = _WORD.search(text, start)
    return word.start() if word else len(text)


def _units(text: str) -> int:
    """UTF-16 units; a character beyond U+FFFF is a surrogate pair."""
    # Counting in C: every screen is measured several times.
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
