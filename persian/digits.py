"""
Digits of three scripts.

    0123456789    ASCII: what is stored, compared and typed again
    ۰۱۲۳۴۵۶۷۸۹    Persian, U+06F0 to U+06F9: what is read
    ٠١٢٣٤٥٦٧٨٩    Arabic-Indic, U+0660 to U+0669: what some keyboards send

`str.isdigit()` is true of all three, and of superscripts: fold first, then ask for ASCII too.
"""

from typing import Final

_ZEROS: Final = (0x06F0, 0x0660, 0xFF10)  # Persian, Arabic-Indic, full-width

TO_ASCII: Final = {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)}
_TO_PERSIAN: Final = {ord(str(digit)): chr(0x06F0 + digit) for digit in range(10)}


def to_ascii_digits(text: str) -> str:
    """The text with Persian, Arabic-Indic and full-width digits as 0-9; all else untouched."""
    return text if text.isascii() else text.translate(TO_ASCII)


def to_persian_digits(text: str) -> str:
    """The text with every digit as ۰-۹; all else untouched."""
    return to_ascii_digits(text).translate(_TO_PERSIAN)
