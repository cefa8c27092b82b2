"""USSD sessions, from the first request to the last, over a real Redis."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from dialogue.phrases import Phrase
from dialogue.tree import Message
from eligibility.answer import Answer, Asker, OverBudget
from state.link import Redis
from telecom.channel import Channel
from telecom.msisdn import Msisdn
from telecom.screen import fits
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import (
    COVERED,
    NOT_COVERED,
    PHRASES,
    SCRIPT,
    TREE,
    ScriptedInquirer,
)
from tests.ussd_line import ANSWER, FA, HASHES, MENU, NUMBER, Line, on
from ussd.conversation import UssdTimes
from ussd.requests import UssdRequest
from ussd.sessions import UssdReply
from ussd.turning import Turned


def test_the_inquiry_typed_step_by_step(server: RunningRedis) -> None:
    """Dial, choose, type the ID, read the answer with its code."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        assert await line.send("") == UssdReply(MENU, more=True)
        assert await line.send("1") == UssdReply(FA["ask_id"], more=True)
        assert await line.send(f"1*{COVERED}") == UssdReply(ANSWER, more=False)
        asker = Asker(HASHES.of("asker", NUMBER.digits))
        assert line.inquirer.asked == [(COVERED, asker, Channel.USSD)]
        assert line.turned == [Turned.CONTINUED, Turned.CONTINUED, Turned.ENDED]

    on(server, play)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("*4*1420#", f"1*{COVERED}"),
        (f"*4*1420*1*{COVERED}#", ""),
        (f"*4*1420*1*{COVERED}", ""),
        ("*4*1420*1#", COVERED),
        ("*۴*۱۴۲۰*۱*۰۰۱۲۳۴۵۶۷۹#", ""),
        (f"＊4＊1420＊1＊{COVERED}＃", ""),
        ("*1666#", f"1*{COVERED}"),
        ("*1666", f"1*{COVERED}#"),
        ("*4*1420#", "1*001-2345 679"),
    ],
)
def test_direct_dial(server: RunningRedis, code: str, text: str) -> None:
    """However an aggregator passes on what was dialled, an inquiry dialled whole is answered."""

    async def play(redis: Redis) -> None:
        assert await Line(redis, code=code).send(text) == UssdReply(ANSWER, more=False)

    on(server, play)


def test_direct_dial_to_the_question(server: RunningRedis) -> None:
    """*4*1420*1# asks for the ID at once, and goes on from there."""

    async def play(redis: Redis) -> None:
        line = Line(redis, code="*4*1420*1#")
        assert await line.send("") == UssdReply(FA["ask_id"], more=True)
        assert await line.send(COVERED) == UssdReply(ANSWER, more=False)

    on(server, play)


def test_an_unknown_code(server: RunningRedis) -> None:
    """A code under which nothing is offered is told so, politely."""

    async def play(redis: Redis) -> None:
        for code in ("*4*14201#", "*5#", "1420", "*", "#", "*5" + "*1" * 90, "x" * 2000):
            line = Line(redis, code=code, session_id=code)
            assert await line.send("") == UssdReply(FA["unknown_code"], more=False), code

    on(server, play)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("*4*1420" + "*1" * 17 + "#", ""),
        ("*4*1420" + "*1" * 90 + "#", ""),
        ("*4*1420*" + "9" * 33 + "#", ""),
        ("*4*1420*1#", "1*" * 16),
    ],
)
def test_too_much_dialled_at_once(server: RunningRedis, code: str, text: str) -> None:
    """A code that is in use is not said to be none, however much was dialled after it."""

    async def play(redis: Redis) -> None:
        assert await Line(redis, code=code).send(text) == UssdReply(FA["too_long"], more=False)

    on(server, play)


def test_a_repeated_request(server: RunningRedis) -> None:
    """A request that the network sends twice is answered twice, and asked once."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        text = ""
        for text in ("", "1", "1*12345", f"1*12345*{COVERED}"):
            first = await line.send(text)
            assert await line.send(text) == first
        assert await line.send(text) == UssdReply(ANSWER, more=False)
        assert [asked[0] for asked in line.inquirer.asked] == ["12345", COVERED]
        assert Counter(line.turned)[Turned.REPEATED] == 5

    on(server, play)


def test_the_same_request_many_times_at_once(server: RunningRedis) -> None:
    """Copies of a request that arrive together all get the same answer and code."""

    codes = count(10_000_000_000)

    class NewCodes(ScriptedInquirer):
        """An inquirer that never gives the same code twice."""

        async def inquire(
            self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
        ) -> Answer | OverBudget:
            answer = await super().inquire(national_id, asker, channel, retry_key=retry_key)
            assert isinstance(answer, Answer)
            return replace(answer, tracking_code=str(next(codes)))

    async def play(redis: Redis) -> None:
        line = Line(redis, inquirer=NewCodes())
        told = UssdReply("", more=True)
        for text in ("", "5", "5*5", "5*5*1", f"5*5*1*{NOT_COVERED}"):
            replies = set(await asyncio.gather(*(line.send(text) for _ in range(8))))
            assert len(replies) == 1, text
            told = replies.pop()
        assert not told.more
        assert told.text.startswith("اعتبار درمان از")

    on(server, play)


def test_a_text_that_does_not_follow(server: RunningRedis) -> None:
    """A request that continues nothing shows the present screen, and changes nothing."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        await line.send("")
        asks = await line.send("1")
        for text in ("", "2", "12", "2*1", "9*9"):
            assert await line.send(text) == asks, text
        assert await line.send(f"1*{COVERED}") == UssdReply(ANSWER, more=False)

    on(server, play)


def test_a_star_in_an_answer(server: RunningRedis) -> None:
    """An answer that holds a star itself is one answer."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        await line.send("")
        reply = await line.send("1*1")
        assert reply.text.startswith(FA["wrong_option"])
        assert (await line.send("1*1*1")).text == FA["ask_id"]

    on(server, play)


def test_after_the_end(server: RunningRedis) -> None:
    """What comes after the last word is told to dial again; an id used again begins anew."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        await line.type("1", COVERED)
        assert await line.send(f"1*{COVERED}*1") == UssdReply(FA["expired"], more=False)
        assert await line.send("") == UssdReply(MENU, more=True)
        assert await line.send("1") == UssdReply(FA["ask_id"], more=True)

    on(server, play)


def test_sessions_do_not_mix(server: RunningRedis) -> None:
    """Another number, session or operator is another session."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        await line.send("1")
        first = UssdRequest("operator", "s1", NUMBER, "*4*1420#", "")
        for other in (
            replace(first, operator="another"),
            replace(first, session_id="s2"),
            replace(first, msisdn=Msisdn("989121234568")),
        ):
            assert (await line.gateway.turn(other)).text == MENU

    on(server, play)


def test_how_long_sessions_are_kept(server: RunningRedis) -> None:
    """A session lives as long as set, an ended one shorter, and none for ever."""

    async def play(redis: Redis) -> None:
        line = Line(redis, times=UssdTimes(session=180.0, ended=30.0))
        await line.send("1")
        (key,) = await redis.send("KEYS", "*")
        assert 170_000 < await redis.send("PTTL", key) <= 180_000
        await line.send(f"1*{COVERED}")
        assert 20_000 < await redis.send("PTTL", key) <= 30_000

    on(server, play)


def test_nothing_about_the_person_is_kept(server: RunningRedis) -> None:
    """Redis holds no ID and no number of a session, whatever was dialled and typed."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        texts = [f"1*{COVERED}8"]
        texts += [f"{texts[-1]}*{COVERED[:-1]}"]
        for text in texts:
            await line.send(text)
            (key,) = await redis.send("KEYS", "*")
            kept = key + b"".join(await redis.send("HGETALL", key))
            for secret in (COVERED, COVERED[:-1], NUMBER.digits, NUMBER.digits[2:]):
                assert secret.encode() not in kept
        assert COVERED not in repr(UssdRequest("o", "s", NUMBER, f"*4*1420*{COVERED}#", texts[0]))

    on(server, play)


def test_pages(server: RunningRedis) -> None:
    """A long last word is read page by page, on and back, and the session ends with the last."""
    text = " ".join(f"واژه{number}" for number in range(60))
    helpline = TREE.screens["helpline"]
    assert isinstance(helpline, Message)
    fa = PHRASES["fa"]
    phrases = {
        "fa": replace(fa, phrases={**fa.phrases, "helpline": Phrase(text, frozenset(), 1)}),
        "en": PHRASES["en"],
    }

    async def play(redis: Redis) -> None:
        line = Line(redis, phrases=phrases)
        typed_ = ["5", "5", "5"]
        first = await line.type(*typed_)
        pages = [first]
        while pages[-1].more:
            assert pages[-1].text.count(fa.more) == 1
            typed_.append("۰")
            pages.append(await line.send("*".join(typed_)))
            assert fits(pages[-1].text)
            if len(pages) == 3:
                typed_.append("00")
                assert await line.send("*".join(typed_)) == pages[1]
                typed_.append("7")
                assert await line.send("*".join(typed_)) == pages[1]
                typed_.append("0#")
                assert await line.send("*".join(typed_)) == pages[2]
        assert len(pages) > 3
        assert fa.back not in pages[-1].text
        words = [word for page in pages for word in page.text.split("\n", 1)[0].split(" ")]
        assert [word for word in words if word.startswith("واژه")] == text.split(" ")
        assert line.inquirer.asked == []

    on(server, play)


def test_every_scripted_answer_is_told(server: RunningRedis) -> None:
    """Each outcome reaches the phone, within one screen."""

    async def play(redis: Redis) -> None:
        told = set()
        for national_id in SCRIPT:
            line = Line(redis, session_id=national_id)
            reply = await line.send(f"1*{national_id}")
            assert fits(reply.text)
            assert not reply.more
            told.add(reply.text)
        assert len(told) == len(SCRIPT)

    on(server, play)
