"""What the one chain of the logs masks, and what it leaves to be read."""

import json
import re
import subprocess
import sys

SAID = """
import structlog
from dargah.logs import set_up_logs
set_up_logs("info", readable=False)
log = structlog.get_logger("test")
log.error("aside", change={change!r})
"""


def logged(change: str) -> str:
    """The ID of a change, as the log has it."""
    done = subprocess.run(
        [sys.executable, "-c", SAID.format(change=change)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return str(json.loads(done.stderr.splitlines()[-1])["change"])


def test_a_change_that_was_put_aside_can_be_found() -> None:
    """The log names the entry of a stream, and nothing that could stand in its place."""
    assert logged("1795311586318-0") == "1795311586318-0"
    for other in ("3059538840-0", "989121234567-0", "1795311586318-3059538840", "00989121234567"):
        assert not re.search(r"\d{7}", logged(other))
