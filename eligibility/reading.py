"""
The reading pass of a load: from the file to the spool, each row decided once.

    piece ─▶ block ─┬─▶ QuickReader: the lines beyond doubt, in bulk ────────────┐
                    └─▶ RowReader: each other row, accepted or rejected in words ┴─▶ spool
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Final

import numpy as np

from eligibility.ahead import ahead
from eligibility.csv_lines import Block, Fields, Text
from eligibility.csv_quick import Decided, QuickReader
from eligibility.csv_rows import SHORTEST_ROW, Header, Person, Rejected, RowReader
from eligibility.csv_source import PIECE, CsvSource
from eligibility.load_errors import LoadRefused
from eligibility.rejects import Rejects
from eligibility.spool import MAX_ROWS, ROW, Spool

_WORTH_READING: Final = 1 << 20
"""Bytes. A file that has little left is read on, so that all its rejects are listed."""


class Reading:
    """One pass. `rows` counts those with people in them, rejected ones included."""

    def __init__(
        self,
        source: CsvSource,
        rejects: Rejects,
        spool: Spool,
        now: datetime,
        *,
        pad_ids: bool,
        max_reject_share: float,
    ) -> None:
        self.rows = 0
        self._source, self._rejects, self._spool = source, rejects, spool
        self._now, self._pad_ids, self._max_share = now, pad_ids, max_reject_share
        self._quick: QuickReader | None = None
        self._reader: RowReader | None = None

    async def run(self, size: int = PIECE) -> AsyncGenerator[None, None]:
        """Read to the end, and give a turn after each piece. Raises LoadRefused, OSError."""
        text = Text(self._source)
        async with aclosing(ahead(self._source.pieces(size))) as pieces:
            async for piece in pieces:
                self._block(text.block(piece))
                text.finish(piece)
                yield
        name = str(self._source.path)
        if self._reader is None:
            raise _no_header(name)
        if not self.rows:
            raise LoadRefused(f"{name} has a header and no people; nothing was loaded.")
        if self._rejects.rejected > self._max_share * self.rows:
            raise self._too_many()
        if self._rejects.rejected == self.rows:
            raise LoadRefused(
                f"{name} has no row that can be loaded; see {self._rejects.path.name}."
            )

    def _block(self, block: Block) -> None:
        quick, reader = self._readers(block)
        if quick is None or reader is None:
            return
        decided = quick.read(block)
        passed = np.zeros(block.lines, np.bool_)
        passed[decided.lines] = True
        at = block.line
        passed[:at] = False
        people: list[tuple[Person, int]] = []
        for row in block.rows(passed):
            self.rows += int(np.count_nonzero(passed[at : block.line])) + 1
            at = block.line
            if not isinstance(row, Fields):
                self._reject(block, row.row, "", row.reason)
                continue
            try:
                people.append((reader.read(row.values), row.row))
            except Rejected as rejected:
                self._reject(block, row.row, rejected.column, rejected.reason)
                if rejected.person:  # known, though not how: never to be told NOT_FOUND
                    people.append((rejected.person, row.row))
        self.rows += int(np.count_nonzero(passed[at : block.line]))
        if block.next_row > MAX_ROWS:
            raise LoadRefused(f"{self._source.path} has more than {MAX_ROWS} rows.")
        self._keep(block, decided, passed, people)

    def _readers(self, block: Block) -> tuple[QuickReader | None, RowReader | None]:
        """Those for this file's header, which is looked for first."""
        if self._reader is None:
            for row in block.rows(np.zeros(block.lines, np.bool_)):
                if not isinstance(row, Fields):
                    raise _no_header(str(self._source.path))
                header = Header.read(str(self._source.path), row.values)
                self._reader = RowReader(header, self._now, pad_ids=self._pad_ids)
                self._quick = QuickReader(header, self._now)
                break
        return self._quick, self._reader

    def _keep(
        self,
        block: Block,
        decided: Decided,
        passed: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]",
        people: list[tuple[Person, int]],
    ) -> None:
        """Spool what was decided in bulk, but for lines within other rows, and what was not."""
        rows, foreign = decided.rows, decided.foreign
        rows["row"] = block.numbers()[decided.lines]
        kept = passed[decided.lines]
        if not kept.all():
            rows, foreign = rows[kept], foreign[kept]
        for family in (False, True):
            others = [(p.place, p.updated, n, p.record) for p, n in people if p.foreign is family]
            some = rows[foreign] if family else rows[~foreign]
            self._spool.add(np.concatenate((some, np.array(others, ROW))), foreign=family)

    def _reject(self, block: Block, row: int, column: str, reason: str) -> None:
        if block.ends_open:
            raise LoadRefused(
                f"{self._source.name}: the file ends in the middle of row {row}: it was cut short; "
                "nothing was loaded: fetch the whole file and load it."
            )
        self._rejects.reject(row, column, reason)
        most_rows = self.rows + (block.text_after() + _WORTH_READING) // SHORTEST_ROW
        if self._rejects.rejected > self._max_share * most_rows:
            raise self._too_many()

    def _too_many(self) -> LoadRefused:
        rejected, rows = self._rejects.rejected, self.rows
        reasons = ", ".join(
            f"{reason} ({count:,})" for reason, count in self._rejects.reasons.most_common(3)
        )
        return LoadRefused(
            f"{self._source.path}: {rejected:,} of the {rows:,} rows read are rejected, and "
            f"{self._max_share:.2%} are allowed (max_reject_share): {reasons}. "
            f"Nothing was loaded; {self._rejects.path.name} names each row: mend the export and "
            "load it again."
        )


def _no_header(name: str) -> LoadRefused:
    return LoadRefused(f"{name} does not begin with a header of column names.")
