"""Persian in Latin letters: a script of the language, not a language of its own."""

import re
from dataclasses import replace

import pytest

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.advance import advance
from dialogue.check import findings
from dialogue.guide import load_guide
from dialogue.phrases import Language, Phrases, codes_of, read_as
from dialogue.state import State
from dialogue.steps import Show, Start, Typed
from dialogue.tree import Menu, Tree
from dialogue.tree_file import tree_of
from dialogue.words import words
from ivr.prompts import Prompts
from ivr.voices import load_voices
from telecom import gsm0338
from telecom.channel import Channel
from tests.scripted_inquirer import PHRASES, TREE

TOML = """
languages = ["fa", "en"]
limits = { tries = 3, turns = 20 }
entries = { "*4*1420" = "main" }

[exits]
tries = "busy"
turns = "busy"
busy = "busy"
expired = "busy"
unavailable = "busy"
unknown_code = "busy"

[screens.busy]
kind = "message"
say = ["busy"]

[screens.main]
kind = "menu"
title = "main_title"
wrong = "wrong_option"
options = [
    { key = "9", label = "option_english", language = "en", go = "main" },
    { key = "9", label = "option_persian", language = "fa", go = "main" },
    { key = "1", label = "option_treatment", go = "busy" },
]
"""
SMALL = tree_of(parse_toml(TOML, "tree.toml"))
KEY_8 = """
    { key = "8", label = "option_persian", language = "fa-latn", go = "main" },
]
"""


def with_key_8() -> Tree:
    """A tree whose menu leads to Latin letters by key 8."""
    return tree_of(parse_toml(TOML.replace("\n]\n", KEY_8), "tree.toml"))


def started(tree: Tree, language: str) -> tuple[State, Show]:
    """A conversation in a language."""
    state, step = advance(tree, State("", "", ""), Start("*4*1420", language))
    assert isinstance(step, Show)
    return state, step


def latin() -> Language:
    """The shipped script."""
    return PHRASES["fa-latn"]


def test_a_script_is_not_offered_by_itself() -> None:
    """Latin letters come with the phrases, and no menu changes for that."""
    assert codes_of(SMALL.languages, PHRASES) == ["fa", "en", "fa-latn"]
    main = SMALL.screens["main"]
    assert isinstance(main, Menu)
    assert {option.language for option in main.options} == {None, "fa", "en"}


@pytest.mark.parametrize("entry", TREE.entries)
def test_latin_letters_are_two_keys_away(entry: str) -> None:
    """Whoever cannot read the first screen finds 9, then 2, in letters that every phone has."""
    tree = TREE.on(Channel.USSD)
    state, step = advance(tree, State("", "", ""), Start(entry))
    for key, shown in (("9", "9 English/Farsi"), ("2", "2 Farsi ba horufe Latin")):
        assert isinstance(step, Show)
        (line,) = (line for line in words(PHRASES, step).split("\n") if line.startswith(key))
        assert line == shown
        assert gsm0338.encodable(line)
        state, step = advance(tree, state, Typed(key))
    assert isinstance(step, Show)
    assert (state.language, step.screen) == ("fa-latn", tree.entries[entry])
    assert gsm0338.encodable(words(PHRASES, step))


def test_a_conversation_in_latin_letters() -> None:
    """Who has chosen Latin letters reads them, and may go on in English with the same key."""
    state, show = started(SMALL, "fa-latn")
    assert words(PHRASES, show) == "Tamin Ejtemayi 1420\n9 English\n1 Etebare darman"
    state, step = advance(SMALL, state, Typed("9"))
    assert isinstance(step, Show)
    assert step.language == "en"
    assert "9 Farsi" in words(PHRASES, step)
    _, step = advance(SMALL, state, Typed("9"))
    assert isinstance(step, Show)
    assert step.language == "fa"


def test_a_menu_may_lead_to_latin_letters_and_back() -> None:
    """An option leads to a script as to a language; from there one leads back by its own key."""
    tree = with_key_8()
    assert not any("twice" in finding.message for finding in findings(tree, PHRASES))
    state, show = started(tree, "fa")
    state, step = advance(tree, state, Typed("8"))
    assert isinstance(step, Show)
    assert step.language == "fa-latn"
    assert [choice.key for choice in show.choices] == ["9", "1", "8"]
    assert [choice.key for choice in step.choices] == ["9", "1"]
    main = tree.screens["main"]
    assert isinstance(main, Menu)
    back = tuple(
        replace(option, key="7") if option.language == "fa" else option for option in main.options
    )
    offered = replace(main, options=back).offered("fa-latn")
    assert [(option.key, option.language) for option in offered] == [
        ("9", "en"),
        ("7", "fa"),
        ("1", None),
    ]


def test_latin_letters_are_heard_as_persian() -> None:
    """A caller who reads Latin letters hears Persian."""
    prompts = Prompts(load_voices(), PHRASES)
    persian, latin_ = (started(SMALL, code)[1] for code in ("fa", "fa-latn"))
    assert prompts.screen(persian) == prompts.screen(latin_)
    assert prompts.own("fa-latn", "goodbye") == prompts.own("fa", "goodbye")


def test_a_script_that_is_gone() -> None:
    """Who once chose Latin letters reads Persian where there are none; a strange language is not
    spoken."""
    without = {code: PHRASES[code] for code in ("fa", "en")}
    _, show = started(SMALL, "fa-latn")
    assert words(without, show) == words(PHRASES, replace(show, language="fa"))
    assert read_as(without, "fa-latn").code == "fa"
    assert started(SMALL, "de-latn")[1].language == "fa"
    said = [finding.message for finding in findings(with_key_8(), without)]
    assert 'the script "fa-latn" has no phrase file fa-latn.toml.' in said


@pytest.mark.parametrize("code", ["de-latn", "fa-", "fa-Latn", "-latn"])
def test_only_scripts_of_its_languages(code: str) -> None:
    """An option for a script of no language of the tree is refused with its line."""
    text = TOML.replace('language = "en"', f'language = "{code}"', 1)
    with pytest.raises(ConfigError, match=r"^tree\.toml:\d+: .*language"):
        tree_of(parse_toml(text, "tree.toml"))


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("busy", None, "lacks"),
        ("busy", "Lotfăn", "GSM 7-bit"),
        ("busy", "x" * 183, "USSD pages"),
        ("covered_until", "Etebare darman", "has the values none"),
        ("sms_help", "x" * 161, "short messages"),
        ("sms_help", None, "SMS needs"),
        ("nothing", "x", "no screen uses"),
        ("sms_nothing", "x", "no SMS uses"),
    ],
)
def test_a_script_is_proven_like_a_language(key: str, text: str | None, says: str) -> None:
    """Its phrases are the language's own, with the same values, and fit."""
    own = dict(latin().phrases)
    if text is None:
        del own[key]
    else:
        some = own.get(key, own["busy"])
        own[key] = replace(some, text=text, values=frozenset())
    changed: Phrases = {**PHRASES, "fa-latn": replace(latin(), phrases=own)}
    assert any(says in finding.message for finding in findings(TREE, changed))


def test_every_phone_shows_latin_letters() -> None:
    """Latin phrases keep to what every SMSC and every phone reads the same."""
    for phrase in latin().phrases.values():
        assert re.fullmatch(r"[A-Za-z0-9 .,:;()'/\-\n{}_]*", phrase.text), phrase


# What a Persian proof-reader would mark: a half-space left out, or a whole one in its place.
_NO_HALF_SPACE = re.compile(
    r"(?<![\u0600-\u06ff])ن?می | (?:ها|های|هایی|ام|اند)(?![\u0600-\u06ff])"
    r"|\u200c(?![\u0600-\u06ff])|  | [.،؛:!؟)]|\( "
)


def test_persian_is_set_right() -> None:
    """Half-spaces stand where Persian has them, no blank stands twice or before a full stop."""
    texts = [phrase.text for phrase in PHRASES["fa"].phrases.values()]
    for topic in load_guide().topics:
        own = topic.words["fa"]
        texts += [own.title, own.ussd, own.sms, own.voice_title, own.voice]
    for text in texts:
        assert not _NO_HALF_SPACE.search(text), text


def test_persian_digits_are_for_reading() -> None:
    """In Persian, Latin digits are only what is typed or dialled again: 1420."""
    for phrase in PHRASES["fa"].phrases.values():
        assert set(re.findall("[0-9]+", phrase.text)) <= {"1420"}, phrase
