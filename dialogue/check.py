"""
The proof of a tree and its phrases, before they speak to anybody.

Every finding is one sentence with file and line. Nothing found means: each screen can be reached,
each path can end, each phrase is there in every language and asks for the same values, nothing
that is known goes unsaid, no screen runs over one USSD page unless it says `paged`, and no text
over one short message.
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from pathlib import Path

from config.errors import ConfigError
from dialogue.check_texts import text_findings
from dialogue.check_words import word_findings
from dialogue.finding import Finding
from dialogue.paths import ending, reachable, targets
from dialogue.phrases import Phrases, load_phrases
from dialogue.tree import Branch, Lookup, Menu, Question, Tree
from dialogue.tree_file import load_tree

TREE_FILE = "tree.toml"


def load_dialogue(
    tree_folder: Path | Traversable | None = None, phrases_folder: Path | Traversable | None = None
) -> tuple[Tree, Phrases]:
    """The tree and the phrases, proven; those that come with Dargah where no folder is given.

    Raises ConfigError with the first finding.
    """
    tree, phrases = read_dialogue(tree_folder, phrases_folder)
    for finding in findings(tree, phrases):
        raise ConfigError(str(finding))
    return tree, phrases


def read_dialogue(
    tree_folder: Path | Traversable | None = None, phrases_folder: Path | Traversable | None = None
) -> tuple[Tree, Phrases]:
    """As `load_dialogue`, unproven. Raises ConfigError where a file's shape is wrong."""
    ours = files("config")
    tree = load_tree((tree_folder or ours / "dialogue") / TREE_FILE)
    return tree, load_phrases(phrases_folder or ours / "phrases")


def findings(tree: Tree, phrases: Phrases) -> list[Finding]:
    """What is wrong, in the order of files and lines: first targets, then ways, then words."""
    # Each proof stands on the one before it: one mistake is not named three times.
    words = chain(word_findings(tree, phrases), text_findings(tree, phrases))
    for proof in (_structure(tree), _ways(tree), words):
        if found := sorted(set(proof)):
            return found
    return []


def _structure(tree: Tree) -> Iterator[Finding]:
    def finding(line: int, message: str) -> Finding:
        return Finding(tree.file, line, message)

    lookups = {name for name, screen in tree.screens.items() if isinstance(screen, Lookup)}
    for code, name in tree.entries.items():
        if name not in tree.screens:
            yield finding(tree.entry_lines[code], f'{code} leads to "{name}", which is no screen.')
        elif name in lookups:
            yield finding(
                tree.entry_lines[code],
                f'{code} leads to the lookup "{name}"; only a question may, which asks for the ID.',
            )
    for screen in tree.screens.values():
        for line, target in targets(screen):
            if target not in tree.screens:
                yield finding(line, f'"{screen.name}" leads to "{target}", which is no screen.')
            elif target in lookups and not isinstance(screen, Question):
                yield finding(
                    line,
                    f'"{screen.name}" leads to the lookup "{target}";'
                    " only a question may, which asks for the ID.",
                )
        match screen:
            case Question(go=go) if go in tree.screens and go not in lookups:
                yield finding(
                    screen.line, f'"{screen.name}" asks for an ID, so "{go}" must be a lookup.'
                )
            case Lookup(on=on) if not isinstance(tree.screens.get(on[Branch.INVALID_ID]), Question):
                yield finding(
                    screen.line,
                    f'"{screen.name}" must lead to a question on INVALID_ID, which asks again.',
                )
            case Menu() as menu:
                yield from _keys(tree, menu)


def _keys(tree: Tree, menu: Menu) -> Iterator[Finding]:
    for language in tree.languages:
        taken: set[str] = set()
        offered = menu.offered(language)
        if not offered:
            yield Finding(tree.file, menu.line, f'"{menu.name}" offers nothing in "{language}".')
        for option in offered:
            if option.key in taken:
                yield Finding(
                    tree.file,
                    option.line,
                    f'"{menu.name}" has the key {option.key} twice in "{language}".',
                )
            taken.add(option.key)


def _ways(tree: Tree) -> Iterator[Finding]:
    reached, ends = reachable(tree), ending(tree)
    for name, screen in tree.screens.items():
        if name not in reached:
            yield Finding(tree.file, screen.line, f'nothing leads to the screen "{name}".')
        elif name not in ends:
            yield Finding(tree.file, screen.line, f'no path from "{name}" ends with a last word.')
