"""
A TOML table whose every key is asked for.

What is missing, of another type or not asked for is one sentence with file and line.
"""

import re
from datetime import date, datetime
from typing import Any, NoReturn

from config.errors import ConfigError
from config.toml_lines import Document

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST_ITEMS = 1000


class Table:
    """One table of a document. Ask for its keys, then call `end`. All methods raise ConfigError."""

    def __init__(self, document: Document, *path: str | int) -> None:
        found: Any = document.data
        for depth, part in enumerate(path, start=1):
            if isinstance(part, str) and not (isinstance(found, dict) and part in found):
                where = document.where(*path[: depth - 1])
                raise ConfigError(f"{where}: {self._called(path[:depth])} is missing.")
            found = found[part]
        self._document = document
        self._path = path
        if not isinstance(found, dict):
            raise ConfigError(f"{document.where(*path)}: {self._called(path)} must be a table.")
        self._data: dict[str, Any] = found
        self._asked: set[str] = set()

    @staticmethod
    def _called(path: tuple[str | int, ...]) -> str:
        return '"' + ".".join(str(part)[:64] for part in path) + '"'

    def line(self, key: str | None = None) -> int:
        """The line of a key, or of the table."""
        return self._document.line(*self._path, *([key] if key is not None else []))

    def refuse(self, key: str | None, what: str) -> NoReturn:
        """Complain about a key, or about the table."""
        path = (*self._path, key) if key is not None else self._path
        raise ConfigError(f"{self._document.where(*path)}: {self._called(path)} {what}.")

    def own_keys(self) -> list[str]:
        """All keys of a table whose names are the author's own; they count as asked for."""
        if len(self._data) > MOST_ITEMS:
            self.refuse(None, f"has more than {MOST_ITEMS} entries")
        self._asked.update(self._data)
        return list(self._data)

    def table(self, key: str) -> "Table":
        """A table inside this one."""
        self._asked.add(key)
        return Table(self._document, *self._path, key)

    def has(self, key: str) -> bool:
        """Whether the key is there; it counts as asked for."""
        self._asked.add(key)
        return key in self._data

    def table_or_none(self, key: str) -> "Table | None":
        """As `table`; None where the key is absent."""
        return self.table(key) if self.has(key) else None

    def tables(self, key: str) -> list["Table"]:
        """An array of tables inside this one, one at least."""
        self._asked.add(key)
        found = self._found(key)
        if not isinstance(found, list) or not found or len(found) > MOST_ITEMS:
            self.refuse(key, "must be one or more tables, each under [[ ]]")
        return [Table(self._document, *self._path, key, index) for index in range(len(found))]

    def text(self, key: str, pattern: re.Pattern[str] | None = None, like: str = "") -> str:
        """A string that is not empty; `like` says in words what the pattern wants."""
        self._asked.add(key)
        found = self._found(key)
        if not isinstance(found, str) or not found.strip():
            self.refuse(key, "must be a text in quotation marks")
        if pattern and not pattern.fullmatch(found):
            self.refuse(key, f"must be {like}")
        return found

    def name(self, key: str, pattern: re.Pattern[str] = NAME) -> str:
        """The name of a screen, phrase or language."""
        return self.text(key, pattern, "a name of small letters, digits and _, such as ask_id")

    def name_or_none(self, key: str, pattern: re.Pattern[str] = NAME) -> str | None:
        """As `name`; None where the key is absent."""
        self._asked.add(key)
        return self.name(key, pattern) if key in self._data else None

    def text_or(self, key: str, default: str, pattern: re.Pattern[str], like: str) -> str:
        """As `text`; the default where the key is absent."""
        return self.text(key, pattern, like) if self.has(key) else default

    def names(self, key: str, *, least: int) -> tuple[str, ...]:
        """A list of names, none twice; an absent key is an empty list."""
        self._asked.add(key)
        found = self._data.get(key, [])
        if not isinstance(found, list) or not least <= len(found) <= MOST_ITEMS:
            self.refuse(key, f"must be a list of at least {least} names")
        if not all(isinstance(item, str) and NAME.fullmatch(item) for item in found):
            self.refuse(key, "must hold names of small letters, digits and _ alone")
        if len(set(found)) < len(found):
            self.refuse(key, "names something twice")
        return tuple(found)

    def number(self, key: str, least: int, most: int) -> int:
        """A whole number within limits."""
        self._asked.add(key)
        found = self._found(key)
        if type(found) is not int or not least <= found <= most:
            self.refuse(key, f"must be a whole number from {least} to {most}")
        return found

    def day(self, key: str) -> date:
        """A date, written without quotation marks."""
        self._asked.add(key)
        found = self._found(key)
        if not isinstance(found, date) or isinstance(found, datetime):
            self.refuse(key, "must be a date such as 2026-11-21, without quotation marks")
        return found

    def text_or_empty(self, key: str) -> str:
        """A string that may be empty, or be absent."""
        self._asked.add(key)
        found = self._data.get(key, "")
        if not isinstance(found, str):
            self.refuse(key, "must be a text in quotation marks")
        return found

    def number_or(self, key: str, default: int, least: int, most: int) -> int:
        """As `number`; the default where the key is absent."""
        return self.number(key, least, most) if self.has(key) else default

    def span(self, key: str, least: int, most: int) -> tuple[int, int]:
        """Two whole numbers within limits, the first not above the second."""
        self._asked.add(key)
        found = self._found(key)
        if (
            not isinstance(found, list)
            or [type(number) for number in found] != [int, int]
            or not least <= found[0] <= found[1] <= most
        ):
            self.refuse(key, f"must be two whole numbers from {least} to {most}, such as [4, 8]")
        return found[0], found[1]

    def flag(self, key: str) -> bool:
        """true or false; false where the key is absent."""
        self._asked.add(key)
        found = self._data.get(key, False)
        if not isinstance(found, bool):
            self.refuse(key, "must be true or false")
        return found

    def end(self) -> None:
        """Refuse the first key that nobody asked for: it may be a misspelt one."""
        for key in self._data:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                self.refuse(key, f"is not known here; known are {known}")

    def _found(self, key: str) -> Any:
        if key not in self._data:
            path = (*self._path, key)
            raise ConfigError(
                f"{self._document.where(*self._path)}: {self._called(path)} is missing."
            )
        return self._data[key]
