"""
A recorded session: what was typed, and what was seen on every channel.

    # What is behind a hash is for readers.
    dial *4*1420
      USSD, page 1 of 1, 148 octets
      │ ...
      telephone
      │ fa/main_title fa/choice/option_treatment-1 ...
    type 1
      ...

An author reads it, and `dargah dialogue replay` plays its dial and type lines again and compares
the rest. Who is asked about is named (dargah/cast.py), so that no ID is ever in it.
"""

import difflib
import hashlib
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dargah.failures import Failure
from dargah.rehearsal import Rehearsal, Scene, Seen
from dargah.stage import Stage
from telecom.screen import octets_of

WIDTH = 96
MOST_OCTETS = 1_000_000
MOST_INPUTS = 200
DIAL, TYPE = "dial", "type"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A session as its file has it: the inputs, dialled first, with their lines; and the text."""

    file: str
    inputs: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]
    text: str


def play(stage: Stage, inputs: Sequence[str]) -> Iterator[tuple[str, Scene]]:
    """Each input and what is seen after it; what is typed after the end is left out."""
    rehearsal = Rehearsal(stage)
    for number, text in enumerate(inputs):
        if rehearsal.over:
            return
        yield text, rehearsal.type(text) if number else rehearsal.dial(text)


def transcript(played: Sequence[tuple[str, Scene]]) -> str:
    """The session as its file has it, without notes."""
    lines: list[str] = []
    for number, (text, scene) in enumerate(played):
        lines.append(f"{TYPE if number else DIAL} {text}".rstrip())
        lines += _seen(scene)
    return "".join(f"{line}\n" for line in lines)


def digest(text: str) -> str:
    """Sixteen hexadecimal digits that stand for a transcript."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _seen(scene: Scene) -> Iterator[str]:
    if scene.ussd is not None:
        for number, page in enumerate(scene.ussd.lines, start=1):
            pages = f"page {number} of {len(scene.ussd.lines)}"
            yield f"  USSD, {pages}, {octets_of(page)} octets"
            yield from (f"  │ {line}".rstrip() for line in page.split("\n"))
    if scene.telephone is not None:
        yield "  telephone"
        yield from _wrapped(scene.telephone.lines)
    if scene.sms is not None:
        yield f"  SMS, {len(scene.sms)} characters"
        yield from (f"  │ {line}".rstrip() for line in scene.sms.split("\n"))
    for name, seen in (("USSD", scene.ussd), ("telephone", scene.telephone)):
        if seen is not None and seen.last:
            yield f"  {end_of(name, seen)}"


@lru_cache(maxsize=1024)
def _wrapped(names: tuple[str, ...]) -> list[str]:
    lines = textwrap.wrap(" ".join(names), WIDTH, break_on_hyphens=False)
    return [f"  │ {line}" for line in lines]


def end_of(name: str, seen: Seen) -> str:
    """How a channel's conversation ends."""
    if seen.hand_over and name == "telephone":
        return f"{name}: an operator takes over"
    return f"{name}: the end"


def read_recorded(path: Path) -> Recorded:
    """A recorded session. Raises Failure with file and line."""
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except OSError as error:
        raise Failure(f"{path}: cannot be read ({error.strerror}).") from None
    if len(octets) > MOST_OCTETS:
        raise Failure(f"{path}: is over {MOST_OCTETS:,} octets; a session is a page or two.")
    try:
        lines = octets.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        before = octets[: error.start].count(b"\n")
        raise Failure(f"{path}:{before + 1}: is not UTF-8.") from None
    inputs: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith((" ", "#")) or not line.strip():
            continue
        word, _, text = line.partition(" ")
        if word != (TYPE if inputs else DIAL):
            wanted = "type ANSWER" if inputs else "dial CODE, such as dial *4*1420"
            raise Failure(f"{path}:{number}: {wanted} was expected.")
        inputs.append((number, text.strip()))
        if len(inputs) > MOST_INPUTS:
            raise Failure(f"{path}:{number}: more than {MOST_INPUTS} inputs.")
    if not inputs:
        raise Failure(f"{path}: nothing is dialled in it.")
    notes = tuple(line for line in lines if line.startswith("#"))
    kept = [line.rstrip() for line in lines if not line.startswith("#")]
    while kept and not kept[-1]:
        kept.pop()
    return Recorded(str(path), tuple(inputs), notes, "".join(f"{line}\n" for line in kept))


def replayed(stage: Stage, recorded: Recorded) -> str:
    """What the session looks like now. Raises Failure with file and line."""
    rehearsal = Rehearsal(stage)
    played: list[tuple[str, Scene]] = []
    for line, text in recorded.inputs:
        if rehearsal.over:
            raise Failure(f"{recorded.file}:{line}: the session is over before this is typed.")
        try:
            played.append((text, rehearsal.type(text) if played else rehearsal.dial(text)))
        except Failure as error:
            raise Failure(f"{recorded.file}:{line}: {error}") from None
    return transcript(played)


def difference(recorded: Recorded, now: str) -> str:
    """Where the session looks otherwise than it was recorded; empty if nowhere."""
    lines = difflib.unified_diff(
        recorded.text.splitlines(),
        now.splitlines(),
        recorded.file,
        "as it is now",
        lineterm="",
    )
    return "\n".join(lines)


def write_recorded(path: Path, text: str, notes: Sequence[str] = ()) -> None:
    """Write a session, its notes first. Raises Failure."""
    try:
        path.write_text("".join(f"{note}\n" for note in notes) + text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path}: cannot be written ({error.strerror}).") from None
