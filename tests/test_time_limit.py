"""A run of the tests never hangs."""

import os
import select
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANGING = """
import os, subprocess, threading

def test_that_ends():
    pass

def test_that_hangs():
    if held := int(os.environ["HELD"]):
        subprocess.Popen(["sleep", "600"], pass_fds=[held])
    threading.Event().wait()
"""


def run_until_it_hangs(folder: Path, limit: str, held: int) -> subprocess.CompletedProcess[str]:
    """A run of pytest on our settings, with this limit at half a second."""
    file = folder / "test_hang.py"
    file.write_text(HANGING)
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
            *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)),
            *("-o", f"{limit}=0.5", str(file)),
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HELD": str(held)},
        pass_fds=[held] if held else [],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_hang_ends_the_run(tmp_path: Path) -> None:
    """A test that hangs ends the run as failed, with its name and line, and what it started."""
    read, held = os.pipe()
    try:
        run = run_until_it_hangs(tmp_path, "seconds_a_test", held)
        os.close(held)
        assert run.returncode == 1
        assert "test_hang.py::test_that_hangs HANGS: no end after 0.5 s" in run.stderr
        assert 'test_hang.py", line 10 in test_that_hangs' in run.stderr
        # The end of the pipe comes when nobody holds it any more, the sleeper neither.
        assert select.select([read], [], [], 20)[0] == [read]
        assert os.read(read, 1) == b""
    finally:
        os.close(read)


def test_a_hang_that_no_thread_can_end(tmp_path: Path) -> None:
    """Where Python itself gets no turn, pytest's own limit ends the run with the line."""
    run = run_until_it_hangs(tmp_path, "faulthandler_timeout", 0)
    assert run.returncode == 1
    assert 'test_hang.py", line 10 in test_that_hangs' in run.stderr
