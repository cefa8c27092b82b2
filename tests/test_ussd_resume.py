"""Who was cut off goes on where they were: USSD over HTTP and SMPP, on a real Redis."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.notice import Notice
from dialogue.preferences import Preferences
from dialogue.resume import CHOICES, TITLE
from dialogue.version import OneVersion, Version, Versions
from state.commands import Commands
from state.errors import Unavailable
from state.link import Redis
from state.sessions import SessionStore
from telecom.msisdn import Msisdn
from telecom.screen import Limit
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import COVERED, NOT_COVERED, PHRASES, TREE, ScriptedInquirer
from tests.ussd_line import ANSWER, FA, HASHES, MENU, MENU_EN, NUMBER, on
from ussd.conversation import UssdConversations, UssdTimes
from ussd.requests import Dialogue, UssdRequest
from ussd.sessions import UssdReply
from ussd.turning import Turned

ASKS = UssdReply(FA["ask_id"], more=True)
STARTS = UssdReply(MENU, more=True)
OTHER = Msisdn("989351234567")


def offer(label: str, language: str = "fa") -> UssdReply:
    """The screen that offers to go on with what an option led to."""
    texts = PHRASES[language].phrases
    keys = [f"{choice.key} {texts[choice.label].text}" for choice in CHOICES]
    return UssdReply("\n".join((texts[TITLE].text, texts[label].text, *keys)), more=True)


TREATMENT = offer("option_treatment")


@dataclass
class Site:
    """A gateway, and phones on both of its ways in."""

    commands: Commands
    versions: Versions[Version] = field(default_factory=lambda: OneVersion(Version(TREE, PHRASES)))
    resume: float = 300.0
    inquirer: ScriptedInquirer = field(default_factory=ScriptedInquirer)
    turned: list[Turned] = field(default_factory=list)
    preferences: Preferences | None = None
    dialogues: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.gateway = UssdConversations(
            self.versions,
            self.inquirer,
            SessionStore(self.commands),
            HASHES,
            times=UssdTimes(resume=self.resume),
            preferences=self.preferences,
            turned=self.turned.append,
        )

    async def by_http(
        self, *typed: str, code: str = "*4*1420#", number: Msisdn = NUMBER
    ) -> UssdReply:
        """Dial in a new session, type these, and hang up; what was shown last."""
        request = UssdRequest("aggregator", f"h{next(self.dialogues)}", number, code, "")
        reply = await self.gateway.turn(request)
        for position in range(1, len(typed) + 1):
            assert reply.more
            reply = await self.gateway.turn(replace(request, text="*".join(typed[:position])))
        return reply

    async def by_smpp(
        self,
        *typed: str,
        code: str = "*4*1420#",
        number: Msisdn = NUMBER,
        limit: Limit | None = None,
        told: bool = False,
    ) -> UssdReply:
        """As `by_http`; told: the network ends the dialogue by an abort."""
        dialogue = Dialogue("mci", f"{next(self.dialogues):x}", number)
        if limit is not None:
            dialogue = replace(dialogue, limit=limit)
        reply = await self.gateway.begin(dialogue, code)
        for unit, text in enumerate(typed):
            assert reply is not None
            assert reply.more
            reply = await self.gateway.go_on(dialogue, text, 2 * unit + 2)
        if told:
            await self.gateway.abort(dialogue)
        assert reply is not None
        return reply


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


@dataclass
class Editions:
    """Versions of which one is in service, and some are still known."""

    current: Version
    known: dict[str, Version] = field(default_factory=dict)
    away: bool = False

    async def of(self, digest: str) -> Version | None:
        """As Versions.of."""
        if self.away:
            raise Unavailable("no versions in this test")
        return self.known.get(digest)

    def notice(self) -> Notice | None:
        """None."""
        return None


def test_the_version_that_it_began_on(server: RunningRedis) -> None:
    """One goes on in the version that one began with; where it is gone, one begins anew."""

    async def play(redis: Redis) -> None:
        old = Version(TREE, PHRASES)
        fa = PHRASES["fa"]
        words = {**fa.phrases, "ask_id": replace(fa.phrases["ask_id"], text="کد؟")}
        new = Version(replace(TREE, digest="new"), {**PHRASES, "fa": replace(fa, phrases=words)})
        editions = Editions(old, {old.digest: old})
        site = Site(redis, editions)
        await site.by_smpp("1")
        editions.current = new
        editions.known["new"] = new
        assert await site.by_smpp("1") == ASKS
        assert (await site.by_smpp("2", "1")).text == "کد؟"
        editions.current = old
        editions.away = True
        assert await site.by_smpp() == STARTS
        editions.away = False
        del editions.known["new"]
        assert await site.by_smpp() == STARTS
        # Gone between the offer and its answer.
        dialogue = Dialogue("mci", "fe", NUMBER)
        await site.by_smpp("1")
        assert await site.gateway.begin(dialogue, "*4*1420#") == TREATMENT
        editions.current = new
        del editions.known[old.digest]
        editions.known["new"] = new
        assert await site.gateway.go_on(dialogue, "1", 2) == STARTS

    on(server, play)


def test_words_that_are_not_there(server: RunningRedis) -> None:
    """A dialogue of the operator's own without the words for it offers nothing."""

    async def play(redis: Redis) -> None:
        fa = PHRASES["fa"]
        own = {key: text for key, text in fa.phrases.items() if key != TITLE}
        phrases = {**PHRASES, "fa": replace(fa, phrases=own)}
        site = Site(redis, OneVersion(Version(TREE, phrases)))
        await site.by_http("1")
        assert await site.by_http() == STARTS

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


def test_what_is_kept_and_for_how_long(server: RunningRedis) -> None:
    """One small record for each person, without number or ID, for as long as set; or none."""

    async def play(redis: Redis) -> None:
        site = Site(redis, resume=120.0)
        for typed in (("1",), ("2", "123"), ("1", COVERED[:9], COVERED[:8])):
            await site.by_http(code="*4*1420*3#")
            await site.by_http("2", *typed)
            await site.by_smpp("1")
            keys = [key for key in await redis.send("KEYS", "*") if key.endswith(b":resume")]
            (key,) = keys
            assert 100_000 < await redis.send("PTTL", key) <= 120_000
            kept = key + await redis.send("GET", key)
            assert len(kept) < 1500
            for secret in (COVERED[:8], NUMBER.digits, NUMBER.digits[2:]):
                assert secret.encode() not in kept
        await redis.send("FLUSHALL")
        off = Site(redis, resume=0.0)
        await off.by_http("1")
        assert await off.by_http() == STARTS
        assert not any(key.endswith(b":resume") for key in await redis.send("KEYS", "*"))

    on(server, play)


class Counting:
    """Redis, with what was asked of it."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.asked: list[str] = []

    def send(self, *args: object) -> "asyncio.Future[object]":
        """As Commands.send."""
        self.asked.append(str(args[0]))
        return self.commands.send(*args)  # type: ignore[arg-type]

    async def script(self, script: object, *args: object) -> object:
        """As Commands.script."""
        self.asked.append("script")
        return await self.commands.script(script, *args)  # type: ignore[arg-type]


def test_it_costs_no_further_question(server: RunningRedis) -> None:
    """A turn asks Redis twice, and the first one once more, together with something else."""

    async def play(redis: Redis) -> None:
        counting = Counting(redis)
        site = Site(counting, preferences=Preferences(counting, kept_for=timedelta(days=1)))
        await site.by_http("1", COVERED)
        first, turn = ["HMGET", "GET", "GET", "script"], ["HMGET", "script"]
        assert counting.asked == [*first, *turn, *turn]

    on(server, play)


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever Redis call fails, who was cut off begins anew or goes on, and reads no error."""

    async def play(redis: Redis) -> None:
        true = {FA["ask_id"], MENU, FA["unavailable"], TREATMENT.text}
        seen = set()
        for n in count(1):
            await redis.send("FLUSHALL")
            await Site(redis).by_http("1")
            failing = FailsAt(redis, n)
            site = Site(failing)
            request = UssdRequest("aggregator", "again", NUMBER, "*4*1420#", "")
            reply = await site.gateway.turn(request)
            if n == 2:
                # What was cut off cannot be asked for: a plain start.
                assert reply == STARTS
            elif reply.more:
                assert reply == TREATMENT
                reply = await site.gateway.turn(replace(request, text="1"))
            assert reply.text in true
            seen.add(reply.text)
            if not failing.tripped:
                assert reply == ASKS
                break
        assert n > 4
        assert FA["ask_id"] in seen

    on(server, play)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([NUMBER, OTHER, Msisdn("982112345678")]),
            st.booleans(),
            st.lists(
                st.sampled_from(["1", "2", "3", "9", "0", COVERED, NOT_COVERED, COVERED[:9]]),
                max_size=4,
            ),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_nobody_sees_anothers(
    server: RunningRedis, steps: list[tuple[Msisdn, bool, list[str]]]
) -> None:
    """Whatever several people do, each sees just what they would see alone, and no ID again."""

    async def play(redis: Redis) -> None:
        async def one(site: Site, number: Msisdn, over_smpp: bool, typed: list[str]) -> list[str]:
            seen = []
            dialogue = Dialogue("mci", f"{next(site.dialogues):x}", number)
            request = UssdRequest("a", dialogue.session_id, number, "*4*1420#", "")
            begins, text = True, ""
            for unit, each in enumerate(["", *typed]):
                if over_smpp and begins:
                    reply = await site.gateway.begin(dialogue, "*4*1420#", 0)
                elif over_smpp:
                    reply = await site.gateway.go_on(dialogue, each, 2 * unit)
                else:
                    text = f"{text}*{each}" if text else each
                    reply = await site.gateway.turn(replace(request, text=text))
                begins = False
                assert reply is not None
                seen.append(reply.text)
                assert COVERED[:8] not in reply.text
                assert NOT_COVERED[:8] not in reply.text
                if not reply.more:
                    break
            return seen

        together: dict[str, list[list[str]]] = {}
        site = Site(redis)
        for number, over_smpp, typed in steps:
            seen = await one(site, number, over_smpp, typed)
            together.setdefault(number.digits, []).append(seen)
            if not number.is_mobile:
                assert seen[0] in (MENU, MENU_EN)
        for digits, expected in together.items():
            await redis.send("FLUSHALL")
            alone = Site(redis)
            assert expected == [
                await one(alone, number, over_smpp, typed)
                for number, over_smpp, typed in steps
                if number.digits == digits
            ]

    on(server, play)
