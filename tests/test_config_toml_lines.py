"""TOML with its lines."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import Document, parse_toml

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


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the file holds, it is read as tomllib reads it or refused in one sentence."""
    try:
        document = parse_toml(text, "t")
    except ConfigError:
        return
    assert isinstance(document, Document)
    assert document.data == tomllib.loads(text.replace("\r\n", "\n"))
