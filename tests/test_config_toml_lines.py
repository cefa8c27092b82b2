"""TOML with its lines."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import Document, parse_toml, read_toml

TREE = '''# a comment
[limits]
tries = 3

[entry]
"*4*1420" = "main"

[screen.main]
text = """
[not.a.table]
"""
[[screen.main.option]]
key = "1"
[[screen.main.option]]
key = "9"
go.to = "x"
'''


def test_each_key_is_found_on_its_line() -> None:
    """Tables, quoted keys, dotted keys and items of arrays of tables are each on their line."""
    document = parse_toml(TREE, "tree.toml")
    assert document.where("limits", "tries") == "tree.toml:3"
    assert document.line("entry", "*4*1420") == 6
    assert document.line("screen", "main", "option", 1, "key") == 15
    assert document.line("screen", "main", "option", 1, "go", "to") == 16
    assert document.line("screen", "main", "option", 0) == 12
    assert document.line("not") == 1


def test_what_is_missing_is_placed_at_the_table_around_it() -> None:
    """A key that is not there is named at the table in which it was looked for."""
    assert parse_toml(TREE, "t").line("screen", "main", "nothing") == 8


def test_a_syntax_error_names_its_line() -> None:
    """A file that is not TOML is refused with its name and the line of the mistake."""
    with pytest.raises(ConfigError, match=r"^t\.toml:2: not valid TOML"):
        parse_toml("a = 1\nb = = 2\n", "t.toml")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("x = " + "[" * 5_000, "nested too deep"),
        ("x = [\n" + "{a=" * 5_000, "nested too deep"),
        (f"x = {'9' * 5_000}", "a number too long"),
        (f"{'a.' * 70}a = 1", "a name of more than 64 parts"),
        (f"[{'a . ' * 70}a]", "a name of more than 64 parts"),
    ],
)
def test_what_would_exhaust_a_parser_names_its_line(fault: str, says: str) -> None:
    """What the parser itself gives up on is named with the line it is in, whatever follows."""
    line = 3 + fault.count("\n")
    with pytest.raises(ConfigError, match=rf"^t\.toml:{line}: .*{says}"):
        parse_toml(f"a = 1\nb = 2\n{fault}\nc = 3\n" + "# more\n" * 50, "t.toml")


def test_a_table_without_a_head_begins_with_what_is_in_it() -> None:
    """A table that only its tables make is named where the first of them stands."""
    assert parse_toml("a = 1\n[one.two.three]\nb = 2\n[one.four]\n", "t").line("one") == 2
    assert parse_toml(TREE, "t").line("screen") == 8


def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder or a pipe in a file's place is named, and nobody waits for it."""
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    for name in ("pipe.toml", "folder.toml"):
        with pytest.raises(ConfigError, match=rf"{name}: is no file\.$"):
            read_toml(tmp_path / name)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the file holds, it is read as tomllib reads it or refused in one sentence."""
    try:
        document = parse_toml(text, "t")
    except ConfigError:
        return
    assert isinstance(document, Document)
    assert document.data == tomllib.loads(text.replace("\r\n", "\n"))
