"""A notice before everything, on every channel."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from dialogue.notice import Notice, proven
from dialogue.preferences import Preferences
from dialogue.published import Published
from dialogue.version import OneVersion
from eligibility.answer import Asker
from ivr.call import Calls
from ivr.line import Line as CallLine
from ivr.line import LineTimes
from sms.answer import Answers, with_notice
from sms.text import Eligibility
from state.link import Redis
from telecom.screen import fits
from telecom.segments import split
from tests.agi_peer import AgiPeer
from tests.dialogue_editions import NOON, OWN, SETTINGS, TITLE, live, notice
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import COVERED, PHRASES
from tests.sms_line import Inquiries
from tests.test_ivr_call import HASHES, Registry
from tests.ussd_line import ANSWER, MENU, Line, on
from ussd.sessions import UssdReply

UNTIL = NOON + timedelta(hours=1)
SHORT = "ما تعطیلیم."
LONG = "مستمری آبان چهارشنبه پرداخت می‌شود؛ لطفاً تا آن روز شکیبا باشید."


def test_until_its_time(server: RunningRedis) -> None:
    """It stands before the first screen alone, ends by itself at its time, and can be cleared."""

    async def play(redis: Redis) -> None:
        now = [NOON]
        versions, published = live(redis, clock=lambda: now[0]), Published(redis)

        async def first(session: str) -> str:
            return (await Line(redis, session_id=session, versions=versions).send("")).text

        await published.set_notice(notice(SHORT, UNTIL))
        assert await first("before it was noticed") == MENU
        await versions.refresh()
        line = Line(redis, versions=versions)
        assert (await line.send("")).text.startswith(f"{SHORT}\n{TITLE}\n")
        assert SHORT not in (await line.send("1")).text
        now[0] = UNTIL - timedelta(seconds=1)
        assert (await first("at the end")).startswith(f"{SHORT}\n{TITLE}\n")
        now[0] = UNTIL
        assert await first("after it") == MENU
        now[0] = NOON
        assert await published.clear_notice("Sara", NOON)
        assert not await published.clear_notice("Sara", NOON)
        await versions.refresh()
        assert await first("cleared") == MENU

    on(server, play)


def test_pages(server: RunningRedis) -> None:
    """Where both do not fit, the first screen has pages, and its keys work from the first on."""
    versions = OneVersion(OWN, notice(LONG, UNTIL))

    async def play(redis: Redis) -> None:
        line = Line(redis, versions=versions)
        first = await line.send("")
        assert first.more
        assert first.text.startswith(LONG)
        assert first.text.endswith("\n0 ادامه")
        assert fits(first.text)
        second = await line.send("0")
        assert second.text.endswith("\n00 قبلی")
        assert await line.send("0*1") == UssdReply(_fa("ask_id"), more=True)
        at_once = Line(redis, session_id="at once", versions=versions)
        await at_once.send("")
        assert await at_once.send("1") == UssdReply(_fa("ask_id"), more=True)
        direct = Line(redis, session_id="direct", code=f"*4*1420*1*{COVERED}#", versions=versions)
        reply = await direct.send("")
        assert reply.more
        assert reply.text.startswith(LONG)
        last = await direct.send("0")
        assert (last.more, last.text.split("\n")[-1]) == (False, ANSWER.split("\n")[-1])

    on(server, play)


def test_a_verdict_goes_before_a_notice(server: RunningRedis) -> None:
    """Where no session can be kept, who dialled it all at once reads the verdict alone."""
    versions = OneVersion(OWN, notice(LONG, UNTIL))

    async def play(redis: Redis) -> None:
        for n in (1, 2):
            line = Line(
                FailsAt(redis, n),
                session_id=f"fails at {n}",
                code=f"*4*1420*1*{COVERED}#",
                versions=versions,
            )
            assert await line.send("") == UssdReply(ANSWER, more=False)

    on(server, play)


def test_in_an_sms() -> None:
    """Before an answer where both are one message; else the answer is alone."""
    versions = OneVersion(OWN, notice("ما تعطیلیم", UNTIL, en="We are closed today."))
    answers = Answers(versions, Inquiries())
    asker = Asker("a" * 32)

    def said(request: Eligibility) -> str:
        return asyncio.run(answers.answer(request, asker))

    assert said(Eligibility("x")) == f"ما تعطیلیم\n{_fa('sms_wrong_characters')}"
    assert said(Eligibility("12345678")) == _fa("sms_wrong_short")
    assert said(Eligibility("1", latin=True, english=True)).startswith("We are closed today.\n")
    for text in ("", "x" * 139, "x" * 140, "ا" * 64, "ا" * 65):
        both = with_notice("y" * 20, text)
        assert (both == f"{'y' * 20}\n{text}") == (len(split(f"{'y' * 20}\n{text}", 0)) == 1)


def _call(
    given: Notice,
    recorded: bool,
    missing: frozenset[str] = frozenset(),
    preferences: Preferences | None = None,
) -> list[str]:
    peer = AgiPeer(["1", f"{COVERED}#", "2"], missing=missing)

    async def main() -> None:
        line = CallLine(peer.write, LineTimes(hangup=0.0))
        peer.tell = line.receive_bytes
        peer.begin()
        calls = Calls(
            OneVersion(OWN, given),
            Registry(),
            HASHES,
            entry="*4*1420",
            preferences=preferences,
            recorded=lambda language: recorded and language == "fa",
        )
        await calls.take(line, await line.began())

    asyncio.run(main())
    assert peer.variables["DARGAH_RESULT"] == "DONE"
    return peer.heard


def test_by_telephone() -> None:
    """Its recording comes first, where it is this notice's and is there; no call fails of it."""
    said = replace(notice(LONG, UNTIL), spoken=frozenset({"fa"}))
    heard = _call(said, True)
    assert heard[0] == "dargah/fa/notice"
    assert _call(said, False) == heard[1:]
    assert _call(replace(said, spoken=frozenset()), True) == heard[1:]
    assert _call(said, True, frozenset({"dargah/fa/notice"})) == heard[1:]


class _Latin(Preferences):
    """Everybody has chosen Latin letters."""

    def __init__(self) -> None:
        pass

    async def language(self, asker: Asker) -> str | None:
        """Always those."""
        return "fa-latn"


def test_in_latin_letters(server: RunningRedis) -> None:
    """Who reads Latin letters reads the notice only in them, and hears the Persian recording."""
    said = replace(
        notice(SHORT, UNTIL, **{"fa-latn": "Emruz tatil ast."}), spoken=frozenset({"fa"})
    )
    assert _call(said, True, preferences=_Latin())[0] == "dargah/fa/notice"

    async def first(redis: Redis, given: Notice) -> str:
        line = Line(redis, versions=OneVersion(OWN, given), preferences=_Latin())
        return (await line.send("")).text

    async def play(redis: Redis) -> None:
        title = PHRASES["fa-latn"].phrases["main_title"].text
        assert (await first(redis, said)).startswith(f"Emruz tatil ast.\n{title}")
        await redis.send("FLUSHALL")
        assert (await first(redis, notice(SHORT, UNTIL))).startswith(title)

    on(server, play)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"fa": "ا" * 74}, "does not fit on one USSD screen"),
        ({"fa": "ا\nب"}, "must be one line"),
        ({"fa": " "}, "must be one line"),
        ({"fa": "ا" * 201}, "must be one line"),
        ({"en": "Čapek"}, "GSM 7-bit alphabet lacks"),
        ({"de": "x"}, 'has no language "de"'),
    ],
)
def test_what_cannot_be_set(texts: dict[str, str], says: str) -> None:
    """A notice that a channel could not show is refused with a sentence."""
    with pytest.raises(ConfigError, match=says):
        proven(Notice(texts, UNTIL, "Sara", NOON), PHRASES)
    proven(notice("ا" * 72, UNTIL), PHRASES)


def _fa(key: str) -> str:
    return PHRASES["fa"].phrases[key].text


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_kept_notice(kept: bytes) -> None:
    """A notice that was kept is read whole; anything else is none."""
    assert Notice.from_json(kept) is None
    whole = replace(notice("خبر", NOON, en="News"), spoken=frozenset({"fa"}))
    assert Notice.from_json(whole.to_json().encode()) == whole
    assert SETTINGS.dialogue.preferences_kept_for > 365
