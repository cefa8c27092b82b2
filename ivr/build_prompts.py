"""
Builds the recordings: folder/fa/covered_until-1.wav and so on, 8 kHz, 16 bits, one channel.

`folder/built.json` says what each was made from, so only what has changed is made again. A
recording that we did not make, a person's voice, is never overwritten.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ivr.pcm import levelled, resampled, silence, to_wav, trimmed
from ivr.synthesiser import NoSynthesiser, Synthesiser
from ivr.voices import PAUSE, Voices

PAUSE_SECONDS = 0.25
RECIPE = "1"
"""Changed with whatever changes the sound: then all are made again."""
BUILT = "built.json"


@dataclass(frozen=True, slots=True)
class Recording:
    """One that is needed: `name` is "fa/covered_until-1"; no text is a pause."""

    name: str
    language: str
    text: str

    def file(self, folder: Path) -> Path:
        """Where it lies."""
        return folder / f"{self.name}.wav"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did: how many were made, were still right, and are somebody's own."""

    made: int
    kept: int
    own: int


def inventory(voices: Voices) -> tuple[Recording, ...]:
    """Every recording that the voices need, in order."""
    return tuple(
        Recording(f"{code}/{name}", code, "" if name == PAUSE else text)
        for code, voice in voices.items()
        for name, text in voice.recordings()
    )


def missing(voices: Voices, folder: Path) -> tuple[str, ...]:
    """The names of those that are not there."""
    return tuple(each.name for each in inventory(voices) if not each.file(folder).is_file())


def build(
    voices: Voices,
    folder: Path,
    synthesiser: Synthesiser,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Built:
    """Make what is missing or out of date. Raises NoSynthesiser or OSError.

    A build that is cut short goes on where it was.
    """
    recordings = inventory(voices)
    built = _read(folder)
    made = kept = own = 0
    for done, each in enumerate(recordings, 1):
        file = each.file(folder)
        recipe = _digest(f"{RECIPE}|{synthesiser.name}|{each.language}|{each.text}".encode())
        match _standing(file, built.get(each.name), recipe):
            case "own":
                own += 1
            case "kept":
                kept += 1
            case _:
                wav = _wav(each, synthesiser)
                # Noted first: a file that was made but not noted would pass for somebody's own.
                built[each.name] = (recipe, _digest(wav))
                _write(folder / BUILT, json.dumps(built, indent=0, sort_keys=True).encode())
                _write(file, wav)
                made += 1
        progress(done, len(recordings))
    return Built(made, kept, own)


def _standing(file: Path, was: tuple[str, str] | None, recipe: str) -> str:
    if not file.is_file():
        return "missing"
    if was is None or was[1] != _digest(file.read_bytes()):
        return "own"
    return "kept" if was[0] == recipe else "old"


def _wav(recording: Recording, synthesiser: Synthesiser) -> bytes:
    if not recording.text:
        return to_wav(silence(PAUSE_SECONDS))
    sound = synthesiser.speak(recording.text, recording.language)
    samples = trimmed(sound.samples, sound.rate)
    if not samples:
        raise NoSynthesiser(f"espeak-ng says nothing for {recording.name}.")
    return to_wav(levelled(resampled(samples, sound.rate)))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


def _read(folder: Path) -> dict[str, tuple[str, str]]:
    try:
        read = json.loads((folder / BUILT).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(read, dict):
        return {}
    return {
        name: (pair[0], pair[1])
        for name, pair in read.items()
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
    }


def _write(file: Path, raw: bytes) -> None:
    """Whole or not at all: Asterisk may be reading it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(raw)
    os.replace(part, file)
