"""
Names for people that only this installation can make: HMAC-SHA256 with a key of its own.

A plain hash of a mobile number or a national ID is undone by trying them all.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

KEY_OCTETS = 32
HASH_OCTETS = 16


class KeyedHash:
    """Hashes by one key. Neither the key nor a value is ever shown."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < HASH_OCTETS:
            raise ValueError(f"a hash key of {len(key)} octets is too short")
        self._key = key

    def __repr__(self) -> str:
        return "KeyedHash(…)"

    def of(self, kind: str, value: str) -> str:
        """32 hexadecimal digits. The same value of another kind has another hash."""
        return self.octets(kind, value).hex()

    def octets(self, kind: str, value: str) -> bytes:
        """The same as 16 octets."""
        label = kind.encode()
        message = len(label).to_bytes(2, "big") + label + value.encode()
        return hmac.digest(self._key, message, hashlib.sha256)[:HASH_OCTETS]


def load_or_create_key(
    path: Path, random_bytes: Callable[[int], bytes] = secrets.token_bytes
) -> bytes:
    """The 32 octets in a file that its owner alone can read, made if there is none.

    Of several processes that make it at once, all get the same key. Raises OSError, and ValueError
    where the file holds something else.
    """
    if not path.exists():
        _create(path, random_bytes(KEY_OCTETS))
    key = path.read_bytes()
    if len(key) != KEY_OCTETS:
        raise ValueError(f"{path} does not hold a key of {KEY_OCTETS} octets")
    return key


def _create(path: Path, key: bytes) -> None:
    """Written whole under another name first: nobody ever reads half a key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(number, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
