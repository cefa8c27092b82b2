import gzip
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eligibility.csv_lines import MAX_LINE, Fields, Unreadable, rows
from eligibility.csv_rows import COLUMNS, Header, Rejected, RowReader
from eligibility.csv_source import CsvSource
from eligibility.load_errors import LoadRefused
from eligibility.record import unpack
from eligibility.rejects import rejects_path
from tests.loading import NOW, line, national


def rows_of(content: bytes, name: str = "people.csv") -> list[Fields | Unreadable]:
    """The rows of a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        with CsvSource(path) as source:
            return list(rows(source))


def split(content: bytes, name: str = "people.csv") -> list[list[str] | str]:
    """The fields of each row, or why it has none."""
    return [row.values if isinstance(row, Fields) else row.reason for row in rows_of(content, name)]


PLAIN = [["a", "b"], ["1", "۲"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_any_form(end: str, encoding: str, packed: bool) -> None:
    """Line ends, byte-order marks, UTF-16 and gzip make no difference to what is read."""
    for last_end in (end, ""):
        content = f"a,b{end}1,۲{last_end}".encode(encoding)
        assert split(gzip.compress(content) if packed else content) == PLAIN


def test_quotes() -> None:
    """Quoted fields may hold commas, quotes and line ends, and count as one row."""
    content = b'a,b\n"1","x ""y"", z\r\nsecond line"\n3,4\n'
    assert [(row.row, row.values) for row in rows_of(content) if isinstance(row, Fields)] == [
        (1, ["a", "b"]),
        (2, ["1", 'x "y", z\r\nsecond line']),
        (3, ["3", "4"]),
    ]


def test_quote_never_closed() -> None:
    """A quote that is never closed costs its own row; those after it are read."""
    rows = rows_of(b'a,b\n"1,2\n' + b"3,4\n" * 100)
    assert isinstance(rows[1], Unreadable)
    assert rows[1].row == 2
    assert [(row.row, row.values) for row in rows[2:] if isinstance(row, Fields)] == [
        (number, ["3", "4"]) for number in range(3, 103)
    ]


def test_long_line() -> None:
    """A line without end is not held in memory; it costs its own row."""
    rows = rows_of(b"a,b\n" + b"x" * (5 * MAX_LINE) + b"\n1,2\n")
    assert [type(row) for row in rows] == [Fields, Unreadable, Fields]
    assert rows[-1].row == 3


def test_empty_rows_count() -> None:
    """Empty rows are left out, but rows are numbered as a spreadsheet shows them."""
    rows = rows_of(b"a,b\n\n,,\r\n1,2\n")
    assert [row.row for row in rows] == [1, 4]


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "people.csv", "is empty"),
        (b"", "people.csv.gz", "is empty"),
        (gzip.compress(b""), "people.csv.gz", "is empty"),
        (b"a,b\n", "people.csv.gz", "is no gzip file"),
        (gzip.compress(b"a,b\n1,2\n" * 999)[:-9], "people.csv.gz", "cut short"),
        (gzip.compress(b"a,b\n1,2\n")[:12], "people.csv.gz", "cut short"),
        (b"\x1f\x8b", "people.csv.gz", "cut short"),
        (gzip.compress(b"a,b\n1,2\n")[:-8] + b"\0" * 8, "people.csv.gz", "damaged"),
        (b"\x1f\x8b\x08" + b"?" * 99, "people.csv", "damaged"),
        (
            "a,b\n1,2\n3,تهران\n".encode("windows-1256"),
            "people.csv",
            "row 3: the text is not UTF-8",
        ),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "people.csv", "not UTF-16"),
        (b"PK\x03\x04" + b"?" * 99, "people.xlsx", "save it as CSV"),
        (b"PK\x03\x04" + b"?" * 99, "people.csv", "save it as CSV"),
    ],
)
def test_unfit(content: bytes, name: str, says: str) -> None:
    """An empty, damaged or wrongly encoded file is refused in a sentence that says so."""
    with pytest.raises(LoadRefused, match=says) as refused:
        rows_of(content, name)
    assert str(refused.value).partition(name)[0].endswith("/")


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, or is a folder, is refused in a sentence."""
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(LoadRefused, match=f"^{path} cannot be read"):
            CsvSource(path)


def test_changed_while_read(tmp_path: Path) -> None:
    """A file that is still being written is refused."""
    path = tmp_path / "people.csv"
    path.write_bytes(b"a,b\n1,2\n")
    with CsvSource(path) as source:
        read = rows(source, size=4)
        next(read)
        with path.open("ab") as file:
            file.write(b"3,4\n")
        with pytest.raises(LoadRefused, match="changed"):
            list(read)


@given(st.binary(max_size=300))
@example(b"\xff\xfe\x00\xd8\x00")
@example(b'"\r"\n,\0"')
def test_any_bytes(content: bytes) -> None:
    """Whatever the file holds, it is read row by row or refused in a sentence."""
    for form in (content, gzip.compress(content), b"\x1f\x8b\x08\0" + content):
        try:
            rows = rows_of(form)
        except LoadRefused:
            continue
        numbers = [row.row for row in rows]
        assert numbers == sorted(set(numbers))


FIELDS = st.text(max_size=12) | st.sampled_from(
    ["active", "main", "", "2027-02-30", "12", national(1), "2026-11-01T00:00:00Z", "9" * 30]
)


@given(st.lists(FIELDS, max_size=8))
@example([national(1), "active", "", "main", "", "0001-01-01T00:00:00+23:59"])
@example([national(1), "active", "", "main", "", "9999-12-31T23:59:59.999999-23:59"])
def test_any_fields(values: list[str]) -> None:
    """Whatever a row's fields hold, it is a person or it is rejected for a named reason."""
    reader = RowReader(Header.read("x", list(COLUMNS)), NOW, pad_ids=True)
    try:
        person = reader.read(values)
    except Rejected:
        return
    assert unpack(person.record).updated_at <= NOW


@pytest.mark.parametrize(
    ("row", "column", "says"),
    [
        (line("1234567890"), "national_id", "wrong check digit"),
        (line(""), "national_id", "is empty"),
        (line("12345679"), "national_id", "8 digits: 10 are needed.*leading zeros.*--pad-ids"),
        (line("12345679.0"), "national_id", "spreadsheet"),
        (line("123"), "national_id", "neither 10 digits nor 12"),
        (line(national(1), status="covered"), "status", "none of active, inactive, pending"),
        (line(national(1), kind="x"), "kind", "none of main"),
        (line(national(1), valid_until="2027-02-29"), "valid_until", "no date that exists"),
        (line(national(1), valid_until="1405-12-29"), "valid_until", "Gregorian"),
        (line(national(1), valid_until="20/03/2027"), "valid_until", "no date"),
        (line(national(1), branch="tehran"), "branch", "no number"),
        (line(national(1), branch="-1"), "branch", "no number"),
        (line(national(1), branch="65535"), "branch", "above 65534"),
        (line(national(1), updated_at=""), "updated_at", "no moment"),
        (line(national(1), updated_at="2026-11-31"), "updated_at", "no moment"),
        (line(national(1), updated_at="2026-11-23"), "updated_at", "more than a day ahead"),
        (line(national(1), updated_at="1969-01-01"), "updated_at", "before 1970"),
        ("x,y", "", "has 2 fields where the header has 6"),
        (line(national(1)) + ",7", "", "has 7 fields where the header has 6"),
    ],
)
def test_rejected(row: str, column: str, says: str) -> None:
    """A row that is wrong is rejected with its column and a reason that holds no ID."""
    reader = RowReader(Header.read("x", list(COLUMNS)), NOW)
    with pytest.raises(Rejected, match=says) as rejected:
        reader.read(row.split(","))
    assert rejected.value.column == column
    assert "1234567" not in rejected.value.reason


@pytest.mark.parametrize(
    "row",
    [
        line("۰۰۰۰۰۰۰۰۱۹", valid_until="۲۰۲۷-۰۳-۲۰", branch="۱۲", updated_at="۲۰۲۶-۱۱-۰۱T۰۸:۰۰:۰۰"),
        line(" 0000000019 ", " ACTIVE ", " 2027-03-20", " Main", " 12 ", "2026-11-01 08:00:00"),
        line("0000000019", updated_at="2026-11-01T04:30:00Z"),
        line("0000000019", updated_at="2026-11-01T04:30:00+00:00") + ",,",
    ],
)
def test_same_person(row: str) -> None:
    """Persian digits, blanks, capitals, Tehran time and offsets all mean the same."""
    reader = RowReader(Header.read("x", list(COLUMNS)), NOW)
    assert reader.read(row.split(",")) == reader.read(line("0000000019").split(","))


def test_padded() -> None:
    """Lost zeros are put back only when told to, and only where the check digit then holds."""
    reader = RowReader(Header.read("x", list(COLUMNS)), NOW, pad_ids=True)
    whole = reader.read(line("0012345679").split(","))
    assert reader.read(line("12345679").split(",")) == whole
    with pytest.raises(Rejected, match="wrong check digit"):
        reader.read(line("12345678").split(","))
    with pytest.raises(Rejected, match="neither 10"):
        reader.read(line("0000019"[2:]).split(","))


def test_clock_ahead() -> None:
    """A registry whose clock is a little ahead is believed: by it one knows what is newer."""
    reader = RowReader(Header.read("x", list(COLUMNS)), NOW)
    person = reader.read(line(national(1), updated_at="2026-11-22T09:00:00+03:30").split(","))
    assert unpack(person.record).updated_at == NOW + timedelta(hours=20, minutes=30)


def test_header() -> None:
    """Columns are found in any order and spelling; what is missing or doubled is named."""
    titles = ["x", "Updated At", " BRANCH", "kind", "\ufeffNational_ID", "Status", "valid_until "]
    header = Header.read("x", titles)
    assert (header.national_id, header.updated_at, header.columns) == (4, 1, 7)
    with pytest.raises(LoadRefused, match="no column status, branch in"):
        Header.read("people.csv", ["national_id", "valid_until", "kind", "updated_at"])
    with pytest.raises(LoadRefused, match="kind more than once"):
        Header.read("people.csv", [*COLUMNS, "KIND"])
    with pytest.raises(LoadRefused, match="separated by commas"):
        Header.read("people.csv", [";".join(COLUMNS)])


def test_rejects_name() -> None:
    """The rejects lie beside the file, under its name."""
    names = ["people.csv", "people.csv.gz", "people.txt", ".csv"]
    assert [rejects_path(Path("d", name)).name for name in names] == [
        "people.rejects.csv",
        "people.rejects.csv",
        "people.txt.rejects.csv",
        ".csv.rejects.csv",
    ]
