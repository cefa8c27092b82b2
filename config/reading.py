"""
From a TOML document to frozen dataclasses, loud about every mistake.

A dataclass says which keys there are and of which type; `within(low, high)` on a field bounds
a number; `choice("a", "b")` names what a text may be. What is not a field is refused, named
with its file and line, and with the field it resembles.

A field that is a dataclass itself is a table below; `read_tables` reads an array of tables.
"""

import dataclasses
import difflib
import os
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from config.toml_lines import Document, KeyPath

T = TypeVar("T")

MAX_SECRET_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that is never shown: not by print, not by a log, not in a traceback."""

    value: str = ""

    def __repr__(self) -> str:
        return "Secret(***)" if self.value else "Secret()"

    def __bool__(self) -> bool:
        return bool(self.value)


def within(low: float, high: float) -> dict[str, Any]:
    """Field metadata: a number from `low` to `high`, both included."""
    return {"within": (low, high)}


def choice(*texts: str) -> dict[str, Any]:
    """Field metadata: one of these texts."""
    return {"choice": texts}


def url(*schemes: str, mistake: Callable[[str], str] = lambda url: "") -> dict[str, Any]:
    """Field metadata of a Secret: a URL with one of these schemes.

    It may be written plainly while there is no password in it. `mistake` says what else is wrong
    with one, in a sentence that quotes nothing of it, or "".
    """
    return {"url": schemes, "mistake": mistake}


def read_section(
    kind: type[T],
    document: Document,
    path: KeyPath,
    environ: Mapping[str, str],
    problems: list[str],
) -> dict[str, Any]:
    """The values of one table for the fields of `kind`, checked; only those that are given.

    What is wrong is added to `problems`, one sentence each, naming file and line.
    """
    table: Any = document.data
    for name in path:
        table = table[name] if isinstance(name, int) else table.get(name, {})
    if not isinstance(table, dict):
        problems.append(f"{document.where(*path)}: [{_dotted(path)}] must be a table of settings.")
        return {}
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {}
    for key, value in table.items():
        if key not in fields:
            problems.append(unknown_key(document, (*path, key), list(fields)))
            continue
        if dataclasses.is_dataclass(hints[key]) and hints[key] is not Secret:
            below = read_section(hints[key], document, (*path, key), environ, problems)
            values[key] = hints[key](**below)
            continue
        try:
            values[key] = _value(value, hints[key], fields[key].metadata, environ)
        except ValueError as error:
            where = document.where(*path, key)
            problems.append(f"{where}: {_dotted((*path, key))}: {error}")
    return values


def read_tables(
    kind: type[T],
    document: Document,
    name: str,
    environ: Mapping[str, str],
    problems: list[str],
) -> tuple[T, ...]:
    """An array of tables ([[name]]), one `kind` each; those that are whole.

    What a table doesn't give has its field's default; a field without one must be given.
    """
    tables = document.data.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(f"{document.where(name)}: {name}: tables headed [[{name}]] are needed.")
        return ()
    found = []
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    needed = [field.name for field in fields if field.default is dataclasses.MISSING]
    for number, table in enumerate(tables):
        values = read_section(kind, document, (name, number), environ, problems)
        missing = [key for key in needed if key not in table]
        problems += [
            f"{document.where(name, number)}: {name}.{key}: it is missing." for key in missing
        ]
        # A key that is there and wrong has had its sentence.
        if all(key in values for key in needed):
            found.append(kind(**values))
    return tuple(found)


def unknown_key(document: Document, path: tuple[str | int, ...], known: list[str]) -> str:
    """The sentence for a key that nobody reads."""
    key = str(path[-1])
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}."
    inside = f" in [{_dotted(path[:-1])}]" if len(path) > 1 else ""
    return f"{document.where(*path)}: unknown key {key!r}{inside}; {hint}"


def _dotted(path: KeyPath) -> str:
    """A key as it is written; which table of an array it is in, the line says."""
    return ".".join(name for name in path if isinstance(name, str))


def _value(value: Any, hint: Any, metadata: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """The value as its field's type. Raises ValueError whose text says what is needed."""
    if hint is Secret:
        return _secret(value, metadata, environ)
    if hint is bool:
        return _typed(value, bool, "true or false")
    if hint is int:
        return _bounded(_typed(value, int, "a whole number"), metadata)
    if hint is float:
        number = float(value) if type(value) is int else _typed(value, float, "a number")
        return _bounded(number, metadata)
    if hint is str:
        return _chosen(_typed(value, str, "a text in quotes"), metadata)
    if get_origin(hint) is tuple and get_args(hint)[0] is str:
        texts = _typed(value, list, "a list of texts")
        return tuple(_chosen(_typed(text, str, "a list of texts"), metadata) for text in texts)
    if get_origin(hint) is tuple and get_args(hint)[0] is int:
        numbers = _typed(value, list, "a list of whole numbers")
        return tuple(
            _bounded(_typed(number, int, "a list of whole numbers"), metadata) for number in numbers
        )
    raise TypeError(f"no way to read a setting of type {_name(hint)}")


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type | types.FunctionType) else str(hint)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _typed(value: Any, kind: type[T], needed: str) -> T:
    if type(value) is kind:
        return value
    got = _WORDS.get(type(value), "something else")
    raise ValueError(f"{needed} is needed, not {got}.")


def _bounded(number: Any, metadata: Mapping[str, Any]) -> Any:
    low, high = metadata.get("within", (0, float("inf")))
    if not low <= number <= high:
        upper = "" if high == float("inf") else f" to {high:g}"
        raise ValueError(f"{number:g} is out of range; from {low:g}{upper} is needed.")
    return number


def _chosen(text: str, metadata: Mapping[str, Any]) -> str:
    texts = metadata.get("choice")
    if texts and text not in texts:
        raise ValueError(f"one of {', '.join(texts)} is needed.")
    return text


def _secret(value: Any, metadata: Mapping[str, Any], environ: Mapping[str, str]) -> Secret:
    """Where a secret is to be found; itself it never stands in a settings file."""
    text = _typed(value, str, 'a text such as "env:NAME" or "file:/path"')
    if not text:
        return Secret()
    scheme, _, rest = text.partition(":")
    if scheme == "env" and rest:
        if not environ.get(rest):
            raise ValueError(f"the environment variable {rest} is not set.")
        return _checked(environ[rest], metadata)
    if scheme == "file" and rest:
        return _checked(_secret_file(Path(rest)), metadata)
    if metadata.get("url"):
        if not _may_hold_password(text):
            return _checked(text, metadata)
        raise ValueError(
            'a URL with a password in it is given as "env:NAME" or "file:/path", never itself.'
        )
    raise ValueError('a secret is given as "env:NAME" or "file:/path", never itself.')


def _may_hold_password(url: str) -> bool:
    """A user alone is none, where it cannot be a key that is given as one: in SQL."""
    scheme, _, rest = url.partition("://")
    login, at, _ = rest.rpartition("@")
    return "password" in url or bool(at and (scheme != "postgresql" or ":" in login))


def _checked(value: str, metadata: Mapping[str, Any]) -> Secret:
    """A secret found; of one that is a URL the beginning is proved. Never quotes it."""
    schemes: tuple[str, ...] = metadata.get("url", ())
    if schemes and not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        *most, last = (f"{scheme}://" for scheme in schemes)
        raise ValueError(f"a URL that begins with {', '.join(most)} or {last} is needed.")
    if schemes and (mistake := metadata["mistake"](value)):
        raise ValueError(mistake)
    return Secret(value)


def _secret_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_OCTETS + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({os.strerror(error.errno or 0)}).") from None
    text = raw.decode("utf-8", "replace").strip()
    if not text or len(raw) > MAX_SECRET_OCTETS:
        raise ValueError(f"{path} must hold the secret alone, on one line.")
    return text
