"""The dialogue that settings name: files to a proven version, from disk or from a bundle."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from config.errors import ConfigError
from config.settings import Settings
from dargah.smpp_of_settings import dialect_of
from dialogue.bundle import Bundle
from dialogue.check import load_dialogue
from dialogue.check_guide import guide_findings
from dialogue.check_texts import prove_texts
from dialogue.guide import load_guide
from dialogue.phrases import Phrases
from dialogue.tree import Tree
from ivr.version import SpokenVersion
from ivr.voices import Voices, load_voices, voice_findings
from smpp.dialect import TextEncoding
from telecom.screen import Limit
from ussd.rendering import prove_keys

TREE, PHRASES, VOICE, GUIDE = "dialogue", "phrases", "voice", "guide"
"""The folders of a dialogue, as they are called in config/ and in a bundle."""


def folders_of(settings: Settings) -> dict[str, Path | Traversable]:
    """Where the files of a dialogue lie: the operator's own, else those that come with Dargah."""
    own = {
        TREE: settings.dialogue.tree,
        PHRASES: settings.dialogue.phrases,
        VOICE: settings.ivr.voices,
        GUIDE: settings.dialogue.guide,
    }
    return {name: Path(own[name]) if own[name] else files("config") / name for name in own}


def voices_of(settings: Settings) -> Voices:
    """What the voices say. Raises ConfigError."""
    folders = folders_of(settings)
    return load_voices(folders[VOICE], load_guide(folders[GUIDE]))


def own_version(settings: Settings, *, spoken: bool = True) -> SpokenVersion:
    """The version of this process's files. Raises ConfigError with the first finding.

    Where it is not to be spoken, it may lack voices.
    """
    return version_of(folders_of(settings), spoken=spoken)


def building(settings: Settings) -> Callable[[Bundle], SpokenVersion]:
    """How a published bundle becomes a version, which raises ConfigError."""

    def build(bundle: Bundle) -> SpokenVersion:
        folders = {name: bundle.folder(name) for name in folders_of(settings)}
        version = version_of(folders)
        # What is published must serve every edge, of other processes too.
        prove_texts(version.tree, version.phrases)
        prove_entry(settings, version.tree)
        prove_binds(settings, version.phrases)
        # Any change makes another version, one of words alone too.
        return replace(version, tree=replace(version.tree, digest=bundle.digest))

    return build


def version_of(folders: Mapping[str, Path | Traversable], *, spoken: bool = True) -> SpokenVersion:
    """The version in some folders, by their names. Raises ConfigError with the first finding."""
    tree, phrases = load_dialogue(folders[TREE], folders[PHRASES], folders[GUIDE])
    guide = load_guide(folders[GUIDE])
    for finding in guide_findings(guide, phrases):
        raise ConfigError(str(finding))
    if not spoken:
        return SpokenVersion(tree, phrases, {})
    voices = load_voices(folders[VOICE], guide)
    for finding in voice_findings(voices, tree, phrases):
        raise ConfigError(str(finding))
    return SpokenVersion(tree, phrases, voices)


def prove_entry(settings: Settings, tree: Tree) -> None:
    """Raises ConfigError where calls could not begin."""
    if settings.ivr.entry not in tree.entries:
        raise ConfigError(
            f"{settings.where('ivr', 'entry')}: ivr.entry: the tree has no entry "
            f"{settings.ivr.entry!r}; it has {', '.join(sorted(tree.entries))}."
        )


def prove_binds(settings: Settings, phrases: Phrases) -> None:
    """Raises ConfigError where a bind's screens have no room for the lines that turn pages."""
    for bind in settings.smpp:
        dialect = dialect_of(bind.dialect)
        try:
            prove_keys(
                phrases, Limit(dialect.max_octets, dialect.text_encoding is TextEncoding.AUTO)
            )
        except ValueError as error:
            raise ConfigError(f"the dialogue on the bind {bind.name}: {error}.") from None
