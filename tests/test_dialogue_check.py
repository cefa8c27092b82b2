"""The proof of the tree and its words."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml_lines import parse_toml
from dialogue.check import findings, load_dialogue
from dialogue.check_words import renderings
from dialogue.finding import Finding
from dialogue.guide_words import our_guide, with_guide
from dialogue.phrases import Phrase, Phrases, language_of
from dialogue.tree import Tree
from dialogue.tree_file import tree_of
from telecom import gsm0338
from telecom.screen import USSD_OCTETS, fits, octets_of
from tests.scripted_inquirer import PHRASES, TREE

CONFIG = files("config")
TREE_TOML = (CONFIG / "dialogue" / "tree.toml").read_text(encoding="utf-8")
TOML = {
    code: (CONFIG / "phrases" / f"{code}.toml").read_text(encoding="utf-8")
    for code in ("fa", "en", "fa-latn")
}


def tree(*changes: tuple[str, str]) -> Tree:
    """The shipped tree with some changes."""
    text = TREE_TOML
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return tree_of(parse_toml(text, "tree.toml"))


def phrases(**changes: tuple[str, str]) -> Phrases:
    """The shipped phrases with a change in some language."""
    found = {}
    for code, text in TOML.items():
        old, new = changes.get(code, ("", ""))
        assert old in text, old
        found[code] = language_of(code, parse_toml(text.replace(old, new, 1), f"{code}.toml"))
    return with_guide(found, our_guide())


def said(found: list[Finding]) -> str:
    """The findings as the author reads them."""
    return "\n".join(map(str, found))


def test_the_shipped_tree_is_sound() -> None:
    """What comes with Dargah has nothing wrong with it."""
    assert findings(TREE, PHRASES) == []
    assert findings(tree(), phrases()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"*1666" = "booklet"', '"*1666" = "gone"'), 'leads to "gone", which is no screen'),
        (('"*1666" = "booklet"', '"*1666" = "eligibility"'), "only a question may"),
        (('"*1666" = "booklet"', '"*1666" = "main"'), 'nothing leads to the screen "booklet"'),
        (('go = "ask_id"', 'go = "gone"'), 'leads to "gone", which is no screen'),
        (('go = "ask_id"', 'go = "eligibility"'), "only a question may"),
        (('go = "eligibility"', 'go = "main"'), "must be a lookup"),
        (('INVALID_ID = "ask_id"', 'INVALID_ID = "helpline"'), "must lead to a question"),
        (('language = "fa"', 'language = "en"'), 'the key 9 twice in "fa" (on voice)'),
        (('say = ["cannot_check"]', 'say = ["missing"]'), 'names the phrase "missing"'),
        (('say = ["cannot_check"]', 'say = ["over_budget"]'), "no phrase"),
        (('also = ["tracking_code"]', ""), "leaves {code} unsaid"),
        (('"covered_until_as_of", ', ""), "leaves {as_of} unsaid"),
        (('"not_covered_since_as_of", ', ""), "leaves {as_of} unsaid"),
        (('say = ["busy"]', 'say = ["busy", "expired"]'), 'never says its phrase "expired"'),
        (
            ('languages = ["fa", "en"]', 'languages = ["fa", "en", "ar"]'),
            'key 9 twice in "ar" (on voice)',
        ),
    ],
)
def test_mistakes_in_a_tree_are_found(change: tuple[str, str], says: str) -> None:
    """Each mistake is named with the file and a line of it."""
    found = findings(tree(change), phrases())
    assert says in said(found)
    assert all(finding.line >= 1 and finding.message.endswith(".") for finding in found)


def test_a_finding_has_its_line() -> None:
    """The line that is named is the one to change."""
    broken = tree(('go = "ask_id"', 'go = "gone"'))
    (finding,) = findings(broken, phrases())
    assert (finding.file, finding.line) == (
        "tree.toml",
        TREE_TOML[: TREE_TOML.index('go = "ask_id"')].count("\n") - 2,
    )


def test_a_language_without_its_file_is_found() -> None:
    """A language that the tree offers needs its phrases; one that it does not is idle."""
    known = phrases()
    fa = known["fa"]
    assert 'the language "en" has no phrase file en.toml' in said(findings(tree(), {"fa": fa}))
    idle = {**known, "ar": replace(fa, code="ar", file="ar.toml")}
    assert said(findings(tree(), idle)) == 'ar.toml:1: the tree does not offer the language "ar".'


def test_a_loop_without_a_way_out_is_found() -> None:
    """Two screens that only lead to each other are named, though a limit would end them."""
    loop = """
[screens.ping]
kind = "message"
say = ["busy"]
go = "pong"
[screens.pong]
kind = "message"
say = ["busy"]
go = "ping"
"""
    text = TREE_TOML.replace('"*1666" = "booklet"', '"*1666" = "booklet"\n"*7" = "ping"') + loop
    told = said(findings(tree_of(parse_toml(text, "tree.toml")), phrases()))
    assert 'no path from "ping" ends' in told
    assert 'no path from "pong" ends' in told


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"en": ('busy = "The', 'busyness = "The')}, "which en.toml lacks"),
        ({"fa": ("[phrases]", '[phrases]\nspare = "x"')}, 'no screen uses the phrase "spare"'),
        ({"en": ("{valid_until}.", ".")}, "in fa.toml it has valid_until"),
        ({"en": ('= "Farsi"', '= "فارسی"')}, "which the GSM 7-bit alphabet lacks"),
        ({"en": ('"0 More"', '"0 بیشتر"')}, "which the GSM 7-bit alphabet lacks"),
        ({"fa": ("گزینه وجود", "گزينه وجود")}, "Persian writes ی"),
        ({"fa": ("کد ملی ۱۰ رقمی", "کد ملی ١٠ رقمی")}, "Persian writes ۱"),
        ({"fa": ("برقرار است (طبق", "همچنان برقرار است (بر طبق آخرین")}, "needs 2 USSD pages"),
    ],
)
def test_mistakes_in_phrases_are_found(changes: Mapping[str, tuple[str, str]], says: str) -> None:
    """Each mistake in the words is named."""
    assert says in said(findings(tree(), phrases(**changes)))


def test_a_long_screen_is_shown_or_paged() -> None:
    """A text over one page is shown in the finding, unless the tree says that it may have pages."""
    long = phrases(en=('helpline = "For', f'helpline = "{"word " * 40}For'))
    (finding,) = findings(tree(), long)
    assert "word word word" in finding.message
    paged = ("[screens.helpline]", "[screens.helpline]\npaged = true")
    assert findings(tree(paged), long) == []
    endless = phrases(fa=('helpline = "', f'helpline = "{"واژه " * 180}'))
    assert "nobody turns more than 9" in said(findings(tree(paged), endless))


def test_keys_of_a_paged_menu() -> None:
    """A menu over several pages may not have an option under a key that turns pages."""
    paged = ('title = "main_title"', 'title = "main_title"\npaged = true')
    zero = ('key = "3"', 'key = "00"')
    long = phrases(en=('main_title = "', f'main_title = "{"word " * 40}'))
    assert "its key 00 turns pages" in said(findings(tree(paged, zero), long))
    assert "turns pages" not in said(findings(tree(paged), long))
    assert "turns pages" not in said(findings(tree(zero), phrases()))


def test_an_unsound_dialogue_is_not_used(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The gateway does not start on a tree with a finding; it says the first."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "tree.toml").write_text(
        TREE_TOML.replace('go = "ask_id"', 'go = "gone"', 1), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r'tree\.toml:\d+: "main" leads to "gone"'):
        load_dialogue(tree_folder=folder)


def test_every_shipped_screen_fits_one_page() -> None:
    """No shipped screen needs a second page, in any language or script, at its longest; the guide's
    topics may."""
    guide = ("guide_insurance", "guide_treatment")
    topics = {name for name in TREE.screens if name.startswith(guide)}
    seen = list(renderings(TREE, PHRASES))
    assert all(len(item.pages) <= 3 for item in seen)
    seen = [item for item in seen if item.screen not in topics]
    assert {item.screen for item in seen} == TREE.screens.keys() - topics - {
        "eligibility",
        "inquiry",
        "operator",  # by telephone alone
    }
    assert {item.language for item in seen} == {"fa", "en", "fa-latn"}
    for item in seen:
        (page,) = item.pages
        assert octets_of(page) <= USSD_OCTETS, item
        assert item.language == "fa" or gsm0338.encodable(page)


SCREEN_PHRASES = sum("sms_" not in key for key in PHRASES["fa"].phrases)


@given(st.lists(st.text(max_size=300), min_size=SCREEN_PHRASES, max_size=SCREEN_PHRASES))
def test_any_words_fit_or_are_found(texts: list[str]) -> None:
    """Whatever the phrases say, each page fits; what has several is found or allowed."""
    language = PHRASES["fa"]
    screens = {key: phrase for key, phrase in language.phrases.items() if "sms_" not in key}
    words = {
        key: Phrase(text.replace("{", "").replace("}", "") or "-", frozenset(), phrase.line)
        for (key, phrase), text in zip(screens.items(), texts, strict=True)
    }
    changed = {code: replace(each, phrases=words) for code, each in PHRASES.items()}
    seen = list(renderings(TREE, changed))
    assert all(fits(page) for item in seen for page in item.pages)
    told = said(findings(TREE, changed))
    assert all(
        f'"{item.screen}" needs {len(item.pages)} USSD pages in "{item.language}"' in told
        for item in seen
        if len(item.pages) > 1 and not item.paged
    )
