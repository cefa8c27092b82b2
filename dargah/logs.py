"""
Logs: JSON lines where a gateway serves, readable ones in the demo; both on standard error.

Whatever logs (we, Twisted, asyncio, a library through the standard module) goes through one
chain, and the last link of that chain masks every run of digits that could be a national ID or
a telephone number. Nobody should log one; should somebody, it stays masked.
"""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from dargah.sparing_log import SparingLog

_DIGITS = re.compile(r"\d{8,}")
_PLAIN = frozenset({"tracking_code", "timestamp"})
"""Keys whose digits are meant to be read: a tracking code says nothing about a person."""

_ENTRY = re.compile(r"1\d{12}-\d{1,6}", re.ASCII)
"""An entry of a stream, by the moment at which Redis took it: one digit more than any number of a
person has."""

_LARGEST_INT = 10**9


def masked(event: Any) -> Any:
    """The same value with every run of eight digits or more, in any script, starred out."""
    if isinstance(event, str):
        return _DIGITS.sub(lambda run: "*" * len(run[0]), event)
    if isinstance(event, bytes):
        return masked(event.decode("utf-8", "replace"))
    if isinstance(event, bool) or event is None or isinstance(event, float):
        return event
    if isinstance(event, int):
        return event if abs(event) < _LARGEST_INT else "*" * len(str(abs(event)))
    if isinstance(event, Mapping):
        return {masked(key): masked(value) for key, value in event.items()}
    if isinstance(event, list | tuple | set | frozenset):
        return [masked(item) for item in event]
    return masked(str(event))


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value if _plain(key, value) else masked(value) for key, value in event.items()}


def _plain(key: str, value: Any) -> bool:
    if key in ("change", "entry") and isinstance(value, str):
        return _ENTRY.fullmatch(value) is not None
    return key in _PLAIN


def set_up_logs(level: str, *, readable: bool, stream: TextIO | None = None) -> None:
    """Send all logs of this process through the one chain; `level` as in the settings."""
    stream = stream or sys.stderr
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask, render],
    )
    out = logging.StreamHandler(stream)
    out.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [out]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            SparingLog(time.monotonic, _later),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    globalLogPublisher.addObserver(_TwistedEvents())
    logging.captureWarnings(True)
    # A log that cannot be written would show its message and its trace as they are, unmasked.
    logging.raiseExceptions = False


def _later(seconds: float, do: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # no loop runs here
        asyncio.get_running_loop().call_later(seconds, do)


@implementer(ILogObserver)
class _TwistedEvents:
    """Twisted's failures, in our chain; its chatter about factories is left out."""

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        level = getattr(event.get("log_level"), "name", "info")
        if failure is None and level not in ("warn", "error", "critical"):
            return
        log = structlog.get_logger("twisted")
        text = formatEvent(event)[:2000]
        log.error("twisted_error" if failure else "twisted_warning", detail=text)
