"""
What is wrong with the letters of a text, whatever it says.

A letter that the alphabet lacks, one that only looks Persian, and a mix of digits and Latin
letters that a right-to-left line would turn round.
"""

import re
from collections.abc import Iterator

from dialogue.phrases import Language
from telecom import gsm0338

# Letters that look Persian and are not: a search, and some phones, take them for others.
_NOT_PERSIAN = {"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه"} | {
    chr(0x0660 + digit): chr(0x06F0 + digit) for digit in range(10)
}

# Unicode's bidirectional algorithm (UAX 9): behind Persian letters the digits of 1420.tamin.ir
# and of *4*1420# run leftwards away from what belongs to them (rules W2 and N1). A left-to-right
# mark before them holds them together.
_TURNED = re.compile(r"(?<![A-Za-z0-9.@/\u200e*#])(?:[0-9]+[.@/-][A-Za-z]|[*#][0-9*#])")


def letter_faults(language: Language, text: str) -> Iterator[str]:
    """What is wrong, each as the end of a sentence about the text."""
    if language.gsm_only and not gsm0338.encodable(text):
        other = next(char for char in text if not gsm0338.encodable(char))
        yield f"has {other!r}, which the GSM 7-bit alphabet lacks."
    if language.persian_digits:
        for char in sorted(set(text) & _NOT_PERSIAN.keys()):
            yield f"has the Arabic U+{ord(char):04X}; Persian writes {_NOT_PERSIAN[char]}."
        if found := _TURNED.search(text):
            yield (
                f"has {found[0]}..., which a Persian line turns round;"
                " put a left-to-right mark (U+200E) before it."
            )
