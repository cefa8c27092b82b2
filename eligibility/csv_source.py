"""
A CSV file as it comes: gzip or plain, UTF-8 or UTF-16, as pieces of UTF-8 text.

    file ─▶ digest and position ─▶ gunzip ─▶ UTF-8, proven ─▶ pieces of some megabytes

A piece ends anywhere between two characters; the lines in it are csv_lines.py's.
"""

import codecs
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from eligibility.load_errors import LoadRefused

PIECE: Final = 4 << 20
"""Bytes of a piece: enough for numpy, and a small share of a processor's caches."""

_READ_AHEAD: Final = 1 << 18
_MOST_PACKED: Final = 1032
"""Bytes of text in a byte of gzip, at the most."""

_USUALLY_PACKED: Final = 8

_GZIP: Final = b"\x1f\x8b"
_WORKBOOK: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx, which is a zip, and the older .xls begin."""
_UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True, repr=False)
class Piece:
    """Some of the text, UTF-8; `left` bytes of text follow it at the most.

    `last` where none follows; `not_in` is then the encoding in which the file does not go on,
    "" where it is at its end.
    """

    text: bytes
    left: int
    last: bool = False
    not_in: str = ""


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
            self._given = 0
            self._bytes = self._unpacked(io.BufferedReader(self._raw, _READ_AHEAD))
        except BaseException:
            self._file.close()
            raise

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
    def text_expected(self) -> int:
        """Bytes of text in the file, roughly."""
        return self.size * (_USUALLY_PACKED if self._compressed else 1)

    @property
    def modified(self) -> float:
        """When the file was last written, seconds since 1970."""
        return self._before.st_mtime

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""
        return self._raw.read_so_far

    def sha256(self) -> str:
        """The hash of the bytes read so far: of the file, once its pieces are all read."""
        return self._raw.sha256()

    def pieces(self, size: int = PIECE) -> Iterator[Piece]:
        """The text, of `size` bytes of the unpacked file a piece.

        Raises LoadRefused for a file that is damaged, or that changed while it was read.
        """
        encoding = "utf-8"
        head = self._read(max(size, len(codecs.BOM_UTF8)))
        if head[:2] in _UTF_16:
            encoding = _UTF_16[head[:2]]
            head = head[2:]
        decoder = codecs.getincrementaldecoder(encoding)()
        head = head.removeprefix(codecs.BOM_UTF8)
        try:
            yield Piece(_utf_8(decoder, head, encoding), self._left(encoding))
            while read := self._read(size):
                yield Piece(_utf_8(decoder, read, encoding), self._left(encoding))
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            yield self._broken(error, encoding)
            return
        after = os.fstat(self._file.fileno())
        if (after.st_size, after.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns):
            raise LoadRefused(f"{self.path} changed while it was being read; load it again.")
        yield Piece(b"", 0, last=True)

    def _unpacked(self, file: io.BufferedReader) -> io.BufferedReader:
        head = file.peek(4)[:4]
        self._compressed = head[:2] == _GZIP
        if self._compressed:
            file = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)), _READ_AHEAD)
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
        return file

    def _read(self, size: int) -> bytes:
        try:
            read = self._bytes.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise self._damaged() from None
        except OSError as error:
            raise LoadRefused(f"{self.path} cannot be read: {error.strerror}.") from None
        self._given += len(read)
        return read

    def _left(self, encoding: str) -> int:
        """Bytes of text that can follow at the most, those read ahead included."""
        if self._compressed:
            left = (self.size - self.position + _READ_AHEAD) * _MOST_PACKED
        else:
            left = self.size - self._given
        # Two bytes of UTF-16 are three of UTF-8 at the most.
        return left if encoding == "utf-8" else 2 * left

    def _broken(self, error: UnicodeDecodeError, encoding: str) -> Piece:
        """What can still be read before the text that cannot."""
        told = "UTF-8 (Windows-1256, perhaps?)"
        if encoding != "utf-8":
            told = "UTF-16, which its first bytes announce"
        readable = error.object[: error.start].decode(encoding)
        return Piece(readable.encode(), 0, last=True, not_in=told)

    def _damaged(self) -> LoadRefused:
        return LoadRefused(
            f"{self.path} is damaged or cut short: it cannot be unpacked to its end; "
            "fetch it again."
        )


def _utf_8(decoder: codecs.IncrementalDecoder, read: bytes, encoding: str) -> bytes:
    """What was read, as UTF-8 that ends between two characters. Raises UnicodeDecodeError."""
    if encoding == "utf-8" and read.isascii() and not decoder.getstate()[0]:
        return read
    return decoder.decode(read).encode()
