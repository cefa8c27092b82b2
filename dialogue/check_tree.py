"""
The proof of a tree's structure and of its ways, on every channel.

Structure: targets are there, questions and look-ups fit each other, keys are distinct and the
same wherever an option is offered. Ways: every screen can be reached, within the depth that the
tree allows, and from every one some answer leads to a last word.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from dialogue.finding import Finding
from dialogue.lookups import LOOKUPS
from dialogue.paths import depths, ending, reachable, targets
from dialogue.tree import CHANNELS, Lookup, Menu, Option, Question, Screen, Tree
from dialogue.typed import most_digits
from telecom.channel import Channel


def structure_findings(tree: Tree) -> Iterator[Finding]:
    """Targets, answers and keys."""
    yield from on_every_channel(tree, _structure)
    for menu in tree.screens.values():
        if isinstance(menu, Menu):
            yield from _keys_differ(tree, menu)


def way_findings(tree: Tree) -> Iterator[Finding]:
    """Ways to a screen and on from it. The structure is sound."""
    reached: set[str] = set()
    for channel in CHANNELS:
        reached |= reachable(tree.on(channel))
    for name, screen in tree.screens.items():
        if name not in reached:
            yield _about(tree, screen, f'nothing leads to the screen "{name}".')
    yield from on_every_channel(tree, _ways)


def on_every_channel(tree: Tree, proof: Callable[[Tree], Iterator[Finding]]) -> Iterator[Finding]:
    """What is wrong on all channels, once; what is wrong on one names that channel."""
    found: dict[Finding, list[Channel]] = {}
    for channel in CHANNELS:
        for finding in dict.fromkeys(proof(tree.on(channel))):
            found.setdefault(finding, []).append(channel)
    for finding, channels in found.items():
        if len(channels) == len(CHANNELS):
            yield finding
        else:
            where = f"{finding.message.removesuffix('.')} (on {channels[0]})."
            yield replace(finding, message=where)


def _about(tree: Tree, screen: Screen, message: str, line: int = 0) -> Finding:
    return Finding(tree.file, line or screen.line, message, screen.name)


def _structure(tree: Tree) -> Iterator[Finding]:
    lookups = {name for name, screen in tree.screens.items() if isinstance(screen, Lookup)}
    for code, name in tree.entries.items():
        line = tree.entry_lines[code]
        if name not in tree.screens:
            yield Finding(tree.file, line, f'{code} leads to "{name}", which is no screen.')
        elif name in lookups:
            asks = f'{code} leads to the lookup "{name}"; only a question may, which asks for it.'
            yield Finding(tree.file, line, asks, name)
    for screen in tree.screens.values():
        for line, target in targets(screen):
            if target not in tree.screens:
                no_screen = f'"{screen.name}" leads to "{target}", which is no screen.'
                yield _about(tree, screen, no_screen, line)
            elif target in lookups and not isinstance(screen, Question):
                yield _about(
                    tree,
                    screen,
                    f'"{screen.name}" leads to the lookup "{target}";'
                    " only a question may, which asks for what it takes.",
                    line,
                )
        match screen:
            case Question() as question:
                yield from _question(tree, question)
            case Lookup(what=what, on=on) if again := LOOKUPS[what].again:
                asking = tree.screens.get(on[again])
                if not isinstance(asking, Question) or asking.ask != LOOKUPS[what].takes:
                    yield _about(
                        tree,
                        screen,
                        f'"{screen.name}" must lead to a question on {again}, which asks again'
                        f" for a {LOOKUPS[what].takes}.",
                    )
            case Menu() as menu:
                yield from _keys(tree, menu)


def _question(tree: Tree, question: Question) -> Iterator[Finding]:
    target = tree.screens.get(question.go)
    if isinstance(target, Lookup):
        takes = LOOKUPS[target.what].takes
        if takes != question.ask:
            yield _about(
                tree,
                question,
                f'"{question.name}" asks for a {question.ask}, but the lookup "{question.go}"'
                f" takes a {takes}.",
            )
    elif target is not None and question.ask == "national_id":
        yield _about(
            tree,
            question,
            f'"{question.name}" asks for an ID, so "{question.go}" must be a lookup.',
        )
    if question.ask == "choice":
        yield from _distinct(tree, question, question.choices, "")


def _keys(tree: Tree, menu: Menu) -> Iterator[Finding]:
    for language in tree.languages:
        yield from _distinct(tree, menu, menu.offered(language), f' in "{language}"')


def _distinct(
    tree: Tree, screen: Screen, options: tuple[Option, ...], where: str
) -> Iterator[Finding]:
    if not options:
        yield _about(tree, screen, f'"{screen.name}" offers nothing{where}.')
    taken: set[str] = set()
    for option in options:
        if option.key in taken:
            twice = f'"{screen.name}" has the key {option.key} twice{where}.'
            yield _about(tree, screen, twice, option.line)
        taken.add(option.key)


def _keys_differ(tree: Tree, menu: Menu) -> Iterator[Finding]:
    """A key that does one thing here and another there, to somebody who knows the menu."""
    first, *others = CHANNELS
    for language in tree.languages:
        here = _offered(tree, first, menu.name, language)
        for channel in others:
            for mine, theirs in _like(here, _offered(tree, channel, menu.name, language)):
                same_key = mine.key == theirs.key
                same_way = (mine.go, mine.language) == (theirs.go, theirs.language)
                both_languages = _of_languages(tree, mine) and _of_languages(tree, theirs)
                if same_key and not same_way and not both_languages:
                    yield _about(
                        tree,
                        menu,
                        f'"{menu.name}" leads under the key {mine.key} to "{mine.go}" on {first}'
                        f' and to "{theirs.go}" on {channel}.',
                        theirs.line,
                    )
                if same_way and mine.label == theirs.label and not same_key:
                    yield _about(
                        tree,
                        menu,
                        f'"{menu.name}" has "{mine.go}" under the key {mine.key} on {first}'
                        f" and under {theirs.key} on {channel}.",
                        theirs.line,
                    )


def _like(here: tuple[Option, ...], there: tuple[Option, ...]) -> Iterator[tuple[Option, Option]]:
    """Options of two channels that have the key in common, or the way."""
    found: dict[object, list[Option]] = {}
    for option in there:
        found.setdefault(option.key, []).append(option)
        found.setdefault((option.go, option.language), []).append(option)
    for mine in here:
        for theirs in [*found.get(mine.key, ()), *found.get((mine.go, mine.language), ())]:
            yield mine, theirs


def _of_languages(tree: Tree, option: Option) -> bool:
    """Whether an option changes the language, or leads to a menu of those that do.

    One key may do the one where there are only languages, the other where there are letters too.
    """
    target = tree.screens.get(option.go)
    ahead = target.options if isinstance(target, Menu) else ()
    chosen = [each.language for each in ahead if each.language]
    return bool(option.language or (chosen and len(ahead) - len(chosen) <= 1))


def _offered(tree: Tree, channel: Channel, name: str, language: str) -> tuple[Option, ...]:
    menu = tree.on(channel).screens[name]
    return menu.offered(language) if isinstance(menu, Menu) else ()


def _ways(tree: Tree) -> Iterator[Finding]:
    reached, ends, deep = reachable(tree), ending(tree), depths(tree)
    for name in tree.screens:
        if name not in reached:
            continue
        screen = tree.screens[name]
        if name not in ends:
            yield _about(tree, screen, f'no path from "{name}" ends with a last word.')
        if deep.get(name, 0) > tree.depth:
            yield _about(
                tree,
                screen,
                f'"{name}" is {deep[name]} screens from its service code; limits.depth allows'
                f" {tree.depth}.",
            )
        typed = not isinstance(screen, Question) or most_digits(screen)
        if tree.channel is Channel.VOICE and not typed:
            yield _about(
                tree,
                screen,
                f'"{name}" asks for a free text, which no telephone keypad can type; lead to it'
                " on ussd alone.",
            )
