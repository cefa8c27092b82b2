"""What a version of the dialogue is packed into, and what is no such thing."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.bundle import BadBundle, Bundle, unpack


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}/[a-z]{1,8}\.toml", fullmatch=True),
        st.text(st.characters(codec="utf-8"), max_size=50),
        min_size=1,
        max_size=5,
    )
)
def test_a_bundle_comes_out_as_it_went_in(files: dict[str, str]) -> None:
    """What is published is what is read; under another digest it is refused."""
    bundle = Bundle(files)
    assert unpack(bundle.pack(), bundle.digest) == bundle
    with pytest.raises(BadBundle):
        unpack(bundle.pack(), "0" * 16)


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda t: zlib.compress(t.encode())))
def test_any_octets(packed: bytes) -> None:
    """Whatever lies in Redis, it is a bundle or refused in words."""
    with pytest.raises(BadBundle):
        unpack(packed, "0" * 16)


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"{}",
        b'{"tree.toml": "x"}',
        b'{"dialogue/../x.toml": "x"}',
        b'{"dialogue/tree.toml": 1}',
        b'{"dialogue/tree.toml": "\\ud800"}',
        b"[" * 100_000,
        b" " * (8 << 20),
    ],
)
def test_what_is_no_bundle(raw: bytes) -> None:
    """Files of other names, no texts, and bombs are refused."""
    with pytest.raises(BadBundle):
        unpack(zlib.compress(raw), "0" * 16)
