"""
Tracking codes: what a person is told to quote.

Eleven ASCII digits, so that a code is never taken for a national ID (ten or twelve): the first
1-9, nine more at random, the last a Damm check digit. Damm catches every single wrong digit and
every swap of neighbours, which is what goes wrong when a code is read aloud and typed again
(H. M. Damm, "Total anti-symmetrische Quasigruppen", 2004; the table is his example of order 10).
"""

from collections.abc import Callable

from persian.digits import to_ascii_digits

LENGTH = 11

_TABLE = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def new_code(below: Callable[[int], int]) -> str:
    """A fresh code. `below(n)` gives a whole number in [0, n) from a cryptographic source."""
    head = str(10 ** (LENGTH - 2) + below(9 * 10 ** (LENGTH - 2)))
    return head + str(_damm(head))


def is_code(text: str) -> bool:
    """Whether these eleven ASCII digits can be a code: its first digit and its check hold."""
    return (
        len(text) == LENGTH
        and text.isascii()
        and text.isdigit()
        and text[0] != "0"
        and _damm(text) == 0
    )


def parse_code(typed: str) -> str | None:
    """A code as a person types it (any digits, spaces, dashes), or None where it is not one."""
    folded = to_ascii_digits(typed[:64])
    code = "".join(c for c in folded if c not in " -\u200c\u200e\u200f\u00a0\t\r\n")
    return code if is_code(code) else None


def _damm(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _TABLE[interim][ord(digit) - 48]
    return interim
