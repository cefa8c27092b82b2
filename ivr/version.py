"""A version of the dialogue that can also be spoken."""

from dataclasses import dataclass

from dialogue.version import Version
from ivr.voices import Voices


@dataclass(frozen=True, slots=True)
class SpokenVersion(Version):
    """`voices` say all that the tree may (`voice_findings`)."""

    voices: Voices
