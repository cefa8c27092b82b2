"""
Where a running gateway is to be found: one small file for each in its data folder.

`dargah dial` reads it, so that a handset needs no address, also where the ports are chosen by
the system. Several may run on one data folder, each with a part. A gateway that was killed leaves
its file behind; its process id tells.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dargah.failures import Failure

FOLDER = "running"


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
    path = folder / FOLDER / f"{running.pid}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(running)) + "\n", encoding="utf-8")
    new.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(*folders: Path) -> Running:
    """The gateway that began last on the first of these data folders with one. Raises Failure."""
    for folder in folders:
        if found := running_on(folder):
            return found[0]
    raise Failure(
        f"no gateway is running on {folders[0]}; start one with `dargah demo` or `dargah serve`."
    )


def running_on(folder: Path) -> list[Running]:
    """The gateways that run on a data folder, the newest first; the files of dead ones go."""
    found = []
    for path in (folder / FOLDER).glob("*.json"):
        try:
            running = Running(**json.loads(path.read_text(encoding="utf-8")))
            began = path.stat().st_mtime
        except (OSError, ValueError, TypeError):
            continue
        if _alive(running.pid):
            found.append((began, running))
        else:
            path.unlink(missing_ok=True)
    return [running for _, running in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
