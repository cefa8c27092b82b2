"""
The proof of the words: every phrase there, every value said, every screen within its page.

Screens are rendered as `dialogue/advance.py` would show them, in every language and with every
set of values that may come up, at their longest.
"""

from collections.abc import Iterator
from itertools import chain

from dialogue.finding import Finding, Rendered
from dialogue.letters import letter_faults
from dialogue.paths import Values, situations
from dialogue.phrases import Language, Phrases, codes_of
from dialogue.steps import Choice, Show
from dialogue.texts import PREFIX
from dialogue.tree import Lookup, Menu, Message, Question, Screen, Tree
from dialogue.words import spoken, words
from telecom.screen import octets_of, pages

MOST_PAGES = 9


def word_findings(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    """What is wrong with the words of a tree whose structure is sound."""
    missing = list(_missing(tree, phrases))
    yield from missing
    yield from _unused(tree, phrases)
    yield from _letters(phrases)
    if missing:
        return
    yield from _values_differ(tree, phrases)
    yield from _unsaid(tree, phrases)
    for rendered in renderings(tree, phrases):
        yield from _too_long(tree, phrases[rendered.language], rendered)


def shown(tree: Tree, phrases: Phrases) -> Iterator[tuple[Screen, Show]]:
    """Everything that every screen can come to, in every language, with values at their longest.

    Raises KeyError where a phrase is missing: ask `findings` first.
    """
    known = situations(tree)
    for screen in tree.screens.values():
        for code in codes_of(tree.languages, phrases):
            for show in _shows(screen, code, known[screen.name]):
                if _sayable(phrases[code], show):
                    yield screen, show


def renderings(tree: Tree, phrases: Phrases) -> Iterator[Rendered]:
    """As `shown`, in words, as USSD pages."""
    for screen, show in shown(tree, phrases):
        language = phrases[show.language]
        screens = pages(words(phrases, show), language.more, language.back)
        paged = not isinstance(screen, Lookup) and screen.paged
        yield Rendered(screen.name, show.language, screen.line, tuple(screens), paged)


def _shows(screen: Screen, language: str, known: list[Values]) -> Iterator[Show]:
    match screen:
        case Menu(name=name, title=title, wrong=wrong) as menu:
            choices = tuple(Choice(option.key, option.label) for option in menu.offered(language))
            for hint in (None, wrong):
                yield Show(name, language, (title,), choices=choices, hint=hint)
        case Question(name=name, prompt=prompt, wrong=by_reason):
            for phrase in (prompt, *by_reason.values()):
                yield Show(name, language, (phrase,))
        case Message(name=name, say=say, also=also):
            for values in known:
                yield Show(name, language, say, also, values, last=screen.go is None)


def _named(screen: Screen) -> Iterator[str]:
    """The phrases that a screen names."""
    match screen:
        case Menu(title=title, wrong=wrong, options=options):
            yield from (title, wrong, *(option.label for option in options))
        case Question(prompt=prompt, wrong=by_reason):
            yield from (prompt, *by_reason.values())
        case Message(say=say, also=also):
            yield from (*say, *also)


def _missing(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    for code in tree.languages:
        if code not in phrases:
            yield Finding(tree.file, 1, f'the language "{code}" has no phrase file {code}.toml.')
    for screen in tree.screens.values():
        for option in screen.options if isinstance(screen, Menu) else ():
            if option.language and option.language not in phrases and "-" in option.language:
                yield Finding(
                    tree.file,
                    option.line,
                    f'the script "{option.language}" has no phrase file {option.language}.toml.',
                )
        for key in _named(screen):
            for code in codes_of(tree.languages, phrases):
                if code in phrases and key not in phrases[code].phrases:
                    yield Finding(
                        tree.file,
                        screen.line,
                        f'"{screen.name}" names the phrase "{key}",'
                        f" which {phrases[code].file} lacks.",
                    )


def _unused(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    used = set(chain.from_iterable(map(_named, tree.screens.values())))
    for code, language in phrases.items():
        if not tree.speaks(code):
            yield Finding(language.file, 1, f'the tree does not offer the language "{code}".')
            continue
        for key, phrase in language.phrases.items():
            if key not in used and not key.startswith(PREFIX):
                yield Finding(language.file, phrase.line, f'no screen uses the phrase "{key}".')


def _letters(phrases: Phrases) -> Iterator[Finding]:
    for language in phrases.values():
        texts = [(phrase.line, key, phrase.text) for key, phrase in language.phrases.items()]
        for line, key, text in [*texts, (1, "more", language.more), (1, "back", language.back)]:
            for fault in letter_faults(language, text):
                yield Finding(language.file, line, f'"{key}" {fault}')


def _values_differ(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    first = phrases[tree.languages[0]]
    for code in codes_of(tree.languages, phrases)[1:]:
        for key, phrase in phrases[code].phrases.items():
            other = first.phrases.get(key)
            if other and other.values != phrase.values:
                here = ", ".join(sorted(phrase.values)) or "none"
                there = ", ".join(sorted(other.values)) or "none"
                yield Finding(
                    phrases[code].file,
                    phrase.line,
                    f'"{key}" has the values {here}; in {first.file} it has {there}.',
                )


def _sayable(language: Language, show: Show) -> bool:
    """Whether the values are there for all that would be said."""
    keys = [
        *spoken(language, show.say, show.also, show.values),
        *([show.hint] if show.hint else []),
    ]
    keys += [choice.label for choice in show.choices]
    return all(language.phrases[key].values <= show.values.keys() for key in keys)


def _unsaid(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    known = situations(tree)
    for screen in tree.screens.values():
        for code in codes_of(tree.languages, phrases):
            language = phrases[code]
            said: set[str] = set()
            for show in _shows(screen, code, known[screen.name]):
                keys = spoken(language, show.say, show.also, show.values)
                said |= set(keys)
                given = ", ".join(sorted(show.values)) or "nothing"
                if not _sayable(language, show):
                    yield Finding(
                        tree.file,
                        screen.line,
                        f'"{screen.name}" has no phrase in "{code}" where {given} is known.',
                    )
                    continue
                spoken_values = set().union(*(language.phrases[key].values for key in keys))
                for value in sorted(show.values.keys() - spoken_values):
                    yield Finding(
                        tree.file,
                        screen.line,
                        f'"{screen.name}" leaves {{{value}}} unsaid in "{code}"'
                        f" where {given} is known.",
                    )
            if isinstance(screen, Message):
                for key in (*screen.say, *screen.also):
                    if key not in said:
                        yield Finding(
                            tree.file,
                            screen.line,
                            f'"{screen.name}" never says its phrase "{key}" in "{code}".',
                        )


def _too_long(tree: Tree, language: Language, rendered: Rendered) -> Iterator[Finding]:
    screen = tree.screens[rendered.screen]
    if len(rendered.pages) == 1:
        return
    if not rendered.paged:
        shown = " / ".join("".join(rendered.pages).split("\n"))
        octets = octets_of(rendered.pages[0])
        yield Finding(
            tree.file,
            rendered.line,
            f'"{rendered.screen}" needs {len(rendered.pages)} USSD pages in "{language.code}"'
            f" (the first has {octets} octets); shorten it or set paged = true: {shown}",
        )
    if len(rendered.pages) > MOST_PAGES:
        yield Finding(
            tree.file,
            rendered.line,
            f'"{rendered.screen}" needs {len(rendered.pages)} USSD pages in "{language.code}";'
            f" nobody turns more than {MOST_PAGES}.",
        )
    if isinstance(screen, Menu):
        for option in screen.offered(language.code):
            if option.key in (language.more_key, language.back_key):
                yield Finding(
                    tree.file,
                    option.line,
                    f'"{screen.name}" is paged, and its key {option.key} turns pages'
                    f' in "{language.code}".',
                )
