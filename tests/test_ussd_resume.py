"""Who was cut off goes on where they were: USSD over HTTP and SMPP, on a real Redis."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialogue.notice import Notice
from dialogue.preferences import Preferences
from dialogue.version import OneVersion, Version
from state.link import Redis
from telecom.msisdn import Msisdn
from telecom.screen import Limit
from tests.redis_server import RunningRedis
from tests.resume_site import ASKS, STARTS, TREATMENT, Site, offer
from tests.scripted_inquirer import COVERED, NOT_COVERED, PHRASES, TREE
from tests.ussd_line import ANSWER, FA, HASHES, MENU, MENU_EN, NUMBER, on
from ussd.requests import UssdRequest
from ussd.sessions import UssdReply
from ussd.turning import Turned


def test_who_was_cut_off_goes_on(server: RunningRedis) -> None:
    """Whoever was cut off at a question is asked it again, and comes to the same answer."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        assert await site.by_http("1") == ASKS
        assert await site.by_http() == TREATMENT
        assert await site.by_http("1") == ASKS
        assert await site.by_http("1", COVERED) == UssdReply(ANSWER, more=False)
        assert await site.by_http() == STARTS
        assert site.turned.count(Turned.OFFERED) == 3
        assert site.turned.count(Turned.RESUMED) == 2

    on(server, play)


def test_whoever_wants_to_starts_anew(server: RunningRedis) -> None:
    """The other key begins anew, and what was cut off is not offered a second time."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_smpp("2")
        assert await site.by_smpp("۲") == STARTS
        assert await site.by_smpp() == STARTS
        await site.by_smpp("2")
        assert await site.by_smpp("2", "1", COVERED) == UssdReply(ANSWER, more=False)

    on(server, play)


def test_the_person_is_the_same_on_every_way_in(server: RunningRedis) -> None:
    """Cut off on one operator's way in, a person goes on by another's."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_smpp("2", told=True)
        assert await site.by_http() == offer("option_follow_up")
        assert await site.by_http("1") == UssdReply(FA["ask_code"], more=True)
        assert await site.by_smpp("1") == UssdReply(FA["ask_code"], more=True)

    on(server, play)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ((), "*4*1420#"),
        (("5",), "*4*1420#"),
        (("3", "1", "9*9"), "*99#"),
        (("9",), "*4*1420#"),
        (("9", "1"), "*4*1420#"),
    ],
)
def test_the_first_menu_is_nothing_to_go_on_with(
    server: RunningRedis, typed: tuple[str, ...], code: str
) -> None:
    """Who saw the first menu alone, or that of languages, or dialled a wrong code, just begins."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_http(*(typed if code != "*99#" else ()), code=code)
        assert (await site.by_http()).text in (MENU, MENU_EN)
        assert not any(key.endswith(b":resume") for key in await redis.send("KEYS", "*"))

    on(server, play)


def test_what_has_ended_is_not_offered(server: RunningRedis) -> None:
    """An inquiry that was answered, or a conversation that was ended, is over."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        for typed in (("1", COVERED), ("1", "1", "2", "3"), ("7", "8", "9*9")):
            assert not (await site.by_smpp(*typed)).more
            assert await site.by_smpp() == STARTS
        await site.by_http("1")
        assert not (await site.by_http(code=f"*4*1420*1*{COVERED}#")).more
        assert await site.by_http() == STARTS

    on(server, play)


def test_what_is_dialled_whole_is_not_interrupted(server: RunningRedis) -> None:
    """Who dials their answers with the code is not asked about another conversation."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_http("2")
        assert await site.by_http(code="*4*1420*1#") == ASKS
        assert await site.by_http() == TREATMENT
        assert (await site.by_smpp(code=f"*4*1420*1*{COVERED}#")).text == ANSWER

    on(server, play)


def test_each_service_code_has_its_own(server: RunningRedis) -> None:
    """Another service code begins anew, and the first one still goes on where it was."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_http("2")
        assert (await site.by_http(code="*1666#")).text.endswith("9 English/Farsi")
        assert (await site.by_http(code="*99#")).text == FA["unknown_code"]
        assert await site.by_http() == offer("option_follow_up")
        await site.by_http("1", code="*1666#")
        assert await site.by_http(code="*1666#") == offer("option_booklet")

    on(server, play)


@pytest.mark.parametrize("number", ["982112345678", "442079460018", "989121234568"])
def test_nobody_else_is_offered_it(server: RunningRedis, number: str) -> None:
    """A landline, a foreign number and another mobile get no offer, and a landline leaves none."""

    async def play(redis: Redis) -> None:
        site, other = Site(redis), Msisdn(number)
        await site.by_http("1")
        assert await site.by_http(number=other) == STARTS
        if not other.is_mobile:
            await site.by_http("1", number=other)
            assert await site.by_http(number=other) == STARTS

    on(server, play)


def test_a_second_dialogue_beside_the_first(server: RunningRedis) -> None:
    """A dial while the first session is still alive breaks neither."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        first = UssdRequest("aggregator", "first", NUMBER, "*4*1420#", "1")
        assert await site.gateway.turn(first) == ASKS
        assert await site.by_http("1") == ASKS
        told = await site.gateway.turn(replace(first, text=f"1*{COVERED}"))
        assert told == UssdReply(ANSWER, more=False)
        second = replace(first, session_id="h0", text=f"1*{NOT_COVERED}")
        assert "برقرار نیست" in (await site.gateway.turn(second)).text

    on(server, play)


def test_the_offer_in_each_language(server: RunningRedis) -> None:
    """The offer is in the language and the script of the conversation that was cut off."""

    async def play(redis: Redis) -> None:
        for number, (language, keys) in enumerate({"en": "91", "fa-latn": ""}.items()):
            person = Msisdn(f"98912000000{number}")
            preferences = Preferences(redis, kept_for=timedelta(days=1))
            site = Site(redis, preferences=preferences)
            asker = HASHES.of("asker", person.digits)
            await redis.send("SET", f"dialogue:person:{asker}", "fa-latn" if not keys else "fa")
            await site.by_http(*keys, "1", number=person)  # 9, 1: English
            assert await site.by_http(number=person) == offer("option_treatment", language)
            asks = PHRASES[language].phrases["ask_id"].text
            assert (await site.by_smpp("1", number=person)).text == asks

    on(server, play)


def test_a_key_that_is_not_offered(server: RunningRedis) -> None:
    """Another key is met with the offer again, and not for ever."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_smpp("1")
        assert await site.by_smpp("7", COVERED, "1") == ASKS
        await site.by_smpp("7", COVERED)
        assert await site.by_smpp("7", COVERED, "3") == UssdReply(FA["helpline"], more=False)
        assert site.inquirer.asked == []

    on(server, play)


def test_a_page_is_shown_again(server: RunningRedis) -> None:
    """Who was cut off on a page of a topic goes on with that page, and reads the rest."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        first = await site.by_http("3", "2", "1")
        assert first.more
        assert await site.by_smpp("1") == first
        rest = await site.by_http("1", "0")
        assert not rest.more
        assert await site.by_http() == STARTS
        assert await site.by_smpp("3", "2", "1", "0") == rest

    on(server, play)


def test_a_notice_is_said_once(server: RunningRedis) -> None:
    """A notice stands before the offer, and not before the screen that is shown again."""

    async def play(redis: Redis) -> None:
        now = datetime.now(UTC)
        notice = Notice({"fa": "سامانه کند است."}, now + timedelta(hours=1), "a", now)
        site = Site(redis, OneVersion(Version(TREE, PHRASES), notice))
        dialled = await site.by_http(code="*4*1420*1#")
        assert dialled.text.startswith("سامانه کند است.")
        offered = await site.by_http()
        assert offered.text.startswith("سامانه کند است.")
        fa = PHRASES["fa"]
        turned = ("0",) if fa.more in offered.text else ()
        assert await site.by_http(*turned, "1") == ASKS

    on(server, play)


def test_a_gateway_with_a_smaller_screen(server: RunningRedis) -> None:
    """What another operator's gateway cannot show is not offered there."""

    async def play(redis: Redis) -> None:
        site = Site(redis)
        await site.by_http("1", COVERED[:9])
        longest = FA["wrong_id_short"]
        small = Limit(2 * len(longest) - 2)
        assert (await site.by_smpp(limit=small)).text.startswith("تأمین")
        assert await site.by_smpp() == TREATMENT
        assert await site.by_smpp("1") == UssdReply(longest, more=True)

    on(server, play)
