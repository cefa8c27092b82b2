"""An operator in a box as a process of its own (`dargah carrier`), and gateways bound to it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from carrier.remote import Remote
from tests.gateway_process import ROOT, GatewayProcess, environment_of

PATIENCE = 20.0
ENVIRONMENT = {"SMPP_PASSWORD": "dargah"}


@dataclass(frozen=True, slots=True)
class OperatorBox:
    """A running `dargah carrier`: its SMSC's port and its control socket."""

    port: int
    control: Path

    def remote(self, within: float = 10.0) -> Remote:
        """A connection to it."""
        return Remote(self.control, within=within)

    def settings(self, more: str = "", http: str = "") -> str:
        """A gateway's settings with one bind to it, "a-1" of the operator "a"."""
        return f"""
[http]
port = 0
{http}
[metrics]
port = 0
[ivr]
port = 0
{more}
[[smpp]]
name = "a-1"
operator = "a"
host = "127.0.0.1"
port = {self.port}
system_id = "dargah"
password = "env:SMPP_PASSWORD"
"""


@contextmanager
def operator_box() -> Iterator[OperatorBox]:
    """Start one on a free port; end it."""
    with tempfile.TemporaryDirectory(prefix="dargah-box-") as folder:
        data, settings = Path(folder) / "data", Path(folder) / "settings.toml"
        data.mkdir(mode=0o700)
        settings.touch()
        process = subprocess.Popen(
            [sys.executable, "-m", "dargah.main", "carrier", "--port", "0"],
            env=environment_of(data, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        try:
            said = ""
            while "Ctrl-C ends it" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            place = said.split("SMSC on ")[1].split(",")[0]
            yield OperatorBox(int(place.rpartition(":")[2]), data / "carrier.sock")
        finally:
            process.terminate()
            process.communicate(timeout=30)


def get(url: str, path: str) -> tuple[int, str]:
    """Status and body."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def components(gateway: GatewayProcess) -> tuple[int, dict[str, str]]:
    """What /readyz says: its status and each component."""
    status, body = get(gateway.http, "/readyz")
    return status, dict(json.loads(body)["components"])


def samples(gateway: GatewayProcess) -> dict[str, float]:
    """Every sample of /metrics, by its full name."""
    _, body = get(gateway.metrics, "/metrics")
    lines = (line for line in body.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def until(true: Callable[[], bool]) -> None:
    """Until something is so in another process. Raises AssertionError where it never is."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # another process: nothing of ours to wait on


def bound(gateway: GatewayProcess) -> None:
    """Until the bind holds."""
    until(lambda: samples(gateway).get('dargah_smpp_bound{bind="a-1"}') == 1)
