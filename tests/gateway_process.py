"""A gateway as an operator starts it: a process of its own, found by the file it leaves."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ANY_PORTS = "[http]\nport = 0\n[metrics]\nport = 0\n[ivr]\nport = 0\n"


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A running gateway: its URLs, its process, its folder, and the file with all its output."""

    pid: int
    http: str
    metrics: str
    folder: Path
    output: Path
    settings: Path
    environment: Mapping[str, str]

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Another command of the same operator, to its end."""
        return dargah(*words, environment=self.environment, given=given)


def dargah(
    *words: str, environment: Mapping[str, str], given: str = ""
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dargah.main", *words],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def environment_of(folder: Path, settings: Path) -> dict[str, str]:
    """The environment of an operator whose data lie in `folder`."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DARGAH_DATA": str(folder),
        "DARGAH_SETTINGS": str(settings),
        "LANG": "C.UTF-8",
    }


@contextmanager
def running_gateway(
    *words: str,
    settings: str = ANY_PORTS,
    more_environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    ends_with: int = 0,
) -> Iterator[GatewayProcess]:
    """Start `dargah WORDS...` (`serve` or `demo`), wait for its ports, end it by SIGTERM.

    Raises AssertionError with its output where it does not start, or does not end well.
    """
    with tempfile.TemporaryDirectory(prefix="dargah-test-") as temporary:
        base = Path(temporary)
        data = folder or base / "data"
        file = base / "settings.toml"
        file.write_text(settings, encoding="utf-8")
        environment = environment_of(data, file) | dict(more_environment or {})
        output = base / "output"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "dargah.main", *(words or ("serve",))],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        try:
            own = data / "demo" if "demo" in words else data
            said = b"Ctrl-C ends it" if "demo" in words else b""
            running = _wait(process, own / "running" / f"{process.pid}.json", output, said)
            yield GatewayProcess(
                pid=process.pid,
                http=running["http"],
                metrics=running["metrics"],
                folder=own,
                output=output,
                settings=file,
                environment=environment,
            )
        finally:
            process.terminate()
            try:
                code = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError("the gateway did not end on SIGTERM") from None
        assert code == ends_with, output.read_text(encoding="utf-8", errors="replace")


def _wait(
    process: subprocess.Popen[bytes], file: Path, output: Path, said: bytes
) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            time.sleep(0.02)  # another process's start: nothing of ours to wait on
            continue
        if found["pid"] == process.pid and said in output.read_bytes():
            return dict(found)
        time.sleep(0.02)
    raise AssertionError(output.read_text(encoding="utf-8", errors="replace"))
