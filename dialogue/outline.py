"""
How a screen looks to its author, though something may be missing from it.

A phrase that is not there stands as ‹its_name›, a value as what it is at its longest.
"""

from dialogue.paths import LONGEST
from dialogue.phrases import Language, Phrases
from dialogue.steps import Value
from dialogue.tree import CHANNELS, Lookup, Menu, Message, Option, Question, Screen, Tree
from dialogue.words import written


def outline(tree: Tree, phrases: Phrases, name: str) -> str:
    """The screen in the tree's first language, as the first channel has it that knows it."""
    known = next((code for code in tree.languages if code in phrases), None)
    language = phrases[known] if known else None
    for channel in CHANNELS:
        screen = tree.by_channel.get(channel, {}).get(name)
        if screen is not None:
            return "\n".join(_lines(screen, tree, language))
    return ""


def _lines(screen: Screen, tree: Tree, language: Language | None) -> list[str]:
    def text(key: str) -> str:
        phrase = language.phrases.get(key) if language else None
        if phrase is None or language is None:
            return f"‹{key}›"
        values: dict[str, Value] = {name: LONGEST[name] for name in phrase.values}
        return phrase.text.format_map(
            {name: written(language, value) for name, value in values.items()}
        )

    def keys(options: tuple[Option, ...]) -> list[str]:
        return [f"{option.key} {text(option.label)}" for option in options]

    match screen:
        case Menu() as menu:
            offered = menu.offered(language.code if language else tree.languages[0])
            return [text(menu.title), *keys(offered)]
        case Question(prompt=prompt, choices=choices):
            return [text(prompt), *keys(choices)]
        case Lookup(on=on):
            return [f"{branch} → {target}" for branch, target in on.items()]
        case Message(say=say, also=also):
            return [text(key) for key in (*say[:1], *also)]
