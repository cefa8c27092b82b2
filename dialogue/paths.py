"""
Where one can get to in a tree, and with what in hand.

A lookup's branch hands its screen what is known there: a date or none, a day of the data or
none, a code. `situations` lists these sets of values for every screen, so that the check can say
each text as it may come up.
"""

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from itertools import chain, combinations

from dialogue.lookups import LOOKUPS
from dialogue.steps import Value
from dialogue.tree import Lookup, Menu, Message, Question, Screen, Tree

Values = dict[str, Value]

LONGEST: Values = {
    # Every Jalali date has ten characters and every code eleven digits; a wait of more than
    # 9999 minutes would be a week.
    "valid_until": date(2027, 3, 20),
    "since": date(2027, 3, 20),
    "as_of": date(2026, 11, 21),
    "told_on": date(2026, 11, 21),
    "code": "48305172606",
    "minutes": 9999,
}


def targets(screen: Screen) -> Iterator[tuple[int, str]]:
    """The screens that may follow one, each with the line that names it."""
    match screen:
        case Menu(options=options):
            yield from ((option.line, option.go) for option in options)
        case Question(line=line, go=go) | Message(line=line, go=str(go)):
            yield line, go
        case Lookup(line=line, on=on):
            yield from ((line, target) for target in on.values())


def exits(tree: Tree) -> set[str]:
    """The screens that the tree itself goes to."""
    return {getattr(tree.exits, field.name) for field in fields(tree.exits)}


def reachable(tree: Tree) -> set[str]:
    """Screens that an entry or an exit leads to."""
    found: set[str] = set()
    ahead = [*tree.entries.values(), *exits(tree)]
    while ahead:
        name = ahead.pop()
        if name in found or name not in tree.screens:
            continue
        found.add(name)
        ahead += [target for _, target in targets(tree.screens[name])]
    return found


def depths(tree: Tree) -> dict[str, int]:
    """For each screen that an entry leads to, the fewest screens on the way to it.

    A look-up shows nothing, so it is no screen on the way; an entry is 0 deep.
    """
    found: dict[str, int] = {}
    ahead = [(0, name) for name in tree.entries.values()]
    while ahead:
        later: list[tuple[int, str]] = []
        for depth, name in ahead:
            if name not in tree.screens or found.get(name, depth + 1) <= depth:
                continue
            found[name] = depth
            step = 0 if isinstance(tree.screens[name], Lookup) else 1
            later += [(depth + step, target) for _, target in targets(tree.screens[name])]
        ahead = later
    return found


def ending(tree: Tree) -> set[str]:
    """Screens from which some answer, sooner or later, leads to a last word."""
    found = {
        name
        for name, screen in tree.screens.items()
        if isinstance(screen, Message) and screen.go is None
    }
    grown = True
    while grown:
        more = {
            name
            for name, screen in tree.screens.items()
            if name not in found and any(target in found for _, target in targets(screen))
        }
        found |= more
        grown = bool(more)
    return found


def situations(tree: Tree) -> dict[str, list[Values]]:
    """For each screen, what may be known when it is shown, at its longest."""
    found: dict[str, set[frozenset[str]]] = {name: set() for name in tree.screens}
    for name in (*tree.entries.values(), *exits(tree)):
        found.setdefault(name, set()).add(frozenset())
    for screen in tree.screens.values():
        if isinstance(screen, Lookup):
            for branch, known in LOOKUPS[screen.what].branches.items():
                every = _subsets(known.always, known.sometimes)
                found.setdefault(screen.on[branch], set()).update(every)
        else:
            for _, target in targets(screen):
                found.setdefault(target, set()).add(frozenset())
    return {
        name: [
            {value: LONGEST[value] for value in sorted(known)} for known in sorted(sets, key=sorted)
        ]
        for name, sets in found.items()
    }


def _subsets(always: tuple[str, ...], sometimes: tuple[str, ...]) -> Iterator[frozenset[str]]:
    sizes = range(len(sometimes) + 1)
    for some in chain.from_iterable(combinations(sometimes, size) for size in sizes):
        yield frozenset((*always, *some))
