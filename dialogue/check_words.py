"""
The proof of the words: every phrase there, every value said, every screen within its page.

Screens are rendered as `dialogue/advance.py` would show them, in every language and with every
set of values that may come up, at their longest.
"""

from collections.abc import Iterator

from dialogue.check_tree import on_every_channel
from dialogue.finding import Finding, Rendered
from dialogue.guide_words import PREFIX as GUIDE
from dialogue.letters import letter_faults
from dialogue.paths import Values, reachable, situations
from dialogue.phrases import Language, Phrases, codes_of
from dialogue.resume import PREFIX as RESUME
from dialogue.steps import Choice, Show
from dialogue.texts import PREFIX
from dialogue.tree import CHANNELS, Lookup, Menu, Message, Question, Screen, Tree
from dialogue.typed import Right, read_answer
from dialogue.words import spoken, words
from telecom.channel import Channel
from telecom.screen import octets_of, pages

MOST_PAGES = 9
LONGEST_TEXT = 4000
"""Characters of a screen that are rendered: whatever has more has far too many pages."""


def word_findings(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    """What is wrong with the words of a tree whose structure is sound."""
    missing = list(_missing(tree, phrases))
    yield from missing
    yield from _unused(tree, phrases)
    yield from _letters(tree, phrases)
    if missing:
        return
    if differ := list(_values_differ(tree, phrases)):
        yield from differ
        return
    yield from on_every_channel(tree, lambda view: _unsaid(view, phrases))
    for rendered in renderings(tree, phrases):
        yield from _too_long(tree.on(Channel.USSD), phrases[rendered.language], rendered)


def shown(tree: Tree, phrases: Phrases, channel: Channel) -> Iterator[tuple[Screen, Show]]:
    """Everything that every screen of a channel can come to, in every language, at its longest.

    Raises KeyError where a phrase is missing: ask `findings` first.
    """
    tree = tree.on(channel)
    known, reached = situations(tree), reachable(tree)
    for screen in tree.screens.values():
        if screen.name not in reached or isinstance(screen, Lookup):
            continue
        for code in codes_of(tree.languages, phrases):
            for show in shows(screen, code, known[screen.name]):
                if _sayable(phrases[code], show):
                    yield screen, show


def renderings(tree: Tree, phrases: Phrases) -> Iterator[Rendered]:
    """As `shown` on USSD, in words, as pages."""
    for screen, show in shown(tree, phrases, Channel.USSD):
        language = phrases[show.language]
        text = words(phrases, show)[:LONGEST_TEXT]
        screens = pages(text, language.more, language.back)
        paged = not isinstance(screen, Lookup) and screen.paged
        yield Rendered(screen.name, show.language, screen.line, tuple(screens), paged)


def shows(screen: Screen, language: str, known: list[Values]) -> Iterator[Show]:
    """Everything that a screen may come to, as `advance` puts it; `known`: see `situations`."""
    match screen:
        case Menu(name=name, title=title, wrong=wrong) as menu:
            choices = tuple(Choice(option.key, option.label) for option in menu.offered(language))
            yield Show(name, language, (title,), choices=choices)
            yield Show(name, language, (), choices=choices, hint=wrong, wrong=True)
        case Question(name=name, prompt=prompt, wrong=by_reason):
            choices = tuple(Choice(choice.key, choice.label) for choice in screen.choices)
            for phrase in (prompt, *by_reason.values()):
                yield Show(name, language, (phrase,), choices=choices, wrong=phrase != prompt)
        case Message(name=name, say=say, also=also):
            for values in known:
                yield Show(
                    name,
                    language,
                    say,
                    also,
                    values,
                    last=screen.go is None,
                    hand_over=screen.hand_over,
                )


def users(tree: Tree) -> dict[str, Screen]:
    """For each phrase, the first screen that names it, on whichever channel."""
    found: dict[str, Screen] = {}
    for channel in CHANNELS:
        for screen in tree.on(channel).screens.values():
            for key in named(screen):
                found.setdefault(key, screen)
    return found


def named(screen: Screen) -> Iterator[str]:
    """The phrases that a screen names."""
    match screen:
        case Menu(title=title, wrong=wrong, options=options):
            yield from (title, wrong, *(option.label for option in options))
        case Question(prompt=prompt, wrong=by_reason, choices=choices):
            yield from (prompt, *by_reason.values(), *(choice.label for choice in choices))
        case Message(say=say, also=also):
            yield from (*say, *also)


def _missing(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    for code in tree.languages:
        if code not in phrases:
            yield Finding(tree.file, 1, f'the language "{code}" has no phrase file {code}.toml.')
    for key, screen in users(tree).items():
        for code in codes_of(tree.languages, phrases):
            if code not in phrases or key in phrases[code].phrases:
                continue
            if key.startswith(GUIDE):
                file, line = _written(phrases, key)
                yield Finding(file, line, f"has no words in [{code}].", screen.name)
            else:
                yield Finding(
                    tree.file,
                    screen.line,
                    f'"{screen.name}" names the phrase "{key}", which {phrases[code].file} lacks.',
                    screen.name,
                )

    for screen in {screen.name: screen for screen in users(tree).values()}.values():
        for option in screen.options if isinstance(screen, Menu) else ():
            script = option.language
            if script and "-" in script and script not in phrases:
                yield Finding(
                    tree.file,
                    option.line,
                    f'the script "{script}" has no phrase file {script}.toml.',
                    screen.name,
                )


def _written(phrases: Phrases, key: str) -> tuple[str, int]:
    """The file and line of a phrase of the guide, in the first language that has it."""
    found = (one.phrases[key] for one in phrases.values() if key in one.phrases)
    phrase = next(found, None)
    return (phrase.file, 1) if phrase else ("", 1)


def _unused(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    used = users(tree)
    for code, language in phrases.items():
        if not tree.speaks(code):
            yield Finding(language.file, 1, f'the tree does not offer the language "{code}".')
            continue
        for key, phrase in language.phrases.items():
            if key not in used and not key.startswith((PREFIX, GUIDE, RESUME)):
                yield Finding(language.file, phrase.line, f'no screen uses the phrase "{key}".')


def _letters(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    used = users(tree)
    for language in phrases.values():
        texts = [
            (phrase.line, key, phrase.text)
            for key, phrase in language.phrases.items()
            if not key.startswith(GUIDE)  # dialogue/check_guide.py names its own files
        ]
        for line, key, text in [*texts, (1, "more", language.more), (1, "back", language.back)]:
            screen = used[key].name if key in used else ""
            for fault in letter_faults(language, text):
                yield Finding(language.file, line, f'"{key}" {fault}', screen)


def _values_differ(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    first, used = phrases[tree.languages[0]], users(tree)
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
                    used[key].name if key in used else "",
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
    known, reached = situations(tree), reachable(tree)
    for screen in tree.screens.values():
        if screen.name not in reached:
            continue
        for code in codes_of(tree.languages, phrases):
            language = phrases[code]
            said: set[str] = set()
            for show in shows(screen, code, known[screen.name]):
                keys = spoken(language, show.say, show.also, show.values)
                said |= set(keys)
                given = ", ".join(sorted(show.values)) or "nothing"
                if not _sayable(language, show):
                    yield Finding(
                        tree.file,
                        screen.line,
                        f'"{screen.name}" has no phrase in "{code}" where {given} is known.',
                        screen.name,
                    )
                    continue
                spoken_values = set().union(*(language.phrases[key].values for key in keys))
                for value in sorted(show.values.keys() - spoken_values):
                    yield Finding(
                        tree.file,
                        screen.line,
                        f'"{screen.name}" leaves {{{value}}} unsaid in "{code}"'
                        f" where {given} is known.",
                        screen.name,
                    )
            if isinstance(screen, Message):
                for key in (*screen.say, *screen.also):
                    if key not in said:
                        yield Finding(
                            tree.file,
                            screen.line,
                            f'"{screen.name}" never says its phrase "{key}" in "{code}".',
                            screen.name,
                        )


def _too_long(tree: Tree, language: Language, rendered: Rendered) -> Iterator[Finding]:
    screen = tree.screens[rendered.screen]
    if len(rendered.pages) == 1:
        return
    shown = "\n―\n".join(rendered.pages)
    file, at = tree.file, rendered.line
    if isinstance(screen, Message) and screen.say[0].startswith(GUIDE):
        # Too long is a topic, not the menu that it hangs from.
        phrase = language.phrases[screen.say[0]]
        file, at = phrase.file, phrase.line
    if not rendered.paged:
        in_line = " / ".join("\n".join(rendered.pages).split("\n"))
        octets = octets_of(rendered.pages[0])
        yield Finding(
            tree.file,
            rendered.line,
            f'"{rendered.screen}" needs {len(rendered.pages)} USSD pages in "{language.code}"'
            f" (the first has {octets} octets); shorten it or set paged = true: {in_line}",
            screen.name,
            shown,
        )
    if len(rendered.pages) > MOST_PAGES:
        yield Finding(
            file,
            at,
            f'"{rendered.screen}" needs {len(rendered.pages)} USSD pages in "{language.code}";'
            f" nobody turns more than {MOST_PAGES}.",
            screen.name,
            shown,
        )
    for line, key in _paging_answers(language, screen):
        yield Finding(
            tree.file,
            line,
            f'"{screen.name}" is paged, and its key {key} turns pages in "{language.code}".',
            screen.name,
            shown,
        )


def _paging_answers(language: Language, screen: Screen) -> Iterator[tuple[int, str]]:
    """The keys that turn pages and are answers to the screen too, with their lines."""
    keys = (language.more_key, language.back_key)
    match screen:
        case Menu() as menu:
            for option in menu.offered(language.code):
                if option.key in keys:
                    yield option.line, option.key
        case Question(line=line, ask=ask) if ask != "national_id":
            for key in keys:
                if isinstance(read_answer(screen, key), Right):
                    yield line, key
