"""A Unix socket in a folder that may lie deep."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# sockaddr_un holds 108 octets with its closing zero; see unix(7).
_LONGEST = 100


@contextmanager
def addressable(path: Path) -> Iterator[str]:
    """A name for the socket that is short enough to bind or connect to, good inside the block.

    Raises OSError if the folder is missing.
    """
    name = os.fspath(path)
    if len(os.fsencode(name)) <= _LONGEST:
        yield name
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
