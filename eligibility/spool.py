"""
Rows waiting on disk between the two passes of a load.

Each row goes into one of some dozens of files by its person's place, so that a file holds a range
of buckets and is small enough to be sorted in memory. The folder is the owner's alone and is
removed whatever happens.

    30 bytes: place (8) | updated (8) | row (4) | packed record (10), the numbers little-endian
"""

import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from eligibility.buckets import NINE, TWELVE, Family
from eligibility.csv_rows import Person
from eligibility.record import SIZE

_ROW: Final = struct.Struct(f"<QQI{SIZE}s")
_DTYPE: Final = np.dtype(
    [("place", "<u8"), ("updated", "<u8"), ("row", "<u4"), ("record", f"V{SIZE}")]
)
_PARTS: Final = {False: 128, True: 16}
"""Files for nationals and for foreigners: 45 million people make 11 MB each."""

_SPACE: Final = {False: NINE, True: TWELVE}
MAX_ROWS: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, repr=False)
class Bucket:
    """People of one bucket, by their fields (places in the bucket), each once."""

    number: int
    fields: list[int]
    records: list[bytes]


class Part:
    """One range of places: sorted, and each person's newest row kept."""

    def __init__(self, rows: "NDArray[np.void]") -> None:
        rows = rows[np.lexsort((rows["row"], rows["updated"], rows["place"]))]
        newest = np.append(rows["place"][1:] != rows["place"][:-1], len(rows) > 0)
        self._kept = rows[newest]
        older = np.flatnonzero(~newest)
        by = np.flatnonzero(newest)
        self._superseded = rows["row"][older]
        self._superseding = rows["row"][by[np.searchsorted(by, older)]]

    @property
    def people(self) -> int:
        """How many people the part holds."""
        return len(self._kept)

    def superseded(self) -> Iterator[tuple[int, int]]:
        """Rows that are not loaded, each with the newer row of the same person."""
        return zip(self._superseded.tolist(), self._superseding.tolist(), strict=True)

    def buckets(self, family: Family) -> Iterator[Bucket]:
        """The people, bucket by bucket. A bucket at the edge of two parts comes in both."""
        if not len(self._kept):
            return
        numbers, fields = np.divmod(self._kept["place"], np.uint64(family.width))
        starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        ends = np.append(starts[1:], len(numbers))
        packed = self._kept["record"].tobytes()
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            records = [packed[at : at + SIZE] for at in range(start * SIZE, end * SIZE, SIZE)]
            yield Bucket(int(numbers[start]), fields[start:end].tolist(), records)


class Spool:
    """The files, in a folder made under `folder`, which is for spools alone.

    Made with the load's lease held: what lies there was left by a load that was killed. Every
    method may raise OSError.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_by_a_killed_load in folder.glob("spool-*"):
            shutil.rmtree(left_by_a_killed_load, ignore_errors=True)
        self._folder = Path(tempfile.mkdtemp(prefix="spool-", dir=folder))
        self._files: dict[tuple[bool, int], BinaryIO] = {}
        self.nationals = 0
        self.foreigners = 0

    @property
    def rows(self) -> int:
        """How many rows are waiting, those of the same person included."""
        return self.nationals + self.foreigners

    def add(self, person: Person, row: int) -> None:
        """Let a person wait; `row` is at most MAX_ROWS."""
        foreign, place, updated, record = person
        if foreign:
            self.foreigners += 1
        else:
            self.nationals += 1
        part = foreign, place * _PARTS[foreign] // _SPACE[foreign]
        file = self._files.get(part)
        if file is None:
            path = self._path(part)
            file = self._files[part] = path.open("xb", buffering=1 << 16)
        file.write(_ROW.pack(place, updated, row, record))

    def parts(self, foreign: bool) -> Iterator[Part]:
        """The parts of one family in the order of their places; each file goes as it is read."""
        for part in sorted(part for part in self._files if part[0] is foreign):
            self._files.pop(part).close()
            path = self._path(part)
            yield Part(np.fromfile(path, dtype=_DTYPE))
            path.unlink()

    def _path(self, part: tuple[bool, int]) -> Path:
        return self._folder / f"{'f' if part[0] else 'p'}{part[1]:03}"

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            with suppress(OSError):  # a full disk: what is left to be written is not wanted
                file.close()
        shutil.rmtree(self._folder, ignore_errors=True)
