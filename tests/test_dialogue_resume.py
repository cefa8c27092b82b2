"""The offer to go on: its words proven, and what it says a conversation was about."""

from dataclasses import replace

import pytest

from dialogue.advance import advance
from dialogue.check import findings
from dialogue.phrases import Phrase, Phrases
from dialogue.resume import CHOICES, KEYS, TITLE, offer, offer_renderings, topics, worth_resuming
from dialogue.state import State
from dialogue.steps import Show, Typed
from dialogue.tree import Lookup
from dialogue.words import words
from telecom.channel import Channel
from telecom.screen import USSD_OCTETS, octets_of
from tests.dialogue_sample import sample, sample_phrases
from tests.scripted_inquirer import PHRASES, TREE

USSD_TREE = TREE.on(Channel.USSD)


def with_words(language: str, **texts: str) -> Phrases:
    """The shipped phrases with other ones in a language; "" takes one out."""
    own = dict(PHRASES[language].phrases)
    for key, text in texts.items():
        own[key] = Phrase(text, frozenset(), 7)
        if not text:
            del own[key]
    return {**PHRASES, language: replace(PHRASES[language], phrases=own)}


def test_every_offer_fits_one_page() -> None:
    """Whatever it was about, in every language and script, the offer is one page with its keys."""
    seen = list(offer_renderings(TREE, PHRASES))
    assert {one.language for one in seen} == {"fa", "en", "fa-latn"}
    assert len(seen) > 3 * 14  # the topics of the guide, and the options of the menus
    for one in seen:
        (page,) = one.pages
        assert octets_of(page) <= USSD_OCTETS
        assert [line[:2] for line in page.split("\n")[-2:]] == ["1 ", "2 "]
        assert not any(char.isdecimal() and char not in "12" for char in page)


@pytest.mark.parametrize(
    ("entry", "screen", "label"),
    [
        ("*4*1420", "ask_id", "option_treatment"),
        ("*1666", "ask_id", "option_booklet"),
        ("*4*1420", "ask_code", "option_follow_up"),
        ("*4*1420", "guide_insurance", "option_insurance"),
        ("*4*1420", "guide_treatment.brokers", "guide.brokers.title"),
        ("*1666", "guide", None),
        ("*4*1420", "helpline", None),
        ("*99", "ask_id", None),
    ],
)
def test_what_it_was_about(entry: str, screen: str, label: str | None) -> None:
    """A conversation is named by the option of the menu that led to it from its service code."""
    assert topics(USSD_TREE, entry).get(screen) == label
    show = offer(USSD_TREE, PHRASES, entry, screen, "fa")
    assert isinstance(show, Show)
    said = words(PHRASES, show).split("\n")
    title = PHRASES["fa"].phrases[TITLE].text
    named = [PHRASES["fa"].phrases[label].text] if label else []
    assert said == [title, *named, "1 ادامه", "2 از نو"]


def test_every_screen_on_the_way_has_a_name() -> None:
    """Wherever a person of the shipped tree may be cut off, the offer says what it was about."""
    found = topics(USSD_TREE, "*4*1420")
    unnamed = {
        name
        for name, screen in USSD_TREE.screens.items()
        if not isinstance(screen, Lookup) and name not in found
    }
    state = State(TREE.digest, "fa", "main")
    exits = {"helpline", "too_long", "busy", "expired", "unavailable", "unknown_code"}
    assert unnamed == {"main", "booklet", "booklet_language", "operator"} | exits
    assert not worth_resuming(USSD_TREE, "booklet_language")
    assert advance(USSD_TREE, state, Typed("1"))[0].screen in found


def test_a_tree_of_another_kind() -> None:
    """Sub-trees and questions behind questions are named by the option before them."""
    tree = sample().on(Channel.USSD)
    found = topics(tree, "*1")
    assert (found["callback.kept"], found["story_callback.kept"]) == ("to_sort_read", "to_story")
    assert offer(tree, sample_phrases(), "*1", "count", "fa") is None


@pytest.mark.parametrize(
    ("language", "texts", "says"),
    [
        ("fa", {TITLE: ""}, f'fa.toml:1: lacks "{TITLE}", which a resumed dialogue needs.'),
        ("fa-latn", {KEYS[2]: ""}, f'fa-latn.toml:1: lacks "{KEYS[2]}"'),
        ("en", {"resume_more": "x"}, 'en.toml:7: no screen uses the phrase "resume_more".'),
        ("fa", {TITLE: "گفت‌وگو " * 9}, "the offer to go on needs 2 USSD pages in"),
        ("fa", {"option_follow_up": "پیگیری " * 6}, "the offer to go on needs 2 USSD pages in"),
    ],
)
def test_words_that_do_not_hold(language: str, texts: dict[str, str], says: str) -> None:
    """A phrase that is missing, not used or too long is found with its file and line."""
    said = "\n".join(map(str, findings(TREE, with_words(language, **texts))))
    assert says in said


def test_a_dialogue_without_it() -> None:
    """A dialogue of the operator's own that has none of the words is sound, and offers nothing."""
    phrases: Phrases = PHRASES
    for language in PHRASES:
        phrases = {**phrases, language: with_words(language, **dict.fromkeys(KEYS, ""))[language]}
    assert findings(TREE, phrases) == []
    assert list(offer_renderings(TREE, phrases)) == []
    assert offer(USSD_TREE, phrases, "*4*1420", "ask_id", "fa") is None


def test_a_value_that_nobody_knows() -> None:
    """A phrase of the offer may have no value: nothing is known of what was cut off."""
    own = dict(PHRASES["fa"].phrases)
    own[CHOICES[0].label] = Phrase("{code}", frozenset({"code"}), 5)
    phrases = {**PHRASES, "fa": replace(PHRASES["fa"], phrases=own)}
    assert any("has a value" in str(each) for each in findings(TREE, phrases))
