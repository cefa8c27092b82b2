"""The tree as a drawing."""

import re
from dataclasses import replace

from dialogue.graph import mermaid
from dialogue.paths import reachable, targets
from tests.scripted_inquirer import PHRASES, TREE

_NODE = re.compile(r"  (s[0-9]+)(?:\[|\(|\{)")
_ARROW = re.compile(r"  (\S+) (?:-->|-- \".*\" -->|-\. \".*\" \.->) (s[0-9]+)")


def test_every_screen_and_every_way_is_drawn() -> None:
    """The drawing has all screens, and an arrow wherever one leads to another."""
    lines = mermaid(TREE, PHRASES).splitlines()
    assert lines[0] == "flowchart TD"
    nodes = [found[1] for line in lines if (found := _NODE.match(line))]
    ids = dict(zip(TREE.screens, nodes, strict=True))
    arrows = {(found[1], found[2]) for line in lines if (found := _ARROW.fullmatch(line))}
    wanted = {
        (ids[screen.name], ids[target])
        for screen in TREE.screens.values()
        for _, target in targets(screen)
    }
    assert {arrow for arrow in arrows if arrow[0].startswith("s")} == wanted
    drawn = {ids[name] for name in reachable(TREE)}
    assert {target for _, target in arrows} == drawn


def test_options_say_their_key_and_their_channel() -> None:
    """Whoever reads the drawing sees what is typed, and that 0 is for telephones alone."""
    drawing = mermaid(TREE, PHRASES)
    assert re.search(r'-- "0 .*\(voice\)" -->', drawing)
    assert re.search(r'-- "1 اعتبار درمان" -->', drawing)


def test_words_cannot_break_the_drawing() -> None:
    """A quote, a bracket or a line in the words is drawn, not obeyed."""
    fa = PHRASES["fa"]
    title = replace(fa.phrases["main_title"], text='a "b" <c>\n#d; & e]')
    phrases = {**PHRASES, "fa": replace(fa, phrases={**fa.phrases, "main_title": title})}
    drawing = mermaid(TREE, phrases)
    assert 's0["main<br>a #quot;b#quot; #lt;c#gt;<br>#35;d; #38; e]"]' in drawing
