"""Skips that nobody overlooks: pytest alone shows a skipped test as one letter."""

import contextlib
import sys
from typing import NoReturn

import pytest


def skip(config: pytest.Config, reason: str) -> NoReturn:
    """Skip the test, and say why in one line that no capture swallows."""
    capture = config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    with shown:
        print(f"\nSKIPPED: {reason}", file=sys.stderr, flush=True)
    pytest.skip(reason)
