"""Screens as pages."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dialogue.advance import advance
from dialogue.phrases import Phrase, Phrases
from dialogue.state import State
from dialogue.steps import Choice, Looked, Show
from eligibility.answer import Answer, OverBudget
from telecom.screen import fits
from tests.scripted_inquirer import PHRASES, TREE, answers
from ussd.rendering import render


def one_phrase(text: str) -> Phrases:
    """A language with a single phrase."""
    fa = PHRASES["fa"]
    return {"fa": replace(fa, phrases={"it": Phrase(text, frozenset(), 1)})}


@given(answers(), st.sampled_from(TREE.languages))
def test_every_answer_fits(answer: Answer | OverBudget, language: str) -> None:
    """Whatever the registry says, each screen is within 160 octets."""
    _, step = advance(TREE, State(TREE.digest, language, "eligibility"), Looked(answer))
    assert isinstance(step, Show)
    assert all(fits(page) for page in render(PHRASES, step))


@given(st.text(max_size=600).map(lambda text: re.sub("[{}]", "", text)), st.booleans())
def test_any_text_fits(text: str, last: bool) -> None:
    """Whatever is to be said, each page is within 160 octets and shows only keys that work."""
    pages = render(one_phrase(text), Show("it", "fa", ("it",), last=last))
    assert pages
    assert all(fits(page) for page in pages)
    fa = PHRASES["fa"]
    assert all(fa.more in page for page in pages[:-1])
    assert all(page.endswith(fa.back) for page in pages[1:-1])
    if len(pages) > 1:
        assert pages[-1].endswith(f"\n{fa.back}") != last


def test_a_menu() -> None:
    """A menu is its title, and a line for each key."""
    show = Show("m", "fa", ("main_title",), choices=(Choice("9", "option_english"),))
    assert render(PHRASES, show) == ["تأمین اجتماعی 1420\n9 English"]
