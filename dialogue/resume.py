"""
The screen that offers to go on with a conversation that was cut off.

    گفت‌وگوی قبلی شما ناتمام ماند:     what happened
    اعتبار درمان                        what it was about: the option that led there
    1 ادامه
    2 از نو

No author draws it: it stands for every screen of a tree, and no ID or answer is ever on it. Its
phrases are those named resume_… in the phrase files. A language without them has no such screen.
"""

from collections import deque
from collections.abc import Iterator

from dialogue.finding import Finding, Rendered
from dialogue.paths import reachable, targets
from dialogue.phrases import Phrases, codes_of, read_as
from dialogue.steps import Choice, Show
from dialogue.tree import Lookup, Menu, Tree
from dialogue.words import words
from telecom.channel import Channel
from telecom.screen import octets_of, pages

PREFIX = "resume_"
TITLE = "resume_title"
CHOICES = (Choice("1", "resume_go_on"), Choice("2", "resume_anew"))
GO_ON, ANEW = (choice.key for choice in CHOICES)
KEYS = (TITLE, *(choice.label for choice in CHOICES))

SCREEN = "resume"
"""What the screen is called where screens are listed. A tree's own may be called so too."""


def offer(tree: Tree, phrases: Phrases, entry: str, screen: str, language: str) -> Show | None:
    """The offer to go on at a screen to which a service code of the tree has led.

    `tree` as USSD has it. None where the language has no words for it.
    """
    texts = read_as(phrases, language).phrases
    if any(key not in texts for key in KEYS):
        return None
    label = topics(tree, entry).get(screen)
    if label is None or label not in texts or texts[label].values:
        return Show(SCREEN, language, (TITLE,), choices=CHOICES)
    return Show(SCREEN, language, (label,), choices=CHOICES, hint=TITLE)


def worth_resuming(tree: Tree, name: str) -> bool:
    """Whether there is something to go on with at a screen.

    Not at a first menu, nor at one that leads only there: the choice of a language.
    """
    screen = tree.screens.get(name)
    if isinstance(screen, Menu) and all(option.go in tree.tops for option in screen.options):
        return False
    return name not in tree.tops


def topics(tree: Tree, entry: str) -> dict[str, str]:
    """For each screen behind a service code, the label of the last option on the shortest way."""
    found: dict[str, str] = {}
    first = tree.entries.get(entry)
    seen = {first}
    ahead = deque([(first, "")])
    while ahead:
        name, label = ahead.popleft()
        screen = tree.screens.get(name or "")
        if screen is None:
            continue
        if name is not None and label:
            found[name] = label
        if isinstance(screen, Menu):
            following = [(option.go, option.label) for option in screen.options]
        else:
            following = [(target, label) for _, target in targets(screen)]
        for target, of in following:
            if target not in seen:
                seen.add(target)
                ahead.append((target, of))
    return found


def offer_renderings(tree: Tree, phrases: Phrases) -> Iterator[Rendered]:
    """Every offer that can be made, in every language that has the words, as USSD pages."""
    tree = tree.on(Channel.USSD)
    reached = reachable(tree)
    for code in codes_of(tree.languages, phrases):
        seen = set()
        for entry in tree.entries:
            for name, screen in tree.screens.items():
                if name not in reached or isinstance(screen, Lookup):
                    continue
                if not worth_resuming(tree, name):
                    continue
                show = offer(tree, phrases, entry, name, code)
                if show is None or show.say in seen:
                    continue
                seen.add(show.say)
                language = phrases[code]
                screens = pages(words(phrases, show), language.more, language.back)
                line = language.phrases[TITLE].line
                yield Rendered(SCREEN, code, line, tuple(screens), paged=False)


def resume_findings(tree: Tree, phrases: Phrases) -> Iterator[Finding]:
    """What is wrong with the words of the offer; nothing where no language has any."""
    if not all(code in phrases for code in tree.languages):
        return
    if not any(key.startswith(PREFIX) for own in phrases.values() for key in own.phrases):
        return
    missing = False
    for language in (phrases[code] for code in codes_of(tree.languages, phrases)):
        for key in KEYS:
            if key not in language.phrases:
                missing = True
                yield Finding(language.file, 1, f'lacks "{key}", which a resumed dialogue needs.')
            elif language.phrases[key].values:
                missing = True
                line = language.phrases[key].line
                yield Finding(language.file, line, f'"{key}" has a value, and none is known there.')
        for key, phrase in language.phrases.items():
            if key.startswith(PREFIX) and key not in KEYS:
                yield Finding(language.file, phrase.line, f'no screen uses the phrase "{key}".')
    if missing:
        return
    for one in offer_renderings(tree, phrases):
        if len(one.pages) > 1:
            yield Finding(
                phrases[one.language].file,
                one.line,
                f"the offer to go on needs {len(one.pages)} USSD pages in "
                f'"{one.language}" (the first has {octets_of(one.pages[0])} octets); shorten it.',
                shown="\n―\n".join(one.pages),
            )
