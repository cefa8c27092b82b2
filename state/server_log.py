"""
What a redis-server says in its log when it cannot go on.

    4711:M 21 Nov 2026 21:00:00.000 # Can't handle RDB format version 99

Imported by the keeper: the standard library alone.
"""

import os
import re

LONGEST_LOG = 1 << 20
"""Octets; a longer one is set aside as `.1` before the next start."""
_LONGEST_LOOK = 1 << 16

_LINE = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ (?P<level>[.*#-]) (?P<text>.*)$")
_DAMAGED = re.compile(
    r"Internal error in RDB reading|Short read or OOM loading DB|Wrong signature trying to load DB"
    r"|rdb file reading failure|RDB CRC error|RDB checksum"
    r"|Bad file format reading the append only file|Error reading the RDB preamble"
    r"|Unexpected end of file reading the append only file"
)
_NEWER = re.compile(r"Can't handle RDB format version (\d+)")


def size(path: str) -> int:
    """In octets; 0 where there is no file."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def trim(path: str) -> None:
    """Begin a new log when this one has become long."""
    if size(path) > LONGEST_LOG:
        os.replace(path, f"{path}.1")


def last_words(path: str, start: int) -> tuple[str, str, bool]:
    """The last warning after the offset `start`; the RDB version it could not read, or "".

    The third: whether its data are damaged.
    """
    try:
        with open(path, "rb") as log:
            log.seek(max(start, size(path) - _LONGEST_LOOK))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return "", "", False
    said = ""
    damaged = False
    for line in lines:
        match = _LINE.match(line)
        if match is None or match["level"] != "#":
            continue
        if newer := _NEWER.search(match["text"]):
            return match["text"], f"RDB version {newer[1]}", False
        said = match["text"]
        damaged = damaged or _DAMAGED.search(said) is not None
    return said, "", damaged
