"""Where an author rehearses: the tree, its words and its prompts, proven, and nothing else."""

from dataclasses import dataclass

from config.settings import Settings
from dargah.dialogue_of_settings import own_version
from dialogue.phrases import Phrases
from dialogue.tree import Tree
from ivr.prompts import Prompts


@dataclass(frozen=True, slots=True)
class Stage:
    """A dialogue as every channel has it."""

    tree: Tree
    phrases: Phrases
    prompts: Prompts


def stage_of(settings: Settings) -> Stage:
    """What the settings name. Raises ConfigError with the first thing that is wrong."""
    own = own_version(settings)
    return Stage(own.tree, own.phrases, Prompts(own.voices, own.phrases))
