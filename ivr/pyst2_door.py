"""
The one door of pyst2.

What is sound in it is its vocabulary: the exception classes that AGI programs of the last
twenty years catch. A script written for pyst2 can run on our line with `spoken` around it. Its
blocking reads, signal handler, log of every line to stderr and unescaped quoting stay out.
"""

import contextlib
from collections.abc import Iterator

from asterisk.agi import (
    AGI,
    AGIAppError,
    AGIError,
    AGIHangup,
    AGIInvalidCommand,
    AGIUnknownError,
    AGIUsageError,
)

from ivr.errors import (
    CommandRefused,
    Hangup,
    LineStuck,
    LocalProtocolError,
    MissingPrompt,
    RemoteProtocolError,
)

__all__ = ["AGI", "NAMES", "AGIError", "AGIHangup", "spoken"]

NAMES: dict[type[Exception], type[Exception]] = {
    Hangup: AGIHangup,
    MissingPrompt: AGIAppError,
    LineStuck: AGIAppError,
    CommandRefused: AGIInvalidCommand,
    LocalProtocolError: AGIUsageError,
    RemoteProtocolError: AGIUnknownError,
}
"""Our exceptions and pyst2's name for each. pyst2 has one for hang-up and missing file alike."""


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """Within it our exceptions come out under pyst2's names."""
    try:
        yield
    except tuple(NAMES) as error:
        raise NAMES[type(error)](str(error)) from error
