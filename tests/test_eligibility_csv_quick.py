"""What is decided in bulk is what would have been decided row by row."""

import asyncio
import csv
import tempfile
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eligibility.csv_lines import Fields, Text, rows
from eligibility.csv_quick import QuickReader
from eligibility.csv_rows import COLUMNS, Header, Rejected, RowReader
from eligibility.csv_source import CsvSource
from eligibility.load_errors import LoadRefused
from eligibility.reading import Reading
from eligibility.rejects import Rejects
from eligibility.spool import ROW, Spool
from tests.loading import HEADER, NOW, covered, line, national

Row = tuple[bool, int, int, int, bytes]
"""Foreign or not, place, updated, row number, record."""
Told = tuple[list[Row], list[tuple[str, str, str]], str, int]
"""People, rejects by row, column and reason, why the file was refused, and how many rows."""


def in_bulk(content: bytes, size: int, share: float = 1.0, *, pad: bool = False) -> Told:
    """What the loader's reading pass makes of a file, read in pieces of a size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        path.write_bytes(content)
        refused = ""
        with CsvSource(path) as source, Rejects(path) as rejects:
            with Spool(Path(folder, "spools"), 0) as spool:
                reading = Reading(source, rejects, spool, NOW, pad_ids=pad, max_reject_share=share)

                async def read() -> None:
                    async with aclosing(reading.run(size)) as turns:
                        async for _ in turns:
                            pass

                try:
                    asyncio.run(read())
                except LoadRefused as error:
                    refused = str(error).replace(folder, "")
                people = waiting(spool)
            rejects.flush()
            with rejects.path.open(newline="") as file:
                listed = list(csv.reader(file))[1:]
        return people, [(a, b, c) for a, b, c in listed], refused, reading.rows


def waiting(spool: Spool) -> list[Row]:
    """The rows that lie in a spool, by row number."""
    found: list[Row] = []
    for name, file in spool._files.items():
        file.flush()
        kept = np.fromfile(file.name, dtype=ROW)
        for place, updated, row, record in kept.tolist():
            found.append((name[0], int(place), int(updated), int(row), bytes(record)))
    return sorted(found, key=lambda row: row[3])


def one_by_one(content: bytes, *, pad: bool = False) -> Told:
    """What is to come of it: each row by itself, through the reader that alone rejects."""
    people: list[Row] = []
    rejected: list[tuple[str, str, str]] = []
    refused, count, loaded, last = "", 0, 0, None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        path.write_bytes(content)
        try:
            with CsvSource(path) as source:
                read = rows(source)
                first = next(read, None)
                if not isinstance(first, Fields):
                    raise LoadRefused(f"{path} does not begin with a header of column names.")
                reader = RowReader(Header.read(str(path), first.values), NOW, pad_ids=pad)
                for row in read:
                    count += 1
                    last = row.row
                    if not isinstance(row, Fields):
                        rejected.append((str(row.row), "", row.reason))
                        continue
                    try:
                        who = reader.read(row.values)
                    except Rejected as why:
                        rejected.append((str(row.row), why.column, why.reason))
                        if not why.person:
                            continue
                        who = why.person
                    else:
                        loaded += 1
                    people.append((who.foreign, who.place, who.updated, row.row, who.record))
        except LoadRefused as error:
            refused = str(error).replace(folder, "")
    if not refused:
        if rejected and rejected[-1][0] == str(last) and lacks_end(content):
            refused = f"people.csv: the file ends in the middle of row {last}: it was cut short; "
            refused += "nothing was loaded: fetch the whole file and load it."
            rejected.pop()
        elif not count:
            refused = "/people.csv has a header and no people; nothing was loaded."
        elif not loaded:
            refused = "/people.csv has no row that can be loaded; see people.rejects.csv."
    return people, rejected, refused, count


def lacks_end(content: bytes) -> bool:
    """Whether there is something after the last line end."""
    text = content.decode("utf-16" if content[:2] == b"\xff\xfe" else "utf-8")
    return bool(text.replace("\r", "\n").rpartition("\n")[2].strip(", \t"))


def alike(content: bytes, size: int, *, pad: bool = False) -> None:
    """Both ways come to the same: of a file that is refused, in words and rejects."""
    told, expected = in_bulk(content, size, pad=pad), one_by_one(content, pad=pad)
    assert told[1:] == expected[1:]
    assert expected[2] or told[0] == expected[0]


IDS_TOLD = [
    "1111111111",
    "0000000019",
    "123456789012",
    "12345679",
    "1234567890",
    "000000000000",
    "1",
    *(str(digit) * 10 for digit in range(10)),
    "0000000012",
    "0000000019\0",
]
IDS = st.integers(0, 10**9 - 1).map(national) | st.sampled_from(IDS_TOLD)
DATES_TOLD = [
    "",
    "2027-02-29",
    "2028-02-29",
    "1950-01-01",
    "2129-06-05",
    "2129-06-06",
    "20270320",
    "2027",
    "1949-12-31",
    "2027-00-10",
    "2027-13-10",
    "2027-10-00",
    "2027-10-32",
    "2027-04-31",
]
DATES = st.dates().map(str) | st.sampled_from(DATES_TOLD)
TIMES_TOLD = [
    "2026-11-01",
    "2026-11-01T08:00:00",
    "2026-11-01T08:00:00Z",
    "2026-11-01 08:00:00.129+03:30",
    "2026-11-01T08:00:00.129999-11",
    "2026-11-01T08:00:00.1+03:30",
    "2026-11-01T08:00:00.12345678",
    "2026-11-01T08:00:00+0330",
    "2026-11-01T08:00:00+24:00",
    "2026-11-01T08:00:00+03:60",
    "2026-11-01T24:00:00",
    "2026-11-01T08:60:00",
    "2026-11-01T08:00:60",
    "2026-11-01x08:00:00",
    "2026-11-01T08:00",
    "2026-11-22T09:00:00Z",
    "2026-11-22T09:00:01Z",
    "1970-01-01",
    "1970-01-01T03:30:00",
    "1969-12-31",
    "2026-11-01T08:00:00-00:00",
    "2026-11-01T08:00:00.999999Z",
    "2026-11-01T08:00:00.99Z",
    "2026-11-01T08:00:00 03:30",
    "2026-11-01T08:00:00+3:30",
    "2026-11-01T08:00:00z",
    "2026-11-01T23:59:59-23:59",
    "2026-11-01Z",
]
TIMES = st.datetimes().map(lambda at: at.isoformat(" ")) | st.sampled_from(TIMES_TOLD)
WORDS = ["active", "inactive", "pending", "ACTIVE", "main", "dependant", "Pensioner", "voluntary"]
FIELDS = {
    "digits": IDS,
    "status": st.sampled_from([*WORDS[:4], "activ", "inactivee", " active"]),
    "valid_until": DATES,
    "kind": st.sampled_from([*WORDS[4:], "dependent", "dependantt", "pension"]),
    "branch": st.integers(0, 70_000).map(str) | st.sampled_from(["", "007", "65534", "65535"]),
    "updated_at": TIMES,
}


def one_odd(who: str, column: str, field: str) -> str:
    """A row in which all is well but one field."""
    return line(**({"digits": who} | {column: field}))


CANONICAL = st.builds(line, IDS, valid_until=st.sampled_from(["", "2027-03-20"]))
ONE_ODD = st.sampled_from(list(FIELDS)).flatmap(
    lambda column: st.builds(
        lambda who, field: one_odd(who, column, field),
        st.integers(1, 10**9 - 1).map(national),
        FIELDS[column],
    )
)
SPOILT = st.tuples(
    CANONICAL | ONE_ODD,
    st.integers(0, 80),
    st.sampled_from(["", '"', ",", "\n", "\r", "\0", "x", "۱", " ", "é", '""']),
).map(lambda spoilt: spoilt[0][: spoilt[1]] + spoilt[2] + spoilt[0][spoilt[1] :])
QUOTED = ONE_ODD.map(lambda row: ",".join(f'"{field}"' for field in row.split(",")))
LINES = st.lists(CANONICAL | ONE_ODD | SPOILT | QUOTED, max_size=12)


@settings(max_examples=200, deadline=None)
@given(
    LINES,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.integers(30, 600),
    st.booleans(),
)
def test_any_rows(
    lines: list[str], end: str, ended: bool, encoding: str, size: int, pad: bool
) -> None:
    """However rows are written, and wherever the text is cut, each is decided as by itself."""
    content = end.join([HEADER, *lines]) + (end if ended else "")
    alike(content.encode(encoding), size, pad=pad)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*FIELDS.values()), st.permutations(range(8)))
@example((national(1), "active", "", "main", "", "2026-11-01"), list(range(8)))
def test_any_columns(values: tuple[str, ...], order: list[int]) -> None:
    """Columns may stand in any order, with others between them."""
    titles = [*COLUMNS, "name", "city"]
    whole = [*values, "نام", 'a "b']
    lines = [",".join(titles[n] for n in order), ",".join(whole[n] for n in order)]
    alike(("\n".join(lines) + "\n").encode(), 1 << 20)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(4, 64))
@example(b'"\r"\n,\0"', 4)
@example(b"\xff\xfe\x00\xd8\x00", 4)
def test_any_bytes(content: bytes, size: int) -> None:
    """Whatever follows the header, both ways read the same rows, or refuse the file."""
    whole = HEADER.encode() + b"\n" + line(national(7)).encode() + b"\n" + content
    told, expected = in_bulk(whole, size), one_by_one(whole)
    assert told[2] == expected[2]
    # Which rejects were noted before the text could not be read depends on the pieces.
    assert "not UTF-8" in told[2] or told[1] == expected[1]
    assert told[2] or told[0] == expected[0]


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("extra", ["", ",نام", ",x"])
def test_canonical_rows_are_decided_in_bulk(quote: str, extra: str) -> None:
    """An ordinary export, quoted or not, with other columns or without, is read at full speed."""
    times = ["2026-11-01", "2026-11-01 08:00:00.123456+03", "2026-11-01T08:00:00Z"]
    lines = [line(national(n), updated_at=times[n % 3]) for n in range(1, 40)]
    lines += [line("123456789012", "PENDING", "", "dependant", "")]
    quoted = [",".join(f"{quote}{f}{quote}" for f in one.split(",")) for one in lines]
    content = "\r\n".join([HEADER + ",name" * bool(extra), *(one + extra for one in quoted)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        path.write_text(content + "\r\n", newline="")
        with CsvSource(path) as source:
            block = Text(source).block(next(source.pieces()))
            header = next(block.rows(np.zeros(block.lines, np.bool_)))
            assert isinstance(header, Fields)
            reader = QuickReader(Header.read("people.csv", header.values), NOW)
            decided = len(reader.read(block).lines)
    assert decided == len(lines)


@pytest.mark.parametrize(
    ("column", "fields"),
    [
        ("updated_at", TIMES_TOLD),
        ("valid_until", DATES_TOLD),
        ("digits", IDS_TOLD),
        (
            "branch",
            [
                "",
                "0",
                "65534",
                "65535",
                "00012",
                "000000012",
                "0000000123",
                "123456789",
                "1234567890",
                "12a",
                "-1",
            ],
        ),
        ("status", ["active", "INACTIVE", "Pending", "activ", "inactivee", " active", "active\0"]),
        ("kind", ["main", "dependant", "Voluntary", "PENSIONER", "dependent", "dependantt", "mai"]),
    ],
)
def test_each_form_of_a_field(column: str, fields: list[str]) -> None:
    """Every form of a field that is at an edge is decided alike, alone on its row."""
    for field in fields:
        alike((HEADER + "\n" + one_odd(national(3), column, field) + "\n").encode(), 1 << 20)


INNER = line(national(50)) + ",n"
WITHIN = [
    f'"x\r\n{INNER}\r\ny"',  # an ordinary line within the quotes of another row
    f'"x\n{INNER}',  # quotes that are never closed
    f'"\n{INNER}\n{INNER}\n"',
    f'"x\n{INNER}\n""\n{INNER}\n"',
    'a "b',
    '"a" b',
    '"a""b"',
    '""',
    '"',
]


@pytest.mark.parametrize("note", WITHIN)
@pytest.mark.parametrize("size", [40, 100, 1 << 20])
def test_lines_within_quotes(note: str, size: int) -> None:
    """A line that looks like a row, but lies within the quotes of another, is nobody."""
    notes = ["n", note, "n", note, "n"]
    lines = [f"{line(national(n))},{text}" for n, text in enumerate(notes, 1)]
    content = "\n".join([HEADER + ",note", *lines, *(f"{row},n" for row in covered(30, first=60))])
    alike(content.encode() + b"\n", size)


@given(st.integers(0, 10**9 - 1), st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_check_digits(nine: int, digit: int) -> None:
    """An ID is accepted in bulk where, and only where, it is accepted by itself."""
    alike((HEADER + "\n" + line(f"{nine:09}{digit}") + "\n").encode(), 1 << 20)


def test_a_line_without_end_is_not_held() -> None:
    """A line of megabytes costs its own row, and no more memory than a piece."""
    content = (HEADER + "\n" + line(national(1)) + "\n").encode() + b"x" * 3_000_000
    content += b"\n" + line(national(2)).encode() + b"\n"
    alike(content, 100_000)
    assert len(in_bulk(content, 100_000)[0]) == 2
