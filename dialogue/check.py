"""
The proof of a tree and its phrases, before they speak to anybody.

Every finding is one sentence with file and line, and the screen that it is about. Nothing found
means, on every channel: each screen can be reached, each path can end, an option has the same key
wherever it is offered (check_tree.py); each phrase is there in every language and asks for the
same values, nothing that is known goes unsaid, no screen runs over one USSD page unless it says
`paged` (check_words.py), and no text over one short message (check_texts.py); the offer to go on
fits one page too (resume.py). What a telephone
says is proven by ivr/voices.py.
"""

from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path

from config.errors import ConfigError
from dialogue.check_texts import text_findings
from dialogue.check_tree import structure_findings, way_findings
from dialogue.check_words import word_findings
from dialogue.finding import Finding
from dialogue.guide import load_guide
from dialogue.guide_words import our_guide, with_guide
from dialogue.outline import outline
from dialogue.phrases import Phrases, load_phrases
from dialogue.resume import resume_findings
from dialogue.tree import Tree
from dialogue.tree_file import load_tree

TREE_FILE = "tree.toml"
MOST_FOUND = 1000


def load_dialogue(
    tree_folder: Path | Traversable | None = None,
    phrases_folder: Path | Traversable | None = None,
    guide_folder: Path | Traversable | None = None,
) -> tuple[Tree, Phrases]:
    """The tree and the phrases, proven; those that come with Dargah where no folder is given.

    The guide's words are among the phrases; dialogue/check_guide.py proves them.
    Raises ConfigError with the first finding.
    """
    tree, phrases = read_dialogue(tree_folder, phrases_folder, guide_folder)
    for finding in findings(tree, phrases):
        raise ConfigError(str(finding))
    return tree, phrases


def read_dialogue(
    tree_folder: Path | Traversable | None = None,
    phrases_folder: Path | Traversable | None = None,
    guide_folder: Path | Traversable | None = None,
) -> tuple[Tree, Phrases]:
    """As `load_dialogue`, unproven. Raises ConfigError where a file's shape is wrong."""
    ours = files("config")
    guide = load_guide(guide_folder) if guide_folder else our_guide()
    tree = load_tree((tree_folder or ours / "dialogue") / TREE_FILE, guide)
    return tree, with_guide(load_phrases(phrases_folder or ours / "phrases"), guide)


def findings(tree: Tree, phrases: Phrases) -> list[Finding]:
    """What is wrong, in the order of files and lines: first targets, then ways, then words.

    A finding about a screen shows it. MOST_FOUND at most.
    """
    # Each proof stands on the one before it: one mistake is not named three times.
    words = chain(
        word_findings(tree, phrases),
        text_findings(tree, phrases),
        resume_findings(tree, phrases),
    )
    for proof in (structure_findings(tree), way_findings(tree), words):
        if found := sorted(set(proof)):
            # Who has more to mend than that sees the rest when these are mended.
            return [_shown(tree, phrases, finding) for finding in found[:MOST_FOUND]]
    return []


def _shown(tree: Tree, phrases: Phrases, finding: Finding) -> Finding:
    if finding.shown or not finding.screen:
        return finding
    return replace(finding, shown=outline(tree, phrases, finding.screen))
