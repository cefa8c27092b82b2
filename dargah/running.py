"""
Where a running gateway is to be found: one small file in its data folder.

`dargah dial` reads it, so that a handset needs no address, also where the ports are chosen by
the system. A gateway that was killed leaves its file behind; its process id tells.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dargah.failures import Failure

FILE = "running.json"


@dataclass(frozen=True, slots=True)
class Running:
    """The addresses of a gateway's ports, and its process; empty for what it does not have.

    fastagi: "host:port". carrier: the control socket of the carrier in a box beside it.
    """

    pid: int
    http: str
    metrics: str
    fastagi: str = ""
    carrier: str = ""


@contextmanager
def announced(folder: Path, running: Running) -> Iterator[None]:
    """Say where this gateway is for as long as the block runs."""
    path = folder / FILE
    new = path.with_name(f".{FILE}.{os.getpid()}")
    new.write_text(json.dumps(asdict(running)) + "\n", encoding="utf-8")
    new.replace(path)
    try:
        yield
    finally:
        found = _read(path)
        if found and found.pid == running.pid:
            path.unlink(missing_ok=True)


def find(*folders: Path) -> Running:
    """The first gateway that runs on one of these data folders. Raises Failure."""
    for folder in folders:
        found = _read(folder / FILE)
        if found and _alive(found.pid):
            return found
    raise Failure(
        f"no gateway is running on {folders[0]}; start one with `dargah demo` or `dargah serve`."
    )


def _read(path: Path) -> Running | None:
    try:
        return Running(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
