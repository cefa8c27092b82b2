"""A store that is away fills no disk with its log."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from dargah import logs
from dargah.sparing_log import SparingLog


class Bed:
    """A log of one's own, whose seconds pass by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.stream = io.StringIO()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.waiting.append((self.now + seconds, do))

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        due = [do for at, do in self.waiting if at <= self.now]
        self.waiting = [(at, do) for at, do in self.waiting if at > self.now]
        for do in due:
            do()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@contextmanager
def bed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    """All logs of this process, in a stream."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    made = Bed()
    monkeypatch.setattr(logs, "SparingLog", lambda *_: SparingLog(lambda: made.now, made.later))
    try:
        logs.set_up_logs("info", readable=False, stream=made.stream)
        yield made
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_a_failover_says_once_a_second_what_failed_and_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first refusal is logged at once, thousands after it as a count, once a second."""
    with bed(monkeypatch) as at:
        log = structlog.get_logger("api")
        for _ in range(5_000):
            log.error("api_keys_unreadable", error="Unavailable")
        assert len(at.lines()) == 1
        at.pass_by(1.0)
        first, second = at.lines()
        assert first["error"] == "Unavailable"
        assert "left_out" not in first
        assert second["event"] == "api_keys_unreadable"
        assert second["left_out"] == 4_999
        assert second["level"] == "error"
        at.pass_by(1.0)
        assert len(at.lines()) == 2
        log.error("api_keys_unreadable", error="ReplyError")
        assert at.lines()[2]["error"] == "ReplyError"
        assert "left_out" not in at.lines()[2]


def test_events_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many failed look-ups leave out no first line of another kind."""
    with bed(monkeypatch) as at:
        log = structlog.get_logger("eligibility")
        for _ in range(10):
            log.warning("lookup_failed", reason="Unavailable")
            log.warning("ledger_unavailable", step="open", reason="Unavailable")
        assert [line["event"] for line in at.lines()] == ["lookup_failed", "ledger_unavailable"]


def test_a_line_that_tells_of_one_thing_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tracking code that only the log knows is written."""
    with bed(monkeypatch) as at:
        for code in ("10000001", "10000002", "10000003"):
            structlog.get_logger("eligibility").warning("inquiry_unrecorded", tracking_code=code)
        assert len({line["tracking_code"] for line in at.lines()}) == 3


def test_masking_comes_after_the_sparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in a line that is spared is masked as ever."""
    with bed(monkeypatch) as at:
        structlog.get_logger("registry").warning("registry_fault", reason="of 0499370899")
        assert "0499370899" not in at.stream.getvalue()
        assert "*****" in at.stream.getvalue()
