"""
Persian text, folded for matching.

One word reaches us in many spellings: Arabic yeh and kaf from older keyboards, presentation
forms from older phones, vowel marks, tatweel, bidi controls that a copy carried along.
`normalise` brings them to one. It is for comparing only: what a person reads keeps its
ZWNJ and its letters.
"""

import unicodedata
from typing import Final

from persian.digits import TO_ASCII

_INVISIBLE: Final = dict.fromkeys(
    [
        0x00AD,  # soft hyphen
        0x061C,  # Arabic letter mark
        *range(0x200B, 0x2010),  # zero-width space, ZWNJ, ZWJ, LRM, RLM
        *range(0x202A, 0x202F),  # bidi embeddings and overrides
        *range(0x2060, 0x2065),  # word joiner and invisible operators
        *range(0x2066, 0x206A),  # bidi isolates
        0xFEFF,  # byte-order mark
    ]
)

_MARKS: Final = dict.fromkeys(
    [
        0x0640,  # tatweel
        *range(0x064B, 0x0660),  # vowel marks, shadda, sukun, hamza and madda left uncomposed
        0x0670,  # superscript alef
    ]
)

_LETTERS: Final = str.maketrans(
    {
        "\u064a": "ی",  # Arabic yeh
        "\u0649": "ی",  # alef maksura
        "\u06d0": "ی",  # e
        "\u0643": "ک",  # Arabic kaf
        "\u0629": "ه",  # teh marbuta
        "\u06c0": "ه",  # heh with yeh above
        "\u06c1": "ه",  # heh goal
        "\u06c2": "ه",  # heh goal with hamza
        "\u06d5": "ه",  # ae
        "\u06be": "ه",  # heh doachashmee
        "\u0623": "ا",  # alef with hamza above
        "\u0625": "ا",  # alef with hamza below
        "\u0671": "ا",  # alef wasla
    }
)

_FOLD: Final = {**_LETTERS, **TO_ASCII, **_INVISIBLE, **_MARKS}


def strip_invisible(text: str) -> str:
    """The text without zero-width characters (ZWNJ too), bidi controls and soft hyphens."""
    return text if text.isascii() else text.translate(_INVISIBLE)


def normalise(text: str) -> str:
    """
    The text as it is compared: NFKC, letters and digits folded, marks and invisible
    characters gone, white space one blank and none at the ends. Case is left alone.
    Normalising twice changes nothing.
    """
    if not text.isascii():
        # Invisible characters keep a letter from the mark after it: they go before NFKC, and
        # what their removal and that of the marks brings together is composed by the second.
        composed = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
        text = unicodedata.normalize("NFKC", composed.translate(_FOLD))
    return " ".join(text.split())
