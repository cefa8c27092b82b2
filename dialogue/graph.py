"""
The tree as a drawing: Mermaid, which many editors and forges show as it is.

    ([*4*1420]) ─▶ menu ─ 1 label ─▶ question ─▶ {lookup} ─ COVERED ─▶ message

Drawn from what was read, sub-trees and guide in their places, so that it cannot go stale.
"""

from collections.abc import Iterator
from dataclasses import fields

from dialogue.outline import outline
from dialogue.phrases import Phrases
from dialogue.tree import CHANNELS, Lookup, Menu, Message, Option, Question, Screen, Tree

_SHAPES = {
    Menu: ('["', '"]'),
    Question: ('[/"', '"/]'),
    Lookup: ('{{"', '"}}'),
    Message: ('("', '")'),
}
_ENTITIES = str.maketrans(
    {"#": "#35;", "&": "#38;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "\n": "<br>"}
)


def mermaid(tree: Tree, phrases: Phrases) -> str:
    """The whole tree, in the words of its first language. Both are proven before."""
    return "\n".join(["flowchart TD", *_nodes(tree, phrases), *_edges(tree, phrases), ""])


def _nodes(tree: Tree, phrases: Phrases) -> Iterator[str]:
    for number, code in enumerate(tree.entries):
        yield f'  e{number}(["{_text(code)}"])'
    yield '  x(("exits"))'
    ids = _ids(tree)
    for screen in tree.screens.values():
        opening, closing = _SHAPES[type(screen)]
        lines = [screen.name, *_said(tree, phrases, screen)]
        yield f"  {ids[screen.name]}{opening}{'<br>'.join(map(_text, lines))}{closing}"


def _said(tree: Tree, phrases: Phrases, screen: Screen) -> list[str]:
    """The words of a screen without those of its options and branches, which are on the arrows."""
    match screen:
        case Menu(title=title):
            return [_phrase(tree, phrases, title)]
        case Lookup(what=what):
            return [what]
    return [outline(tree, phrases, screen.name)]


def _edges(tree: Tree, phrases: Phrases) -> Iterator[str]:
    ids = _ids(tree)
    for number, target in enumerate(tree.entries.values()):
        yield f"  e{number} --> {ids[target]}"
    by_target: dict[str, list[str]] = {}
    for field in fields(tree.exits):
        by_target.setdefault(getattr(tree.exits, field.name), []).append(field.name)
    for target, names in by_target.items():
        yield f'  x -. "{"<br>".join(map(_text, names))}" .-> {ids[target]}'
    for screen in tree.screens.values():
        ways: dict[str, list[str]] = {}
        for target, label in _ways(tree, phrases, screen):
            ways.setdefault(target, []).append(label)
        for target, labels in ways.items():
            said = "<br>".join(_text(label) for label in labels if label)
            arrow = f'-- "{said}" -->' if said else "-->"
            yield f"  {ids[screen.name]} {arrow} {ids[target]}"


def _ways(tree: Tree, phrases: Phrases, screen: Screen) -> Iterator[tuple[str, str]]:
    match screen:
        case Menu(options=options):
            for option in options:
                yield option.go, _label(tree, phrases, option)
        case Question(go=go):
            yield go, ""
        case Message(go=str(go)):
            yield go, ""
        case Lookup(on=on):
            for branch, target in on.items():
                yield target, branch


def _label(tree: Tree, phrases: Phrases, option: Option) -> str:
    only = ", ".join(option.channels) if set(option.channels) != set(CHANNELS) else ""
    said = _phrase(tree, phrases, option.label)
    return f"{option.key} {said}" + (f" ({only})" if only else "")


def _phrase(tree: Tree, phrases: Phrases, key: str) -> str:
    text = phrases[tree.languages[0]].phrases[key].text
    return text.replace("{{", "{").replace("}}", "}")


def _ids(tree: Tree) -> dict[str, str]:
    # Numbers, since a name may be a word of Mermaid's own, such as "end".
    return {name: f"s{number}" for number, name in enumerate(tree.screens)}


def _text(text: str) -> str:
    """A text inside quotes: what Mermaid would read as its own, or as HTML, is written out."""
    return text.translate(_ENTITIES)
