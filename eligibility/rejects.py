"""
FILE.rejects.csv: what was not loaded, and why, for whoever mends the export.

    row,column,reason

It never holds a national ID, and is readable by its owner alone.
"""

import csv
import os
from collections import Counter
from pathlib import Path
from types import TracebackType

from eligibility.load_errors import LoadRefused


def rejects_path(source: Path) -> Path:
    """people.csv and people.csv.gz: people.rejects.csv beside it."""
    name = source.name
    for ending in (".gz", ".csv"):
        name = name.removesuffix(ending)
    return source.with_name(f"{name or source.name}.rejects.csv")


class Rejects:
    """The file, opened before anything is loaded; removed at the end where it says nothing."""

    def __init__(self, source: Path) -> None:
        self.path = rejects_path(source)
        self.rejected = 0
        self.superseded = 0
        self.reasons: Counter[str] = Counter()
        try:
            descriptor = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
            )
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            raise LoadRefused(
                f"{self.path} cannot be written beside the file: {error.strerror}."
            ) from None
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(("row", "column", "reason"))

    def reject(self, row: int, column: str, reason: str) -> None:
        """Write a rejected row down, and count it and its reason."""
        self.rejected += 1
        self.reasons[f"{column} {reason}" if column else reason] += 1
        self._rows.writerow((row, column, reason))

    def supersede(self, row: int, by: int) -> None:
        """Write a row down whose person has a newer one. It is not counted as rejected."""
        self.superseded += 1
        self._rows.writerow((row, "", f"superseded by row {by}"))

    def flush(self) -> None:
        """Have all of it in the file. Raises OSError."""
        self._file.flush()

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if not self.rejected and not self.superseded:
            self.path.unlink(missing_ok=True)
