"""
One load in a process of its own, for `dargah bench cache`.

    python -m dargah.timed_load DATA_FOLDER FILE AS_OF

It loads into the embedded Redis of that folder, whatever the operator's settings say, and prints
one JSON object: the seconds of each stage.
"""

import json
import sys
import time
from datetime import datetime
from pathlib import Path

from config.settings import read_settings
from dargah.failures import Failure
from dargah.loading import load_file
from dargah.loop import run_alone
from eligibility.load import LoadOptions, Stage


class StageClock:
    """Notes when each stage began."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def advance(self, stage: Stage, done: int, total: int | None) -> None:
        """As eligibility.load.Progress."""
        self._began.setdefault(stage.value, time.perf_counter())

    def seconds(self) -> dict[str, float]:
        """How long each stage took, the last one until now."""
        ends = [*list(self._began.values())[1:], time.perf_counter()]
        return {
            stage: end - began
            for (stage, began), end in zip(self._began.items(), ends, strict=True)
        }


def main(folder: str, file: str, as_of: str) -> int:
    """Load; 1 and one line on standard error where that failed."""
    settings = read_settings(None, {"DARGAH_DATA": folder})
    stages = StageClock()
    options = LoadOptions(as_of=datetime.fromisoformat(as_of), accept=True)
    try:
        run_alone(load_file(settings, Path(file), options, stages.advance))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    print(json.dumps(stages.seconds()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
