"""Numbers and texts at rest."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.sealed import Seal, Unreadable

KEY = b"k" * 32


@given(st.binary(max_size=500), st.binary(max_size=20))
def test_only_who_has_the_key_can_read(plain: bytes, about: bytes) -> None:
    """What one process seals another opens by the same key, and nobody by a different one."""
    sealed = Seal(KEY, secrets.token_bytes).seal(plain, about)
    assert Seal(KEY, secrets.token_bytes).open(sealed, about) == plain
    with pytest.raises(Unreadable):
        Seal(b"x" * 32, secrets.token_bytes).open(sealed, about)
    with pytest.raises(Unreadable):
        Seal(KEY, secrets.token_bytes).open(sealed, about + b"!")


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_octet_is_noticed(plain: bytes, data: st.DataObject) -> None:
    """Whatever is changed or cut off, it does not open as something else."""
    seal = Seal(KEY, secrets.token_bytes)
    sealed = seal.seal(plain, b"about")
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = bytes([sealed[at] ^ data.draw(st.integers(1, 255))])
    for broken in (sealed[:at] + other + sealed[at + 1 :], sealed[:at]):
        with pytest.raises(Unreadable):
            seal.open(broken, b"about")


def test_the_same_text_never_looks_the_same() -> None:
    """Who sees the file cannot tell that two people wrote the same, and no nonce comes twice."""
    one, other = Seal(KEY, secrets.token_bytes), Seal(KEY, secrets.token_bytes)
    sealed = [seal.seal(b"0012345679", b"") for seal in (one, other) for _ in range(1000)]
    assert len({item[:29] for item in sealed}) == len(sealed)
    assert not any(b"0012345679" in item for item in sealed)
    assert "k" not in repr(one)


def test_more_processes_than_are_remembered_can_be_read() -> None:
    """However many processes there were, what each sealed opens."""
    seals = [Seal(KEY, secrets.token_bytes) for _ in range(300)]
    sealed = [seal.seal(b"%d" % n, b"") for n, seal in enumerate(seals)]
    reader = Seal(KEY, secrets.token_bytes)
    assert [reader.open(item, b"") for item in sealed] == [b"%d" % n for n in range(300)]


def test_a_short_key_is_refused() -> None:
    """A key that could be guessed is no key."""
    with pytest.raises(ValueError, match="too short"):
        Seal(b"short", secrets.token_bytes)
