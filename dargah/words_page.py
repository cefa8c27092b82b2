"""
The page of all words (docs/words.md): every screen, text, spoken sentence and topic, as it is.

Dates, codes and numbers are the longest that can be. Made by `dargah dialogue words`.
"""

import html
from collections.abc import Iterable, Iterator

from dialogue.check_guide import topic_renderings
from dialogue.check_texts import text_renderings
from dialogue.check_words import shown
from dialogue.guide import Guide
from dialogue.phrases import Phrases, codes_of, read_as
from dialogue.resume import offer_renderings
from dialogue.steps import Show
from dialogue.tree import Tree
from dialogue.words import words
from ivr.prompts import FOLDER, Prompts
from ivr.voices import PAUSE, Voices
from telecom.channel import Channel
from telecom.screen import octets_of, pages

HEAD = """\
# The words

Every screen, text and spoken sentence, as it is, with the longest values that it can hold. Made by
`dargah dialogue words --to docs/words.md` from config/dialogue, config/phrases, config/voice and
config/guide: change the words there, then make this page again.
"""


def words_page(tree: Tree, phrases: Phrases, voices: Voices, guide: Guide) -> str:
    """The page, as Markdown. All four are proven before."""
    parts = (
        [HEAD],
        _screens(tree, phrases, voices),
        _offers(tree, phrases),
        _texts(tree, phrases),
        _only_spoken(tree, voices),
        _guide(tree, phrases, guide),
    )
    return "\n".join(line for part in parts for line in part)


def _screens(tree: Tree, phrases: Phrases, voices: Voices) -> Iterator[str]:
    yield "## Screens\n"
    yield "On a USSD screen of 160 octets, and by telephone.\n"
    prompts = Prompts(voices, phrases)
    texts = {
        f"{FOLDER}/{code}/{name}": text
        for code, voice in voices.items()
        for name, text in voice.recordings()
    }
    # By screen and language: what is seen, then what is heard, each once.
    found: dict[str, dict[str, dict[str, str]]] = {}

    def of(show: Show) -> dict[str, str]:
        return found.setdefault(show.screen, {}).setdefault(show.language, {})

    for _, show in shown(tree, phrases, Channel.USSD):
        language = read_as(phrases, show.language)
        for page in pages(words(phrases, show), language.more, language.back):
            of(show)[page] = f"{octets_of(page)} octets"
    for _, show in shown(tree, phrases, Channel.VOICE):
        if show.language in voices:
            names = prompts.screen(show)
            said = " ".join(texts[each] for each in names if not each.endswith(f"/{PAUSE}"))
            of(show)[said] = "spoken"
    for name, by_language in found.items():
        yield f"### {name}\n"
        for code, seen in by_language.items():
            yield from _blocks(phrases, code, seen.items())


def _offers(tree: Tree, phrases: Phrases) -> Iterator[str]:
    yield "## To who was cut off\n"
    yield "On a USSD screen, to who dials again within some minutes.\n"
    by_language: dict[str, dict[str, str]] = {}
    for one in offer_renderings(tree, phrases):
        for page in one.pages:
            by_language.setdefault(one.language, {})[page] = f"{octets_of(page)} octets"
    for code, found in by_language.items():
        yield from _blocks(phrases, code, found.items())


def _texts(tree: Tree, phrases: Phrases) -> Iterator[str]:
    yield "## SMS\n"
    yield "One message each: 70 characters of Persian, 160 of Latin letters.\n"
    by_name: dict[str, dict[str, dict[str, str]]] = {}
    for one in text_renderings(tree, phrases):
        of_language = by_name.setdefault(one.name, {}).setdefault(one.language, {})
        of_language[one.text] = f"{len(one.text)} characters"
    for name, by_language in by_name.items():
        yield f"### {name}\n"
        for code, found in by_language.items():
            yield from _blocks(phrases, code, found.items())


def _only_spoken(tree: Tree, voices: Voices) -> Iterator[str]:
    yield "## Only by telephone\n"
    for code in tree.languages:
        for name, part in voices[code].call.items():
            yield from _block(part.text, name, right_to_left=code == "fa")


def _guide(tree: Tree, phrases: Phrases, guide: Guide) -> Iterator[str]:
    yield "## The guide to services\n"
    names = codes_of(tree.languages, phrases)
    rendered = {(one.topic.name, one.language): one for one in topic_renderings(guide, phrases)}
    for topic in guide.topics:
        yield f"### {topic.group}, {topic.place}: {topic.name}\n"
        circular = topic.circular or "not said yet"
        yield (
            f"Owner: {topic.owner or 'not said yet'}. Circular: {circular}. Read through on"
            f" {topic.reviewed}, again by {topic.review_due}.\n"
        )
        for code in names:
            one, own = rendered[topic.name, code], topic.words[code]
            blocks = [(own.title, "title")]
            blocks += [(page, f"{octets_of(page)} octets") for page in one.pages]
            blocks.append((one.sms, f"SMS, {len(one.sms)} characters, parts: {one.parts}"))
            if own.voice:
                blocks += [(own.voice_title, "spoken title"), (own.voice, "spoken")]
            yield from _blocks(phrases, code, blocks)


def _blocks(phrases: Phrases, code: str, texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"**{phrases[code].name}**\n"
    for text, about in texts:
        yield from _block(text, about, right_to_left=phrases[code].persian_digits)


def _block(text: str, about: str, *, right_to_left: bool) -> Iterator[str]:
    direction = ' dir="rtl"' if right_to_left else ""
    yield f"<pre{direction}>{html.escape(text, quote=False)}</pre>\n"
    yield f"<sub>{about}</sub>\n"
