"""Where one Redis is: a URL, or the Unix socket of a server on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# sockaddr_un holds 108 bytes with its closing zero; see unix(7).
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class Address:
    """Exactly one of a `redis://`, `rediss://` or `unix://` URL, and a socket's path."""

    url: str = ""
    path: Path | None = None

    def __post_init__(self) -> None:
        if bool(self.url) == (self.path is not None):
            raise ValueError("an address of Redis is either a URL or a socket's path")

    def __str__(self) -> str:
        """Scheme, host, port and database, or the path: never a user name or a password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{place}{parts.path}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


@contextmanager
def connectable(path: Path) -> Iterator[str]:
    """A name for a Unix socket that is short enough to connect to, good inside the block.

    A data folder may lie deep; then the folder is reached through a descriptor of ours, and the
    long path never has to fit into a socket address. Raises OSError if the folder is missing.
    """
    name = os.fspath(path)
    if len(os.fsencode(name)) <= LONGEST_SOCKET_PATH:
        yield name
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
