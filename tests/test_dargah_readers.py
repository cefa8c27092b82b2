"""
What is shown, written or said can be read back as what it tells.

The demo judges the routes by its readers: a reader that misread would hide a wrong answer.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dargah.call_reader import hear_back
from dargah.screen_reader import Seen, read_back, telling, texting
from dialogue.advance import advance
from dialogue.state import State
from dialogue.steps import Looked, Show
from dialogue.tree import WRONG_ID, Lookup
from dialogue.version import OneVersion, Version
from dialogue.words import words
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.tracking_code import new_code
from eligibility.verdict import Outcome, Source, Verdict
from ivr.prompts import Prompts
from ivr.voices import load_voices
from persian.jalali import jalali_date
from sms.answer import Answers
from sms.text import Eligibility
from telecom.channel import Channel
from tests.scripted_inquirer import PHRASES, TREE

VOICES = load_voices()
LOOKUP = next(screen for screen in TREE.screens.values() if isinstance(screen, Lookup))

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
CODES = st.integers(0, 9 * 10**9 - 1).map(lambda n: new_code(lambda _: n))
MOMENTS = st.integers(946_684_800, 3_471_292_800).map(lambda s: datetime.fromtimestamp(s, UTC))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Everything that an inquirer answers with: each outcome, with and without its day, stale."""
    outcome = draw(st.sampled_from(Outcome))
    if outcome is Outcome.INVALID_ID:
        return Answer(Verdict(outcome), None, wrong=draw(st.sampled_from(WRONG_ID)))
    if outcome is Outcome.CANNOT_CHECK:
        return Answer(Verdict(outcome), draw(CODES))
    covered, gone = outcome is Outcome.COVERED, outcome is Outcome.NOT_COVERED
    return Answer(
        Verdict(
            outcome,
            draw(MOMENTS),
            Source.CACHE,
            stale=draw(st.booleans()),
            valid_until=draw(st.none() | DAYS) if covered else None,
            not_covered_since=draw(st.none() | DAYS) if gone else None,
        ),
        draw(CODES),
    )


def told(answer: Answer) -> Seen:
    """What a person must learn from it."""
    verdict = answer.verdict
    day = verdict.valid_until or verdict.not_covered_since
    return Seen(
        verdict.outcome, jalali_date(day) if day else None, answer.tracking_code, verdict.stale
    )


def screen_of(result: Answer | OverBudget, language: str) -> Show:
    """The dialogue's step after a look-up."""
    _, step = advance(TREE, State(TREE.digest, language, LOOKUP.name), Looked(result))
    assert isinstance(step, Show)
    return step


class _Says:
    """An inquirer that says one thing."""

    def __init__(self, result: Answer | OverBudget) -> None:
        self._result = result

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """That."""
        return self._result

    async def follow_up(self, code: str) -> Kept | None:
        """Nothing."""
        return None


def text_of(result: Answer | OverBudget, language: str) -> str:
    """The SMS that answers so."""
    asked = Eligibility("0012345679", latin=language != "fa", english=language == "en")
    answering = Answers(OneVersion(Version(TREE, PHRASES)), _Says(result))
    return asyncio.run(answering.answer(asked, Asker("a")))


@pytest.mark.parametrize("language", sorted(PHRASES))
@given(answers())
def test_a_screen_is_read_back(language: str, answer: Answer) -> None:
    """Whatever a screen tells, in either language: its outcome, its day and its code are read."""
    assert read_back(TREE, PHRASES, words(PHRASES, screen_of(answer, language))) == told(answer)


@pytest.mark.parametrize("language", sorted(PHRASES))
@given(answers())
def test_a_text_is_read_back(language: str, answer: Answer) -> None:
    """Whatever an SMS tells, in each language: its outcome, its day and its code are read."""
    assert read_back(TREE, PHRASES, text_of(answer, language)) == told(answer)


@given(answers())
def test_a_call_is_heard_back(answer: Answer) -> None:
    """Whatever a call tells, after whatever else was heard: outcome, day and code are heard."""
    names = Prompts(VOICES, PHRASES).screen(screen_of(answer, "fa"))
    greeting = ("dargah/fa/main_title-1", "dargah/fa/ask_id-1")
    assert hear_back(TREE, VOICES, (*greeting, *names)) == told(answer)


def every_answer() -> Iterator[Answer]:
    """One of each kind."""
    day, moment, code = date(2027, 3, 20), datetime(2026, 11, 21, tzinfo=UTC), "48305172606"
    yield from (Answer(Verdict(Outcome.INVALID_ID), None, wrong=wrong) for wrong in WRONG_ID)
    yield Answer(Verdict(Outcome.CANNOT_CHECK), code)
    for stale in (False, True):
        about = partial(Verdict, as_of=moment, stale=stale)
        yield Answer(about(Outcome.PENDING_PAYMENT), code)
        yield Answer(about(Outcome.NOT_FOUND), code)
        for told_day in (None, day):
            yield Answer(about(Outcome.COVERED, valid_until=told_day), code)
            yield Answer(about(Outcome.NOT_COVERED, not_covered_since=told_day), code)


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_each_phrase_of_an_outcome_is_known_by_itself(language: str) -> None:
    """There are as many different screens, and texts, as phrases that tell an outcome."""
    screens = {words(PHRASES, screen_of(answer, language)) for answer in every_answer()}
    assert len(screens) == len({key for _, key in telling(TREE)})
    texts = {text_of(answer, language) for answer in every_answer()}
    assert len(texts) == len({key for _, key in texting()})
    for answer in every_answer():
        shown = words(PHRASES, screen_of(answer, language))
        assert read_back(TREE, PHRASES, shown) == told(answer)
        assert read_back(TREE, PHRASES, text_of(answer, language)) == told(answer)
        if language == "fa":
            heard = Prompts(VOICES, PHRASES).screen(screen_of(answer, language))
            assert hear_back(TREE, VOICES, heard) == told(answer)


@given(st.floats(0, 10**6), st.sampled_from(sorted(PHRASES)))
def test_what_tells_no_outcome_is_read_as_none(seconds: float, language: str) -> None:
    """Over budget, sorry, or how to ask: none of it is taken for an outcome."""
    over = OverBudget(seconds)
    show = screen_of(over, language)
    assert read_back(TREE, PHRASES, words(PHRASES, show)) is None
    assert read_back(TREE, PHRASES, text_of(over, language)) is None
    if language == "fa":
        assert hear_back(TREE, VOICES, Prompts(VOICES, PHRASES).screen(show)) is None
