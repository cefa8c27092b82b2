"""Where an author rehearses: the tree, its words and its prompts, proven, and nothing else."""

from dataclasses import dataclass

from config.settings import Settings
from dargah.failures import Failure
from dargah.ivr_port import voices_of
from dargah.wiring import dialogue_of
from dialogue.phrases import Phrases
from dialogue.tree import Tree
from ivr.prompts import Prompts
from ivr.voices import voice_findings


@dataclass(frozen=True, slots=True)
class Stage:
    """A dialogue as every channel has it."""

    tree: Tree
    phrases: Phrases
    prompts: Prompts


def stage_of(settings: Settings) -> Stage:
    """What the settings name. Raises ConfigError or Failure with the first thing that is wrong."""
    tree, phrases = dialogue_of(settings)
    voices = voices_of(settings)
    for finding in voice_findings(voices, tree, phrases):
        raise Failure(str(finding))
    return Stage(tree, phrases, Prompts(voices, phrases))
