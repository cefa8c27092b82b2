"""From what came of a question to one short message."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from dialogue.check import findings
from dialogue.check_texts import prove_texts, text_renderings
from dialogue.phrases import Phrases
from dialogue.version import OneVersion, Version
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from eligibility.verdict import Outcome
from persian.jalali import tehran_date
from sms.answer import Answers
from sms.text import Code, Eligibility, Help, Request, Why
from telecom import gsm0338
from telecom.channel import Channel
from telecom.segments import split
from tests.scripted_inquirer import AS_OF, CODE, PHRASES, TREE, UNTIL, answers, verdict

ASKER = Asker("a" * 32)
VERSIONS = OneVersion(Version(TREE, PHRASES))


class Fixed:
    """An entrance that always has the same to say."""

    def __init__(self, result: Answer | OverBudget, kept: Kept | None = None) -> None:
        self._result = result
        self._kept = kept

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        return self._result

    async def follow_up(self, code: str) -> Kept | None:
        return self._kept


def said(result: Answer | OverBudget, request: Request, kept: Kept | None = None) -> str:
    """The one message."""
    return asyncio.run(Answers(VERSIONS, Fixed(result, kept)).answer(request, ASKER))


@given(answers(), st.booleans())
def test_whatever_came_of_it_is_one_message(result: Answer | OverBudget, latin: bool) -> None:
    """No answer of an inquiry is without words, over one message, or says what is not known."""
    text = said(result, Eligibility("0012345679", latin))
    assert len(split(text, 0)) == 1
    assert gsm0338.encodable(text) == latin
    assert "{" not in text
    if isinstance(result, OverBudget) or result.verdict.outcome is not Outcome.NOT_COVERED:
        assert "برقرار نیست" not in text
        assert "not in force" not in text
    if isinstance(result, OverBudget) or result.verdict.outcome is not Outcome.NOT_FOUND:
        assert "پیدا نشد" not in text
        assert "not found" not in text


@given(
    st.sampled_from(Outcome),
    st.none() | st.just(UNTIL),
    st.none() | st.just(UNTIL),
    st.booleans(),
    st.booleans(),
)
def test_a_code_is_one_message(
    outcome: Outcome, until: object, since: object, own: bool, latin: bool
) -> None:
    """Whatever the ledger holds of a code; somebody else's asker learns no outcome and no date."""
    told_at = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)  # the 22nd in Tehran
    kept = Kept(
        code=CODE,
        asker=ASKER.token if own else "b" * 32,
        channel=Channel.USSD,
        outcome=outcome,
        stale=False,
        valid_until=until,  # type: ignore[arg-type]
        not_covered_since=since,  # type: ignore[arg-type]
        generation=None,
        first_at=told_at - timedelta(days=3),
        last_at=told_at,
        times=2,
    )
    text = said(OverBudget(1.0), Code(CODE, latin), kept)
    assert len(split(text, 0)) == 1
    assert tehran_date(told_at).isoformat() == "2026-11-22"
    assert ("1405/09/01" if latin else "۱۴۰۵/۰۹/۰۱") in text
    if not own:
        assert "1405/12/29" not in text
        assert "۱۴۰۵/۱۲/۲۹" not in text
        assert "برقرار" not in text
        assert "in force" not in text


def test_a_stale_answer_says_so() -> None:
    """An answer from old data names the day of the data, and keeps its code."""
    for outcome in (Outcome.COVERED, Outcome.NOT_COVERED, Outcome.PENDING_PAYMENT):
        old = Answer(verdict(outcome, stale=True), CODE)
        assert "۱۴۰۵/۰۸/۳۰" in said(old, Eligibility("0012345679"))
        assert CODE in said(old, Eligibility("0012345679"))
        fresh = replace(old, verdict=replace(old.verdict, stale=False, as_of=AS_OF))
        assert "۱۴۰۵/۰۸/۳۰" not in said(fresh, Eligibility("0012345679"))


def test_where_only_persian_is_offered() -> None:
    """Who writes in Latin letters is answered in the line's own language, in Latin letters if it
    has them."""
    only = replace(TREE, languages=("fa",))
    for latin, has in (("yek kode", PHRASES), ("فقط یک", {"fa": PHRASES["fa"]})):
        answers_ = Answers(OneVersion(Version(only, has)), Fixed(OverBudget(1.0)))
        for english in (False, True):
            asked = Help(Why.SEVERAL, latin=True, english=english)
            assert latin in asyncio.run(answers_.answer(asked, ASKER))


def test_in_the_letters_that_were_written() -> None:
    """English is answered in English, Persian in Latin letters in these, whatever was asked; and
    where there is no such script, in English."""
    for latin, english, code in (
        (False, False, "fa"),
        (True, False, "fa-latn"),
        (True, True, "en"),
    ):
        for asked in (
            Help(Why.ASKED, latin, english),
            Code(CODE, latin, english),
            Eligibility("1", latin, english),
        ):
            text = said(OverBudget(61.0), asked)
            assert gsm0338.encodable(text) == (code != "fa")
            assert ("Lotfan" in text or "peygiri" in text) == (code == "fa-latn")
    two = {code: PHRASES[code] for code in ("fa", "en")}
    answers_ = Answers(OneVersion(Version(TREE, two)), Fixed(OverBudget(1.0)))
    assert "only one" in asyncio.run(answers_.answer(Help(Why.SEVERAL, latin=True), ASKER))


def test_every_shipped_text_is_one_message() -> None:
    """Seventy Persian characters, or 160 Latin ones, at its longest, in every script."""
    seen = list(text_renderings(TREE, PHRASES))
    assert {one.language for one in seen} == {"fa", "en", "fa-latn"}
    assert len(seen) > 50
    for one in seen:
        assert len(one.text) <= (70 if one.language == "fa" else 160), one


def changed(language: str, key: str, text: str | None) -> Phrases:
    """The shipped phrases with one of them changed, or left out."""
    own = PHRASES[language]
    phrases = dict(own.phrases)
    if text is None:
        del phrases[key]
    else:
        old = phrases.get(key, phrases["sms_help"])
        phrases[key] = replace(old, text=text)
    return {**PHRASES, language: replace(own, phrases=phrases)}


@pytest.mark.parametrize(
    ("phrases", "says"),
    [
        (changed("en", "sms_help", None), 'lacks "sms_help"'),
        (changed("fa", "sms_spare", "هیچ"), 'no SMS uses the phrase "sms_spare"'),
        (changed("fa", "sms_help", "واژه " * 15), "needs 2 short messages"),
        (changed("en", "sms_help", "word " * 40), "needs 2 short messages"),
    ],
)
def test_mistakes_in_the_texts_are_found(phrases: Phrases, says: str) -> None:
    """A text that is missing, idle or too long is named before it is used."""
    told = "\n".join(map(str, findings(TREE, phrases)))
    assert says in told
    with pytest.raises(ConfigError, match=says):
        prove_texts(TREE, phrases)


def test_a_value_that_goes_unsaid_is_found() -> None:
    """A text that leaves out its code or its date is named."""
    fa = PHRASES["fa"]
    silent = replace(fa.phrases["sms_pending"], text="ثبت نشده", values=frozenset())
    phrases = {"fa": replace(fa, phrases={**fa.phrases, "sms_pending": silent})}
    with pytest.raises(ConfigError, match='"sms_pending" says nothing where code is known'):
        prove_texts(replace(TREE, languages=("fa",)), phrases)


def test_a_line_without_sms_needs_no_texts() -> None:
    """Phrases that were written before there was SMS are still sound."""
    bare = {
        code: replace(
            language,
            phrases={k: v for k, v in language.phrases.items() if not k.startswith("sms_")},
        )
        for code, language in PHRASES.items()
    }
    assert findings(TREE, bare) == []
