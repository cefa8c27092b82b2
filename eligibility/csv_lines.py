"""
Lines and rows of a CSV, some megabytes of text at a time.

    pieces ─▶ Block: whole lines, where their fields may end ─▶ rows, one by one

A row is a line, or several where a quoted field holds line ends. Line ends are LF, CRLF or CR.
A line that is too long, and a quote that is never closed, cost their own row and no other.

Whoever can decide many lines at once (csv_quick.py) passes over them; each of the others is read
here. What a line says alone may be wrong: it can lie inside the quotes of a row before it. So a
line that a row has taken in is no longer passed over.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eligibility.csv_source import CsvSource, Piece
from eligibility.load_errors import LoadRefused

MAX_LINE: Final = 65_536
"""Characters in a line, its end included. Ours are about 60; extra columns may be long."""

MAX_LINES_QUOTED: Final = 20
"""Lines that a row with line ends inside quotes may stretch over."""

SPARE: Final = 32
"""Bytes after the text, so that a few words may be read from anywhere in it."""

_LONGER: Final = 4 * (MAX_LINE + 1)
"""Bytes that are more than MAX_LINE characters, whichever they are."""

_EMPTY: Final = ", \t\r\n"
_COMMA, _LF, _CR = b",\n\r"


@dataclass(frozen=True, slots=True, repr=False)
class Fields:
    """A row that could be split. `row` is its number as a spreadsheet shows it: 1 is the first."""

    row: int
    values: list[str]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that could not be split, and why."""

    row: int
    reason: str


class _NotYet(Exception):
    """The row goes on beyond the block."""


class Block:
    """Whole lines; the first is row `row`. Of the last block the last line may lack its end.

    text      its bytes, with SPARE more behind them
    starts    where each line starts, as an offset
    ends      where its text ends: its line end is not in it
    marks     the offsets of all commas and line ends, in order
    closing   of each line, the place of its line end in `marks`
    left      bytes of text that can follow this block at the most
    """

    def __init__(self, text: bytes, row: int, left: int, *, last: bool) -> None:
        self._size = len(text)
        self._last = last
        self._lacks_end = last and self._size > 0 and text[-1] not in b"\r\n"
        self.text = text + (b"\n" if self._lacks_end else b"") + bytes(SPARE)
        self.row, self.left = row, left
        octets = np.frombuffer(self.text, np.uint8)[: len(self.text) - SPARE]
        ends, returns = octets == _LF, b"\r" in text
        if returns:
            carriage = octets == _CR
            # A return at the end of what is there may be half of a CRLF.
            ends[:-1] |= carriage[:-1] & (octets[1:] != _LF)
            ends[-1:] |= carriage[-1:] & last
        self.marks = np.flatnonzero(ends | (octets == _COMMA))
        self.closing = np.flatnonzero(octets[self.marks] != _COMMA)
        after = self.marks[self.closing] + 1
        self.starts = np.concatenate((np.zeros(1, np.int64), after[:-1]))[: len(after)]
        self.ends = after - 1
        if returns:
            self.ends -= (
                (octets[self.ends] == _LF)
                & (self.ends > self.starts)
                & (octets[self.ends - 1] == _CR)
            )
        self._after = np.minimum(after, self._size)
        self._tail = int(after[-1]) if len(after) else 0
        self.line = 0
        """The first line that is not read yet."""
        self._joined: list[tuple[int, int]] = []
        self._fewer = 0
        self._open = False

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return len(self.starts)

    @property
    def ends_open(self) -> bool:
        """Whether the row just given is the file's last and has no line end after it.

        So ends a file that was cut short; and, since some programs write none, one that is whole.
        """
        return self._open

    @property
    def next_row(self) -> int:
        """The number of the row that begins in `line`."""
        return self.row + self.line - self._fewer

    def text_after(self) -> int:
        """Bytes of text after the row just given at the most."""
        at = int(self.starts[self.line]) if self.line < self.lines else self._tail
        return self._size - at + self.left

    def rest(self) -> bytes:
        """The text that was not read: of a line, or a row, that goes on beyond the block."""
        at = int(self.starts[self.line]) if self.line < self.lines else self._tail
        return self.text[at : self._size]

    def rows(self, passed: NDArray[np.bool_]) -> Iterator[Fields | Unreadable]:
        """The rows of the lines that are not passed over, in order, empty ones left out.

        To be read to the end; `line` goes with it. A line that turns out to lie within a row is
        struck out of `passed`, and so are those that are not read.
        """
        for line in np.flatnonzero(~passed).tolist():
            if line < self.line:
                continue
            try:
                row, used = self._row(line)
            except _NotYet:
                passed[line:] = False
                self.line = line
                return
            self.line = line + used
            if used > 1:
                passed[line : self.line] = False
                self._joined.append((self.line, used - 1))
                self._fewer += used - 1
            self._open = self._lacks_end and self.line == self.lines
            if row is not None:
                yield row
        self.line = self.lines

    def numbers(self) -> NDArray[np.int64]:
        """Of each line its row, once the rows are read."""
        numbers = np.arange(self.row, self.row + self.lines, dtype=np.int64)
        for line, joined in self._joined:
            numbers[line:] -= joined
        return numbers

    def _row(self, line: int) -> tuple[Fields | Unreadable | None, int]:
        """The row that begins in a line (None: an empty one) and how many lines it takes up."""
        number = self.row + line - self._fewer
        text = self._line(line)
        if text is None:
            return Unreadable(number, f"is longer than {MAX_LINE} characters"), 1
        if '"' in text:
            return self._quoted(number, line, text)
        if text.strip(_EMPTY):
            return Fields(number, text.rstrip("\r\n").split(",")), 1
        return None, 1

    def _line(self, line: int) -> str | None:
        """A line with its end; None where it is too long."""
        start, after = int(self.starts[line]), int(self._after[line])
        if after - start >= _LONGER:
            return None
        text = self.text[start:after].decode()
        return text if len(text) <= MAX_LINE else None

    def _quoted(self, number: int, line: int, text: str) -> tuple[Fields | Unreadable, int]:
        """A row with quotes, whose fields may hold commas, quotes and line ends."""
        used = 1
        while True:
            try:
                return Fields(number, next(csv.reader([text], strict=True))), used
            except (csv.Error, StopIteration):
                pass
            more = None
            if used < MAX_LINES_QUOTED and len(text) <= MAX_LINE:
                more = self._next(line + used)
            if more is None:
                return Unreadable(number, "has a quote that is out of place or never closed"), 1
            text += more
            used += 1

    def _next(self, line: int) -> str | None:
        """The line on which a row goes on, if there is one that it may go on with."""
        if line < self.lines:
            return self._line(line)
        if self._last or self._size - self._tail >= _LONGER:
            return None
        raise _NotYet


class Text:
    """The blocks of a file, each made when the one before has been read."""

    def __init__(self, source: CsvSource) -> None:
        self._source = source
        self._block: Block | None = None

    def block(self, piece: Piece) -> Block:
        """The lines that this piece completes. Raises LoadRefused for text that cannot be read."""
        before = self._block
        if before is None:
            rest, row = b"", 1
        else:
            rest, row = before.rest(), before.next_row
            if len(rest) > _LONGER and before.line == before.lines:
                rest = rest[:_LONGER]  # a line without end is not held in memory
        ended = piece.last and not piece.not_in
        self._block = Block(rest + piece.text, row, piece.left, last=ended)
        return self._block

    def finish(self, piece: Piece) -> None:
        """After the last block. Raises LoadRefused where the text does not go on as UTF-8."""
        if piece.not_in and self._block is not None:
            raise LoadRefused(
                f"{self._source.path}, row {self._block.next_row}: the text is not {piece.not_in}; "
                "save the file as UTF-8 and load it again."
            )


def rows(source: CsvSource, size: int = 1 << 20) -> Iterator[Fields | Unreadable]:
    """All rows, one by one. Empty ones are counted, as in a spreadsheet, and left out.

    Raises LoadRefused for a file that is damaged, or that changed while it was read.
    """
    text = Text(source)
    for piece in source.pieces(size):
        block = text.block(piece)
        yield from block.rows(np.zeros(block.lines, np.bool_))
        text.finish(piece)
