"""
Numbers and texts at rest: AES-256-GCM under a key of this installation.

    01 | salt, 16 octets | nonce, 12 octets | ciphertext and tag

A nonce that is used twice under one key gives the key away, and random ones may collide after
2**32 messages (NIST SP 800-38D, 8.3). So each process seals under a key of its own, made from the
installation's by HMAC-SHA256 over a random salt, and its nonces count.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_SALT = 16
_NONCE = 12
_HEAD = len(_VERSION) + _SALT + _NONCE
_SALTS_KNOWN = 256
"""Keys of other processes that are kept ready; making one again takes microseconds."""


class Unreadable(Exception):
    """Sealed under another key, for another purpose, or damaged. The text names nothing of it."""


class Seal:
    """Seals and opens. `about` is the purpose, in clear: what is sealed for one opens for no other.

    Raises ValueError for a key that is too short. `random_bytes` is a cryptographic source.
    """

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        if len(key) < 32:
            raise ValueError(f"a key of {len(key)} octets is too short")
        self._key = key
        self._keys: OrderedDict[bytes, AESGCM] = OrderedDict()
        salt = random_bytes(_SALT)
        self._head = _VERSION + salt
        self._own = self._of(salt)
        self._count = 0

    def __repr__(self) -> str:
        return "Seal(…)"

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """The octets, for nobody without the key to read or change."""
        self._count += 1
        nonce = self._count.to_bytes(_NONCE)
        return self._head + nonce + self._own.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Raises Unreadable."""
        if len(sealed) < _HEAD or sealed[:1] != _VERSION:
            raise Unreadable("not sealed by this version")
        salt, nonce = sealed[1 : 1 + _SALT], sealed[1 + _SALT : _HEAD]
        cipher = self._own if sealed[: 1 + _SALT] == self._head else self._of(salt)
        try:
            return cipher.decrypt(nonce, sealed[_HEAD:], about)
        except InvalidTag:
            raise Unreadable("sealed under another key, or damaged") from None

    def _of(self, salt: bytes) -> AESGCM:
        if salt in self._keys:
            self._keys.move_to_end(salt)
            return self._keys[salt]
        cipher = AESGCM(hmac.digest(self._key, b"dargah seal " + salt, hashlib.sha256))
        self._keys[salt] = cipher
        if len(self._keys) > _SALTS_KNOWN:
            self._keys.popitem(last=False)
        return cipher
