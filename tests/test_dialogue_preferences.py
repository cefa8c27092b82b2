"""A person's language is remembered, on every channel."""

from datetime import timedelta
from itertools import count

import pytest

from dialogue.preferences import Preferences
from dialogue.version import OneVersion
from eligibility.answer import Asker
from ivr.call import Calls
from ivr.line import Line as CallLine
from ivr.line import LineTimes
from sms.answer import Answers
from sms.text import Help
from state.link import Redis
from tests.agi_peer import AgiPeer
from tests.dialogue_editions import NOON, OWN, notice
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import COVERED, PHRASES
from tests.sms_line import Inquiries
from tests.test_ivr_call import Registry
from tests.ussd_line import FA, HASHES, MENU, MENU_EN, NUMBER, Line, on
from ussd.sessions import UssdReply

VERSIONS = OneVersion(OWN)
EN = {key: phrase.text for key, phrase in PHRASES["en"].phrases.items()}
ASKER = Asker(HASHES.of("asker", NUMBER.digits))
FOR = timedelta(days=400)


async def _call(preferences: Preferences, keys: list[str], pres: str = "0") -> list[str]:
    peer = AgiPeer(keys)
    line = CallLine(peer.write, LineTimes(hangup=0.0))
    peer.tell = line.receive_bytes
    peer.begin(f"0{NUMBER.digits[2:]}", pres)
    calls = Calls(VERSIONS, Registry(), HASHES, entry="*4*1420", preferences=preferences)
    await calls.take(line, await line.began())
    return peer.heard


def test_on_every_channel(server: RunningRedis) -> None:
    """Chosen by USSD, a language is spoken by SMS and telephone too; chosen back, no more."""

    async def play(redis: Redis) -> None:
        preferences = Preferences(redis, kept_for=FOR)

        async def first(session: str) -> str:
            line = Line(redis, session_id=session, preferences=preferences)
            return (await line.send("")).text

        async def text() -> str:
            return await Answers(VERSIONS, Inquiries(), preferences).answer(Help(), ASKER)

        assert await first("before") == MENU
        assert await text() == FA["sms_help"]
        line = Line(redis, session_id="chosen", preferences=preferences)
        assert (await line.type("9", "1")).text == MENU_EN
        assert await preferences.language(ASKER) == "en"
        assert await first("after") == MENU_EN
        assert await text() == EN["sms_help"]
        assert (await _call(preferences, ["1", f"{COVERED}#", "2"]))[0].startswith("dargah/en/")
        heard = await _call(preferences, ["9", "1", f"{COVERED}#", "2"])
        assert heard[0].startswith("dargah/en/")
        assert heard[-1].startswith("dargah/fa/")
        assert await first("back") == MENU
        assert await text() == FA["sms_help"]

    on(server, play)


def test_latin_letters(server: RunningRedis) -> None:
    """Who chose Latin letters reads them by USSD and SMS, turns pages, and hears Persian."""
    latin = PHRASES["fa-latn"]

    async def play(redis: Redis) -> None:
        preferences = Preferences(redis, kept_for=FOR)
        await preferences.choose(ASKER, "fa-latn")
        line = Line(redis, preferences=preferences)
        assert (await line.send("")).text.startswith(latin.phrases["main_title"].text)
        long = OneVersion(OWN, notice("x", NOON + FOR, **{"fa-latn": "Emruz tatil ast. " * 8}))
        paged = Line(redis, session_id="paged", versions=long, preferences=preferences)
        assert (await paged.send("")).text.endswith(latin.more)
        assert (await paged.send(latin.more_key)).text.endswith(latin.back)
        said = await Answers(VERSIONS, Inquiries(), preferences).answer(Help(), ASKER)
        assert said == latin.phrases["sms_help"].text
        assert (await _call(preferences, ["1", f"{COVERED}#", "2"]))[0].startswith("dargah/fa/")
        english = Line(redis, session_id="english", preferences=preferences)
        assert (await english.type("9", "1")).text == MENU_EN
        assert await preferences.language(ASKER) == "en"

    on(server, play)


def test_dialled_at_once(server: RunningRedis) -> None:
    """A language that is dialled with the code is remembered too."""

    async def play(redis: Redis) -> None:
        preferences = Preferences(redis, kept_for=FOR)
        await Line(redis, code="*4*1420*9*1#", preferences=preferences).send("")
        assert await preferences.language(ASKER) == "en"

    on(server, play)


def test_too_much_dialled(server: RunningRedis) -> None:
    """Who dials more than can be answered is told so in the language that they chose."""

    async def play(redis: Redis) -> None:
        preferences = Preferences(redis, kept_for=FOR)
        for code, known in (("en", EN), ("fa", FA)):
            await preferences.choose(ASKER, code)
            dialled = f"*4*1420{'*1' * 40}#"
            line = Line(redis, session_id=code, code=dialled, preferences=preferences)
            assert await line.send("") == UssdReply(known["too_long"], more=False)

    on(server, play)


def test_what_is_kept(server: RunningRedis) -> None:
    """It is kept for its time, under a hash alone; a hidden number is not remembered."""

    async def play(redis: Redis) -> None:
        preferences = Preferences(redis, kept_for=FOR)
        await preferences.choose(ASKER, "en")
        (key,) = await redis.send("KEYS", "*")
        assert NUMBER.digits.encode() not in key
        assert NUMBER.digits[-10:].encode() not in key
        assert 399 * 86400 < await redis.send("TTL", key) <= 400 * 86400
        await redis.send("FLUSHALL")
        await _call(preferences, ["9", "1", f"{COVERED}#", "2"], pres="32")
        assert await redis.send("DBSIZE") == 0

    on(server, play)


@pytest.mark.parametrize("kept", [b"de", b"\xff", b"", b"e n"])
def test_what_is_no_language(server: RunningRedis, kept: bytes) -> None:
    """What is kept and not spoken (any more) leaves the first language."""

    async def play(redis: Redis) -> None:
        preferences = Preferences(redis, kept_for=FOR)
        await preferences.choose(ASKER, "en")
        (key,) = await redis.send("KEYS", "*")
        await redis.send("SET", key, kept)
        assert (await Line(redis, preferences=preferences).send("")).text == MENU
        said = await Answers(VERSIONS, Inquiries(), preferences).answer(Help(), ASKER)
        assert said == FA["sms_help"]
        assert (await _call(preferences, ["1", f"{COVERED}#", "2"]))[0].startswith("dargah/fa/")

    on(server, play)


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever call fails, the menu is read in one language or the other, and all goes on."""

    async def play(redis: Redis) -> None:
        menus = set()
        await Preferences(redis, kept_for=FOR).choose(ASKER, "en")
        for n in count(1):
            failing = FailsAt(redis, n)
            preferences = Preferences(failing, kept_for=FOR)
            line = Line(redis, session_id=f"fails at {n}", preferences=preferences)
            first = (await line.send("")).text
            assert first in (MENU, MENU_EN)
            menus.add(first)
            await line.send("9")
            second = (await line.send("9*1" if first == MENU else "9*3")).text
            assert {first, second} == {MENU, MENU_EN}
            await Preferences(redis, kept_for=FOR).choose(ASKER, "en")
            if not failing.tripped:
                break
        assert n > 2
        assert menus == {MENU, MENU_EN}

    on(server, play)
