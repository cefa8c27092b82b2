"""
The keys of the journal: a folder of files outside Redis and SQL, the newest of them in use.

    20261121T083000Z-5f2c91aa.key    32 octets; the name says since when, and its id

Whatever is hashed or sealed bears the id of its key, which is made from the key itself: two
machines that began apart never take one's key for the other's. A rotation adds a file, and
running gateways follow; an old key stays readable for as long as its file is there.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from state.keyed_hash import KEY_OCTETS, KeyedHash, load_or_create_key
from state.sealed import Seal

ID_OCTETS: Final = 4

_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{8})\.key")


@dataclass(frozen=True, slots=True)
class JournalKey:
    """One key. `id` is eight hexadecimal digits, `id_octets` the same; `name` that of its file."""

    id: str
    id_octets: bytes
    name: str
    hashes: KeyedHash = field(repr=False)
    seal: Seal = field(repr=False)


class JournalKeys:
    """The keys in a folder. Raises OSError, and ValueError for a file that is no key."""

    def __init__(self, folder: Path, random_bytes: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._random_bytes = random_bytes
        self._known: dict[str, JournalKey] = {}
        self._current: JournalKey | None = None
        self.reread()

    @property
    def current(self) -> JournalKey | None:
        """The key to write with, None where there is none yet."""
        return self._current

    @property
    def known(self) -> list[JournalKey]:
        """All keys, the oldest first."""
        return sorted(self._known.values(), key=lambda key: key.name)

    def of(self, key_id: str) -> JournalKey | None:
        """A key by its id, None where its file is not here."""
        return self._known.get(key_id)

    def reread(self) -> None:
        """See what keys there are now; where there is none any more, those known stay.

        A folder may be away for a while (its disk is): whoever is told something meanwhile is
        journalled all the same, and no new key is made beside those that come back.
        """
        found: dict[str, JournalKey] = {}
        paths = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        for path in paths:
            if name := _NAME.fullmatch(path.name):
                found[name[1]] = self._known.get(name[1]) or self._read(path, name[1])
        if self._known and not found:
            raise FileNotFoundError(f"{self._folder} has no key any more")
        self._known = found
        self._current = max(found.values(), key=lambda key: key.name, default=None)

    def rotate(self, now: datetime) -> JournalKey:
        """Make a key, which is in use from now on.

        Its name comes after all others, also where the last one was made in this very second.
        """
        key = self._random_bytes(KEY_OCTETS)
        if self._current is not None:
            last = datetime.strptime(self._current.name.partition("-")[0], "%Y%m%dT%H%M%S%z")
            now = max(now, last + timedelta(seconds=1))
        name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{_id_of(key)}.key"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        load_or_create_key(self._folder / name, lambda _: key)
        self.reread()
        return self._known[_id_of(key)]

    def required(self, now: datetime) -> JournalKey:
        """The key to write with, made where there is none."""
        return self._current or self.rotate(now)

    def _read(self, path: Path, key_id: str) -> JournalKey:
        key = path.read_bytes()
        if len(key) != KEY_OCTETS or _id_of(key) != key_id:
            raise ValueError(f"{path} is not the key that its name says")
        return JournalKey(
            key_id,
            bytes.fromhex(key_id),
            path.name,
            KeyedHash(_derived(key, b"hash")),
            Seal(_derived(key, b"seal"), self._random_bytes),
        )


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"dargah journal " + purpose, hashlib.sha256)


def _id_of(key: bytes) -> str:
    return _derived(key, b"id")[:ID_OCTETS].hex()
