"""
Every page that a phone can come to, whatever is typed, found and announced.

A phone on the gateway itself: notices stand in front, pages are turned with their keys, and each
screen goes through the state that is kept between two requests, as in a dialogue that is resumed.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.notice import Notice, problems
from dialogue.phrases import Phrases
from dialogue.preferences import Preferences
from dialogue.version import OneVersion, Version
from eligibility.answer import Answer, Asker, OverBudget
from eligibility.ledger import Kept
from sms.answer import Answers
from sms.text import Eligibility
from state.keyed_hash import KeyedHash
from state.link import Redis, open_redis
from state.sessions import SessionStore
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from telecom.screen import USSD_OCTETS, octets_of
from telecom.segments import split
from tests.dialogue_sample import sample, sample_phrases
from tests.redis_server import running_redis
from tests.scripted_inquirer import CODE, COVERED, KEPT, PHRASES, TREE, answers, typed
from ussd.conversation import UssdConversations, UssdTimes
from ussd.requests import UssdRequest

SAMPLE, SAMPLE_PHRASES = sample(), sample_phrases()
NUMBER = Msisdn("989121234567")
HASHES = KeyedHash(b"a key for the tests alone, 32 by")
ASKER = Asker(HASHES.of("asker", NUMBER.digits))
NOON = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
KEYS = ["0", "00", "1", "2", "3", "9"]
LETTERS = {"fa": "ابپ۱‌،", "en": "abc1.[", "fa-latn": "abc1."}


@dataclass(frozen=True)
class Says:
    """An entrance that always has the same to say."""

    result: Answer | OverBudget
    kept: Kept | None

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """That."""
        return self.result

    async def follow_up(self, code: str) -> Kept | None:
        """That."""
        return self.kept


@pytest.fixture(scope="module", name="line")
def _line() -> Iterator[tuple[asyncio.Runner, Redis]]:
    with running_redis() as server, asyncio.Runner() as runner:
        redis = runner.run(open_redis(server.address, name="test", timeout=5.0))
        yield runner, redis
        runner.run(redis.close())


def notices(phrases: Phrases) -> st.SearchStrategy[Notice | None]:
    """None, or one that may be set."""
    some = st.fixed_dictionaries(
        {
            code: st.lists(st.text(LETTERS[code], min_size=1, max_size=14), min_size=1, max_size=9)
            for code in phrases
        }
    ).map(lambda all_: {code: " ".join(words) for code, words in all_.items()})
    allowed = some.filter(lambda said: not list(problems(said, phrases)))
    return st.none() | allowed.map(lambda said: Notice(said, NOON, "Sara", NOON))


@settings(max_examples=150)
@given(st.data(), st.booleans())
def test_every_page_fits_and_every_way_ends(
    line: tuple[asyncio.Runner, Redis], data: st.DataObject, shipped: bool
) -> None:
    """On USSD, in every language, behind any notice, however pages are turned: no page is longer
    than a screen, each has the keys that it needs, and nobody is kept for ever."""
    runner, redis = line
    tree, phrases = (TREE, PHRASES) if shipped else (SAMPLE, SAMPLE_PHRASES)
    says = Says(data.draw(answers()), data.draw(st.none() | st.sampled_from([*KEPT.values()])))
    notice = data.draw(notices(phrases))
    language = data.draw(st.sampled_from([*phrases, None]))
    entry = data.draw(st.sampled_from([*tree.entries]))
    dialled = data.draw(st.lists(st.sampled_from([*KEYS, COVERED, CODE]), max_size=6))
    inputs = data.draw(st.lists(st.sampled_from(KEYS) | typed(), max_size=30))
    now = [0.0]

    async def play() -> None:
        await redis.send("FLUSHALL")
        preferences = Preferences(redis, kept_for=timedelta(days=1))
        if language:
            await preferences.choose(ASKER, language)
        gateway = UssdConversations(
            OneVersion(Version(tree, phrases), notice),
            says,
            SessionStore(redis),
            HASHES,
            times=UssdTimes(),
            preferences=preferences,
            clock=lambda: now[0],
        )
        # Dropped after some answers, and dialled again.
        for session, given_ in (("dropped", inputs[:5]), ("again", inputs)):
            code = "".join([entry, *(f"*{each}" for each in dialled), "#"])
            text = ""
            for count, typed_ in enumerate([None, *given_, *(["0", "00"] * 50)]):
                now[0] += 20.0
                if typed_ is not None:
                    text = f"{text}*{typed_}" if text else typed_
                request = UssdRequest("operator", session, NUMBER, code, text)
                reply = await gateway.turn(request)
                assert reply.text.strip()
                assert octets_of(reply.text) <= USSD_OCTETS, reply.text
                if not reply.more or (session == "dropped" and count == len(given_)):
                    break
                assert count <= len(given_) + tree.seconds // 20 + 1, "no end in sight"

    runner.run(play())


@settings(max_examples=150)
@given(st.data(), st.sampled_from(sorted(PHRASES)), answers())
def test_every_text_is_one_message(
    data: st.DataObject, code: str, answer: Answer | OverBudget
) -> None:
    """By SMS, in every language, behind any notice: one message, and the answer is all there."""
    notice = data.draw(notices(PHRASES))
    request = Eligibility("1", latin=code != "fa", english=code == "en")
    versions = OneVersion(Version(TREE, PHRASES))
    alone = asyncio.run(Answers(versions, Says(answer, None)).answer(request, ASKER))
    behind = OneVersion(Version(TREE, PHRASES), notice)
    text = asyncio.run(Answers(behind, Says(answer, None)).answer(request, ASKER))
    assert len(split(text, 0)) == 1
    assert text.endswith(alone)
