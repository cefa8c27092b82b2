"""
A CSV file as it comes: gzip or plain, UTF-8 or UTF-16, any line ends, read in bounded pieces.

    file ─▶ digest and position ─▶ gunzip ─▶ text ─▶ lines ─▶ rows of fields

Nothing is held but the row being read. A line that is too long, and a quote that is never closed,
cost their own row and no other.
"""

import csv
import gzip
import hashlib
import io
import os
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from eligibility.load_errors import LoadRefused

MAX_LINE: Final = 65_536
"""Characters in a line. Ours are about 60; extra columns may be long."""

MAX_LINES_QUOTED: Final = 20
"""Lines that a row with line ends inside quotes may stretch over."""

_READ_AHEAD: Final = 1 << 20
_MOST_PACKED: Final = 1032
"""Bytes of text in a byte of gzip, at the most."""

_EMPTY: Final = ", \t\r\n"
_GZIP: Final = b"\x1f\x8b"
_WORKBOOK: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx, which is a zip, and the older .xls begin."""
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


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


class _Digested(io.RawIOBase):
    """The file's bytes as they are read, counted and hashed on their way."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with memoryview(buffer) as view:
            count = self._file.readinto(view) or 0
            self._digest.update(view[:count])
        self.read_so_far += count
        return count

    def sha256(self) -> str:
        return self._digest.hexdigest()


class CsvSource:
    """An open file; `name` is its base name.

    Every method raises LoadRefused, in a sentence, for a file that is unfit.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.path = path.name, path
        try:
            if not path.is_dir() and path.exists() and not path.is_file():
                raise LoadRefused(f"{self.path} is no ordinary file.")
            self._file = io.FileIO(path)
        except OSError as error:
            raise LoadRefused(f"{self.path} cannot be read: {error.strerror}.") from None
        try:
            self._before = os.fstat(self._file.fileno())
            self._raw = _Digested(self._file)
            self._text = self._decoded(io.BufferedReader(self._raw, _READ_AHEAD // 4))
        except BaseException:
            self._file.close()
            raise
        self._pushed_back: deque[str] = deque()
        self._row = 0
        self._open_end = False

    def __enter__(self) -> "CsvSource":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the file on disk."""
        return self._before.st_size

    @property
    def modified(self) -> float:
        """When the file was last written, seconds since 1970."""
        return self._before.st_mtime

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""
        return self._raw.read_so_far

    @property
    def text_left(self) -> int:
        """Bytes of text that can follow at the most, those read ahead included."""
        left = self.size - self.position + _READ_AHEAD
        return left * _MOST_PACKED if self._compressed else left

    @property
    def ends_open(self) -> bool:
        """Whether the row just given is the file's last and has no line end after it.

        So ends a file that was cut short; and, since some programs write none, one that is whole.
        """
        return self._open_end and not self._pushed_back

    def sha256(self) -> str:
        """The hash of the bytes read so far: of the file, once its rows are all read."""
        return self._raw.sha256()

    def rows(self) -> Iterator[Fields | Unreadable]:
        """The rows that are left. Empty ones are counted, as in a spreadsheet, and left out.

        Raises LoadRefused for a file that is damaged, or that changed while it was read.
        """
        while line := self._line():
            self._row += 1
            if len(line) > MAX_LINE:
                self._skip_rest(line)
                yield Unreadable(self._row, f"is longer than {MAX_LINE} characters")
            elif '"' in line:
                yield self._quoted(line)
            elif line.strip(_EMPTY):
                yield Fields(self._row, line.rstrip("\r\n").split(","))
        after = os.fstat(self._file.fileno())
        if (after.st_size, after.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns):
            raise LoadRefused(f"{self.path} changed while it was being read; load it again.")

    def _decoded(self, file: io.BufferedReader) -> io.TextIOWrapper:
        head = file.peek(4)[:4]
        self._compressed = head[:2] == _GZIP
        if self._compressed:
            file = io.BufferedReader(
                cast(io.RawIOBase, gzip.GzipFile(fileobj=file)), _READ_AHEAD // 4
            )
            try:
                head = file.peek(4)[:4]
            except (OSError, EOFError, zlib.error):
                raise self._damaged() from None
        elif head in _WORKBOOK:
            raise LoadRefused(
                f"{self.path} is a workbook (Excel) or an archive; save it as CSV in UTF-8, and "
                "load that."
            )
        elif self.name.endswith(".gz") and head:
            raise LoadRefused(f"{self.path} is named .gz but is no gzip file.")
        if not head:
            raise LoadRefused(f"{self.path} is empty.")
        if head[:2] in _UTF_16:
            return io.TextIOWrapper(file, encoding="utf-16", newline="")
        # Undecodable bytes come out as lone surrogates, so that their row can be named.
        return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")

    def _line(self) -> str:
        if self._pushed_back:
            return self._pushed_back.popleft()
        try:
            line = self._text.readline(MAX_LINE + 1)
        except UnicodeError:
            raise self._undecodable("UTF-16, which its first bytes announce") from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise self._damaged() from None
        except OSError as error:
            raise LoadRefused(f"{self.path} cannot be read: {error.strerror}.") from None
        if line:
            self._open_end = line[-1] not in "\r\n"
        if not line.isascii():
            try:
                line.encode("utf-8")
            except UnicodeEncodeError:
                raise self._undecodable("UTF-8 (Windows-1256, perhaps?)") from None
        return line

    def _skip_rest(self, line: str) -> None:
        while line and line[-1] not in "\r\n":
            line = self._line()

    def _quoted(self, line: str) -> Fields | Unreadable:
        """A row with quotes, whose fields may hold commas, quotes and line ends."""
        lines = [line]
        while True:
            text = "".join(lines)
            try:
                return Fields(self._row, next(csv.reader([text], strict=True)))
            except (csv.Error, StopIteration):
                more = len(lines) < MAX_LINES_QUOTED and len(text) <= MAX_LINE and self._line()
            if not more:
                self._pushed_back.extendleft(reversed(lines[1:]))
                return Unreadable(self._row, "has a quote that is out of place or never closed")
            lines.append(more)

    def _undecodable(self, encoding: str) -> LoadRefused:
        return LoadRefused(
            f"{self.path}, row {self._row + 1}: the text is not {encoding}; "
            "save the file as UTF-8 and load it again."
        )

    def _damaged(self) -> LoadRefused:
        return LoadRefused(
            f"{self.path} is damaged or cut short: it cannot be unpacked to its end; "
            "fetch it again."
        )
