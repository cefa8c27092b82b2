"""What is kept of who was cut off: bounded, of one version, and told to nobody else."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.notice import Notice
from dialogue.preferences import Preferences
from dialogue.resume import TITLE
from dialogue.version import OneVersion, Version
from state.commands import Commands
from state.errors import Unavailable
from state.link import Redis
from telecom.msisdn import Msisdn
from tests.redis_server import FailsAt, RunningRedis
from tests.resume_site import ASKS, OTHER, STARTS, TREATMENT, Site
from tests.scripted_inquirer import COVERED, NOT_COVERED, PHRASES, TREE
from tests.ussd_line import FA, MENU, MENU_EN, NUMBER, on
from ussd.requests import Dialogue, UssdRequest


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
