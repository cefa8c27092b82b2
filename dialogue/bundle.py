"""
A bundle: all files of one dialogue as texts, to be sent to other processes and built there.

    dialogue/tree.toml   phrases/fa.toml   phrases/en.toml   voice/fa.toml   …

Packed, it is a JSON object of names and texts, deflated. Its digest is over names and texts, so
what comes out of Redis is known to be what went in.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any

from config.errors import ConfigError
from config.toml_lines import read_text

MOST_FILES = 200
MOST_TEXT = 4 << 20
"""Octets of all texts together."""
MOST_PACKED = 1 << 20
DIGEST = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\.toml")


class BadBundle(Exception):
    """What is no bundle, or another than its digest says. The text is one sentence."""


@dataclass(frozen=True)
class Bundle:
    """Files by their names, such as "phrases/fa.toml"."""

    files: Mapping[str, str] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(self._json()).hexdigest()[:16]

    def folder(self, name: str) -> "Folder":
        """One of its folders, to be read like one on disk; empty if there is none."""
        own = {
            path.removeprefix(f"{name}/"): text
            for path, text in self.files.items()
            if path.startswith(f"{name}/")
        }
        return Folder(name, own)

    def pack(self) -> bytes:
        """For Redis. Raises BadBundle where it is larger than any dialogue."""
        raw = self._json()
        packed = zlib.compress(raw, 9)
        if len(raw) > MOST_TEXT or len(packed) > MOST_PACKED or len(self.files) > MOST_FILES:
            raise BadBundle(f"{len(self.files)} files of {len(raw)} octets are too many.")
        return packed

    def _json(self) -> bytes:
        return json.dumps(dict(self.files), ensure_ascii=False, sort_keys=True).encode()


def unpack(packed: bytes, digest: str) -> Bundle:
    """The bundle of this digest. Raises BadBundle."""
    if len(packed) > MOST_PACKED:
        raise BadBundle(f"{len(packed)} octets are more than a bundle has.")
    try:
        inflate = zlib.decompressobj()
        # A few octets can inflate to gigabytes: no more is let out than a bundle may have.
        raw = inflate.decompress(packed, MOST_TEXT + 1)
        files: Any = json.loads(raw) if inflate.eof and len(raw) <= MOST_TEXT else None
    except (zlib.error, ValueError, RecursionError):
        raise BadBundle("it cannot be unpacked.") from None
    if not isinstance(files, dict) or not 0 < len(files) <= MOST_FILES:
        raise BadBundle("it holds no files.")
    if not all(_NAME.fullmatch(name) and isinstance(text, str) for name, text in files.items()):
        raise BadBundle("it holds something else than a dialogue's files.")
    bundle = Bundle(files)
    try:
        found = bundle.digest
    except UnicodeEncodeError:
        raise BadBundle("it holds what is no text.") from None
    if found != digest:
        raise BadBundle(f"its files are those of {found}.")
    return bundle


def read_bundle(folders: Mapping[str, Path | Traversable]) -> Bundle:
    """The TOML files of some folders. Raises ConfigError, naming the file."""
    files: dict[str, str] = {}
    for folder, source in folders.items():
        try:
            found = sorted(
                (entry for entry in source.iterdir() if entry.name.endswith(".toml")),
                key=lambda entry: entry.name,
            )
        except OSError as error:
            raise ConfigError(f"{source}: cannot be read ({error.strerror}).") from None
        if len(found) > MOST_FILES:
            raise ConfigError(f"{source}: has more than {MOST_FILES} files of a dialogue.")
        for file in found:
            name = f"{folder}/{file.name}"
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{file}: cannot be published under such a name.")
            files[name] = read_text(file, str(file))
    return Bundle(files)


@dataclass(frozen=True, slots=True)
class File(Traversable):
    """A file of a bundle."""

    own_name: str
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """As in messages."""
        return self.own_name

    def is_file(self) -> bool:
        """Always."""
        return True

    def is_dir(self) -> bool:
        """Never."""
        return False

    def iterdir(self) -> Iterator[Traversable]:
        """Raises NotADirectoryError."""
        raise NotADirectoryError(20, "not a folder")

    def joinpath(self, *descendants: Any) -> Traversable:
        """Raises NotADirectoryError."""
        raise NotADirectoryError(20, "not a folder")

    def __truediv__(self, child: Any) -> Traversable:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        """Its text in UTF-8. Raises OSError where the bundle has no such file."""
        return self.text.encode()

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Its text."""
        return self.text

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """A stream over it."""
        raw = BytesIO(self.read_bytes())
        return raw if "b" in mode else TextIOWrapper(raw, encoding="utf-8")


class _Missing(File):
    """A file that the bundle does not have."""

    __slots__ = ()

    def is_file(self) -> bool:
        """Never."""
        return False

    def read_bytes(self) -> bytes:
        """Raises FileNotFoundError."""
        raise FileNotFoundError(2, "no such file in the bundle")


@dataclass(frozen=True, slots=True)
class Folder(Traversable):
    """A folder of a bundle."""

    own_name: str
    files: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """As in messages."""
        return self.own_name

    def __str__(self) -> str:
        return self.own_name

    def is_file(self) -> bool:
        """Never."""
        return False

    def is_dir(self) -> bool:
        """Always."""
        return True

    def iterdir(self) -> Iterator[Traversable]:
        """Its files."""
        return iter([File(name, text) for name, text in self.files.items()])

    def joinpath(self, *descendants: Any) -> Traversable:
        """One of its files."""
        name = "/".join(map(str, descendants))
        text = self.files.get(name)
        return _Missing(name, "") if text is None else File(name, text)

    def __truediv__(self, child: Any) -> Traversable:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        """Raises IsADirectoryError."""
        raise IsADirectoryError(21, "a folder")

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Raises IsADirectoryError."""
        raise IsADirectoryError(21, "a folder")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """Raises IsADirectoryError."""
        raise IsADirectoryError(21, "a folder")
