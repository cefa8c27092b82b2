"""
Rows waiting on disk between the two passes of a load.

Each row goes into one of some dozens of files by its person's place, so that a file holds a range
of buckets and is small enough to be sorted in memory. The folder is the owner's alone and is
removed whatever happens.

    30 bytes: place (8) | updated (8) | row (4) | packed record (10), the numbers little-endian
"""

import shutil
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
from eligibility.record import SIZE, UNREADABLE
from eligibility.rejects import Rejects

ROW: Final = np.dtype(
    [("place", "<u8"), ("updated", "<u8"), ("row", "<u4"), ("record", f"V{SIZE}")]
)
Rows = NDArray[np.void]

_TEXT_A_PART: Final = 20 << 20
_MOST_PARTS: Final = 128
_FOREIGN_PARTS: Final = 16
"""Bytes of text for each file, at the most so many files for nationals, and so many for foreigners:
45 million people make files of 11 MB."""

_SPACE: Final = {False: NINE, True: TWELVE}
MAX_ROWS: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, repr=False)
class Buckets:
    """Some buckets of a family, whole and in order, from number `first` on; empty ones too.

    `counts` says how many people each has; `fields` (places in the bucket, rising) and `records`
    are those of all their people.
    """

    family: Family
    first: int
    counts: NDArray[np.int64]
    fields: NDArray[np.uint64]
    records: Rows


class Spool:
    """The files, in a folder made under `folder`, which is for spools alone.

    `text` is how many bytes of text are expected, roughly. Made with the load's lease held: what
    lies there was left by a load that was killed. Every method may raise OSError.
    """

    def __init__(self, folder: Path, text: int) -> None:
        parts = min(1 + text // _TEXT_A_PART, _MOST_PARTS)
        self._parts = {False: parts, True: min(parts, _FOREIGN_PARTS)}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_by_a_killed_load in folder.glob("spool-*"):
            shutil.rmtree(left_by_a_killed_load, ignore_errors=True)
        self._folder = Path(tempfile.mkdtemp(prefix="spool-", dir=folder))
        self._files: dict[tuple[bool, int], BinaryIO] = {}
        self.nationals = 0
        self.foreigners = 0
        self.unreadable = 0
        """Of the people whom `buckets` gave, those without a row that could be read."""

    @property
    def rows(self) -> int:
        """How many rows are waiting, those of the same person included."""
        return self.nationals + self.foreigners

    def add(self, rows: Rows, *, foreign: bool) -> None:
        """Let people of one family wait."""
        if foreign:
            self.foreigners += len(rows)
        else:
            self.nationals += len(rows)
        parts = (rows["place"] * self._parts[foreign] // _SPACE[foreign]).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        rows = rows[order]
        ends = np.cumsum(np.bincount(parts, minlength=self._parts[foreign])).tolist()
        start = 0
        for part, end in enumerate(ends):
            if end > start:
                self._file(foreign, part).write(rows[start:end].data)
            start = end

    def buckets(self, family: Family, rejects: Rejects) -> Iterator[Buckets]:
        """All buckets of one family in order, each person's newest row; each file goes as it is
        read. Rows that are superseded are written down in `rejects`."""
        foreign, done, begun = family.space == TWELVE, 0, np.empty(0, ROW)
        for part in range(self._parts[foreign]):
            rows = _newest(self._take(foreign, part), rejects)
            self.unreadable += int(np.count_nonzero(_unreadable(rows)))
            # A bucket at the edge of two parts waits for the next.
            end = -(
                -(part + 1) * _SPACE[foreign] // self._parts[foreign]
            )  # the first place after it
            whole = family.buckets if end == _SPACE[foreign] else end // family.width
            rows = np.concatenate((begun, rows)) if len(begun) else rows
            numbers, fields = np.divmod(rows["place"], np.uint64(family.width))
            cut = int(np.searchsorted(numbers, whole))
            begun = rows[cut:]
            if whole > done:
                within = (numbers[:cut] - np.uint64(done)).view(np.int64)
                counts = np.bincount(within, minlength=whole - done)
                yield Buckets(family, done, counts, fields[:cut], rows["record"][:cut])
            done = whole

    def _file(self, foreign: bool, part: int) -> BinaryIO:
        file = self._files.get((foreign, part))
        if file is None:
            file = self._files[foreign, part] = self._path(foreign, part).open("xb")
        return file

    def _take(self, foreign: bool, part: int) -> Rows:
        file = self._files.pop((foreign, part), None)
        if file is None:
            return np.empty(0, ROW)
        file.close()
        path = self._path(foreign, part)
        rows = np.fromfile(path, dtype=ROW)
        path.unlink()
        return rows

    def _path(self, foreign: bool, part: int) -> Path:
        return self._folder / f"{'f' if foreign else 'p'}{part:03}"

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


def _unreadable(rows: Rows) -> NDArray[np.bool_]:
    """Which rows are of people without a row that could be read."""
    found: NDArray[np.bool_] = rows["updated"] == 0
    if found.any():
        found[found] = rows["record"][found] == np.void(UNREADABLE)
    return found


def _newest(rows: Rows, rejects: Rejects) -> Rows:
    """The rows by place, of each person the newest; of equally new ones the last of the file."""
    rows = rows[np.argsort(rows["place"])]
    again = rows["place"][1:] == rows["place"][:-1]
    if not again.any():
        return rows
    several = np.append(again, False) | np.append(False, again)
    doubled = rows[several]
    rows[several] = doubled[np.lexsort((doubled["row"], doubled["updated"], doubled["place"]))]
    newest = np.append(~again, True)
    by = np.flatnonzero(newest)
    older = np.flatnonzero(~newest)
    older = older[~_unreadable(rows[older])]  # those are listed already, as rejected
    winners = rows["row"][by[np.searchsorted(by, older)]]
    for row, winner in zip(rows["row"][older].tolist(), winners.tolist(), strict=True):
        rejects.supersede(row, winner)
    kept: Rows = rows[newest]
    return kept
