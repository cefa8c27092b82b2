"""
Changes in a file: CSV as the loader reads it, or one JSON object a line, with the same names.

    {"national_id": "...", "status": "active", "valid_until": "2027-03-20", "kind": "main",
     "branch": 12, "updated_at": "2026-11-21T10:30:00+03:30"}

Each is read as the loader would read it, and what it would reject goes to the same rejects file.
Digits become Latin ones on the way; nothing else is changed.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from eligibility.csv_lines import MAX_LINE, Fields
from eligibility.csv_lines import rows as csv_rows
from eligibility.csv_rows import COLUMNS, Header, Rejected, RowReader
from eligibility.csv_source import CsvSource
from eligibility.load_errors import LoadRefused
from eligibility.rejects import Rejects
from persian.digits import to_ascii_digits

_HEADER: Final = Header.read("JSON lines", list(COLUMNS))


def read_changes(
    path: Path, rejects: Rejects, now: datetime
) -> Iterator[tuple[list[str] | None, float]]:
    """The values of COLUMNS of each change (None: it was rejected), and how far that is (0 to 1).

    A file whose first sign is `{` has JSON lines. Raises LoadRefused, OSError.
    """
    with CsvSource(path) as source:  # refuses what is no text
        size = max(1, source.size)
        if not _has_json(path):
            yield from _csv(source, rejects, now, size)
            return
    yield from _json_lines(path, rejects, now, size)


def _has_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _csv(
    source: CsvSource, rejects: Rejects, now: datetime, size: int
) -> Iterator[tuple[list[str] | None, float]]:
    rows = csv_rows(source)
    first = next(rows, None)
    if not isinstance(first, Fields):
        raise LoadRefused(f"{source.path} does not begin with a header of column names.")
    header = Header.read(str(source.path), first.values)
    places = [getattr(header, column) for column in COLUMNS]
    reader = RowReader(header, now)
    for row in rows:
        if isinstance(row, Fields):
            change = _read(reader, row.row, row.values, rejects)
            yield change and _plain([change[place] for place in places]), source.position / size
        else:
            rejects.reject(row.row, "", row.reason)
            yield None, source.position / size


def _json_lines(
    path: Path, rejects: Rejects, now: datetime, size: int
) -> Iterator[tuple[list[str] | None, float]]:
    reader = RowReader(_HEADER, now)
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                rejects.reject(number, "", f"is longer than {MAX_LINE} octets")
                while line and line[-1:] != b"\n":
                    line = file.readline(MAX_LINE)
                yield None, file.tell() / size
            elif line.strip():
                values = _fields(line, number, rejects)
                change = values and _read(reader, number, values, rejects)
                yield change and _plain(change), file.tell() / size


def _fields(line: bytes, number: int, rejects: Rejects) -> list[str] | None:
    try:
        return _texts(json.loads(line))
    except Rejected as rejected:
        rejects.reject(number, rejected.column, rejected.reason)
    except (ValueError, RecursionError):
        rejects.reject(number, "", "is no JSON object")
    return None


def _texts(told: object) -> list[str]:
    if not isinstance(told, dict):
        raise Rejected("", "is no JSON object")
    texts = []
    for column in COLUMNS:
        if column not in told:
            raise Rejected(column, "is missing")
        value = told[column]
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            raise Rejected(column, "is neither a text nor a whole number")
        texts.append("" if value is None else str(value))
    return texts


def _read(reader: RowReader, row: int, values: list[str], rejects: Rejects) -> list[str] | None:
    try:
        reader.read(values)
    except Rejected as rejected:
        rejects.reject(row, rejected.column, rejected.reason)
        return None
    return values


def _plain(values: list[str]) -> list[str]:
    return [to_ascii_digits(value).strip() for value in values]
