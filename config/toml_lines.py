"""
TOML that remembers its lines.

tomllib gives values without places, yet every complaint about a file must name the line. The
text is read once by tomllib, for the truth, and once here, only to find where each table and
key begins; a key that this second reading misses is placed at the nearest table around it.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from config.errors import ConfigError

KeyPath = tuple[str | int, ...]

MAX_OCTETS = 1 << 20
"""A file of settings, phrases or dialogue beyond this is refused unread."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_NAME})[ \t]*\]")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*=")
_PARTS = re.compile(_PART)
# Far more than any of ours has; each part costs the parser all the parts before it.
_MOST_PARTS = 64
_LONG_PATH = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}[ \t]*\.[ \t]*){{{_MOST_PARTS}}}")
_LINE_OF_ERROR = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file read: its values, and the line on which each begins."""

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def line(self, *path: str | int) -> int:
        """The line (from 1) of a key, table or array item, or of the nearest one around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return 1

    def where(self, *path: str | int) -> str:
        """`file:line`, as error messages name a place."""
        return f"{self.name}:{self.line(*path)}"


def read_toml(source: Path | Traversable) -> Document:
    """Read a TOML file.

    Raises ConfigError, naming file and line, where it cannot be read, is larger than
    MAX_OCTETS, is not UTF-8 or is not TOML.
    """
    name = str(source) if isinstance(source, Path) else source.name
    return parse_toml(read_text(source, name), name)


def read_text(source: Path | Traversable, name: str) -> str:
    """The text of a file, of MAX_OCTETS at most; no more of it is read.

    Raises ConfigError, naming file and line, where it cannot be read or is not UTF-8.
    """
    try:
        if isinstance(source, Path) and source.exists() and not source.is_file():
            raise ConfigError(f"{name}: is no file.")
        with source.open("rb") as file:
            raw = file.read(MAX_OCTETS + 1)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"{name}: cannot be read ({reason}).") from None
    if len(raw) > MAX_OCTETS:
        line = raw.count(b"\n", 0, MAX_OCTETS) + 1
        raise ConfigError(f"{name}:{line}: goes on after the {MAX_OCTETS} octets allowed.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: not UTF-8; save the file as UTF-8.") from None


def parse_toml(text: str, name: str) -> Document:
    """Read TOML from text; `name` stands for the file in messages. Raises ConfigError."""
    text = text.replace("\r\n", "\n")
    if deep := _LONG_PATH.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError(f"{name}:{line}: a name of more than {_MOST_PARTS} parts.")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _LINE_OF_ERROR.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        what = _LINE_OF_ERROR.sub("", str(error)).strip()
        raise ConfigError(f"{name}:{line}: not valid TOML: {what[:200]}.") from None
    except (RecursionError, ValueError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else "a number too long"
        raise ConfigError(f"{name}:{_line_of_fault(text)}: not valid TOML: {what}.") from None
    return Document(name, data, _lines(text))


def _line_of_fault(text: str) -> int:
    """The line of what the parser refuses without saying where."""
    lines = text.split("\n")
    sound, broken = 0, len(lines)
    while broken - sound > 1:
        middle = (sound + broken) // 2
        try:
            tomllib.loads("\n".join(lines[:middle]))
        except tomllib.TOMLDecodeError:
            sound = middle  # cut in the middle of something: the fault comes later
        except (RecursionError, ValueError):
            broken = middle
        else:
            sound = middle
    return broken


def _lines(text: str) -> dict[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    quote = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if head := _TABLE.match(line):
            table = _enter(_split(head[2]), counts, new_item=head[1] == "[[")
            for depth in range(1, len(table) + 1):
                # A table without a head of its own begins with the first that is inside it.
                lines.setdefault(table[:depth], number)
        elif key := _KEY.match(line):
            path = table
            for part in _split(key[1]):
                path = (*path, part)
                lines.setdefault(path, number)
            for mark in ('"""', "'''"):
                if line.count(mark) % 2:
                    quote = mark
    return lines


def _enter(names: tuple[str, ...], counts: dict[KeyPath, int], *, new_item: bool) -> KeyPath:
    """The path of a table header, with the index of each array of tables it runs through."""
    path: KeyPath = ()
    for depth, name in enumerate(names, start=1):
        path = (*path, name)
        if new_item and depth == len(names):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(_unquoted(part) for part in _PARTS.findall(dotted))


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    value = tomllib.loads(f"k = {part}")["k"]
    assert isinstance(value, str)
    return value
