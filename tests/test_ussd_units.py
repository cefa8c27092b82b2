"""USSD as single events, as SMPP has it: one dialogue for a handset, over a real Redis."""

import asyncio
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.state import State
from state.commands import Commands
from state.link import Redis
from telecom.msisdn import Msisdn
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import CODE, COVERED, NOT_COVERED, ScriptedInquirer, typed
from tests.ussd_line import ANSWER, FA, HASHES, MENU, NUMBER, Line, on
from ussd.requests import Dialogue
from ussd.sessions import HeardUnit, Session, Told, UssdReply, decode, encode
from ussd.turning import Turned

ASKS = UssdReply(FA["ask_id"], more=True)
EXPIRED = UssdReply(FA["expired"], more=False)
TOLD = UssdReply(ANSWER, more=False)


class Handset(Line):
    """A handset on a gateway whose network sends one event at a time; `time` is turned by hand."""

    time = 1000.0

    def __init__(self, commands: Commands, inquirer: ScriptedInquirer | None = None) -> None:
        super().__init__(commands, inquirer or ScriptedInquirer())
        self.gateway._clock = lambda: self.time

    def dialogue(self, session_id: str = "2a", number: Msisdn = NUMBER) -> Dialogue:
        """A dialogue of this handset's."""
        return Dialogue("operator", session_id, number)

    async def dial(
        self, dialled: str = "*4*1420#", session_id: str = "2a", unit: int | None = 0
    ) -> UssdReply | None:
        """What is shown after dialling, ten seconds after whatever was before."""
        self.time += 10
        return await self.gateway.begin(self.dialogue(session_id), dialled, unit)

    async def answer(
        self, text: str, session_id: str = "2a", unit: int | None = None
    ) -> UssdReply | None:
        """What is shown after an answer, ten seconds later."""
        self.time += 10
        return await self.gateway.go_on(self.dialogue(session_id), text, unit)


def test_a_whole_dialogue(server: RunningRedis) -> None:
    """A code is dialled, a menu answered, an ID typed, and the verdict read."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        assert await handset.dial() == UssdReply(MENU, more=True)
        assert await handset.answer("1", unit=2) == ASKS
        assert await handset.answer(COVERED, unit=4) == TOLD
        (asked,) = handset.inquirer.asked
        assert asked[:1] == (COVERED,)
        assert handset.turned == [Turned.CONTINUED, Turned.CONTINUED, Turned.ENDED]

    on(server, play)


def test_the_same_words_by_either_way(server: RunningRedis) -> None:
    """Dialled whole, the answer is the same by SMPP as by HTTP, and so is who asks."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        by_smpp = await handset.dial(f"*4*1420*1*{COVERED}#")
        line = Line(redis, inquirer=handset.inquirer, code=f"*4*1420*1*{COVERED}#")
        assert await line.send("") == by_smpp == TOLD
        first, second = handset.inquirer.asked
        assert first == second

    on(server, play)


def test_a_new_dialogue_replaces_the_old_one(server: RunningRedis) -> None:
    """Who dials again begins again, and an answer to the old dialogue is told that it is over."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        await handset.dial()
        assert await handset.answer("1") == ASKS
        assert await handset.dial(session_id="2b") == UssdReply(MENU, more=True)
        assert await handset.answer(COVERED, "2a") == EXPIRED
        assert await handset.answer("1", "2b") == ASKS
        assert handset.inquirer.asked == []
        assert len(await redis.send("KEYS", "*")) == 1

    on(server, play)


def test_a_number_that_is_used_again(server: RunningRedis) -> None:
    """A network that gives the same number to the next dialogue, or none at all, is understood."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        for session_id in ("2a", "-"):
            for _ in range(2):
                assert await handset.dial(session_id=session_id) == UssdReply(MENU, more=True)
                assert await handset.answer("1", session_id) == ASKS
                assert await handset.answer(COVERED, session_id) == TOLD
            await handset.dial(session_id=session_id)
            assert await handset.dial(session_id=session_id) == UssdReply(MENU, more=True)
        assert Turned.REPEATED not in handset.turned

    on(server, play)


def test_an_answer_without_a_dialogue(server: RunningRedis) -> None:
    """An answer to nothing is told to dial again, and so is one after the last word."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        assert await handset.answer(COVERED) == EXPIRED
        await handset.dial(f"*4*1420*1*{COVERED}#")
        assert await handset.answer("1") == EXPIRED
        assert handset.turned[-1] is Turned.EXPIRED

    on(server, play)


def test_a_repeated_unit(server: RunningRedis) -> None:
    """An event that comes twice within two seconds is answered twice and moves nothing."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        for text, expected in (("", MENU), ("5", None), ("1", FA["ask_id"]), (COVERED, ANSWER)):
            first = await (handset.answer(text) if text else handset.dial(unit=None))
            handset.time -= 10 - 1.9
            again = await (handset.answer(text) if text else handset.dial(unit=None))
            assert again == first is not None
            assert expected in (None, first.text)
        assert len(handset.inquirer.asked) == 1
        assert handset.turned.count(Turned.REPEATED) == 4

    on(server, play)


def test_the_same_answer_to_another_screen(server: RunningRedis) -> None:
    """The same key typed again later, or as another unit, is another answer."""

    async def play(redis: Redis) -> None:
        later, counted = Handset(redis), Handset(redis)
        await later.dial(unit=None)
        assert await later.answer("1") == ASKS
        assert await later.answer("1") != ASKS
        await counted.dial(unit=0)
        assert await counted.answer("1", unit=2) == ASKS
        counted.time -= 9
        assert await counted.answer("1", unit=4) != ASKS

    on(server, play)


def test_a_unit_that_comes_again_late(server: RunningRedis) -> None:
    """Where the network counts its units, a repeat is known however late it comes."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        await handset.dial(unit=0)
        assert await handset.answer("1", unit=2) == ASKS
        handset.time += 60
        assert await handset.answer("1", unit=2) == ASKS
        assert await handset.answer(COVERED, unit=4) == TOLD

    on(server, play)


def test_one_event_many_times_at_once(server: RunningRedis) -> None:
    """Copies of an event that arrive together get one answer and move the dialogue once."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        told: list[str] = []
        for text in ("", "1", NOT_COVERED):
            say = handset.gateway.go_on if text else handset.gateway.begin
            events = (say(handset.dialogue(), text or "*4*1420#") for _ in range(8))
            replies = await asyncio.gather(*events)
            (reply,) = set(replies)
            assert reply is not None
            told.append(reply.text)
            handset.time += 10
        assert told[:2] == [MENU, FA["ask_id"]]
        assert told[2].startswith("اعتبار درمان از")

    on(server, play)


def test_an_abort(server: RunningRedis) -> None:
    """What the network ends is forgotten; an abort of an older dialogue harms no new one."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        await handset.dial(session_id="2a")
        await handset.dial(session_id="2b")
        await handset.gateway.abort(handset.dialogue("2a"))
        assert await handset.answer("1", "2b") == ASKS
        await handset.gateway.abort(handset.dialogue("2b"))
        assert await handset.answer(COVERED, "2b") == EXPIRED
        await handset.dial(session_id="2c")
        await handset.gateway.abort(handset.dialogue("-"))
        assert await handset.answer("1", "2c") == EXPIRED
        assert handset.turned.count(Turned.ABORTED) == 3

    on(server, play)


class Aborting(ScriptedInquirer):
    """An inquirer during whose answer the network aborts the dialogue."""

    handset: Handset

    async def inquire(self, *args: object, **more: object) -> object:  # type: ignore[override]
        await self.handset.gateway.abort(self.handset.dialogue())
        return await super().inquire(*args, **more)  # type: ignore[arg-type]


def test_an_abort_during_a_look_up(server: RunningRedis) -> None:
    """Nothing is sent into a dialogue that ended while its answer was looked up."""

    async def play(redis: Redis) -> None:
        inquirer = Aborting()
        inquirer.handset = handset = Handset(redis, inquirer)
        await handset.dial()
        await handset.answer("1")
        untold: list[Told] = []
        dialogue = handset.dialogue()
        told = await handset.gateway.go_on(dialogue, COVERED, untold=untold.append)
        assert told is None
        assert [each.answer.tracking_code for each in untold] == [CODE]
        assert await handset.answer(COVERED) == EXPIRED

    on(server, play)


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever Redis call fails, the person gets a true sentence."""

    async def play(redis: Redis) -> None:
        told = set()
        for n in count(1):
            await redis.send("FLUSHALL")
            failing = FailsAt(redis, n)
            handset = Handset(failing)
            reply = await handset.dial()
            for text in ("1", COVERED):
                assert reply is not None
                if reply.more:
                    reply = await handset.answer(text)
            assert reply is not None
            assert not reply.more
            told.add(reply.text)
            if not failing.tripped:
                break
        assert n > 6
        assert told == {ANSWER, FA["unavailable"]}

    on(server, play)


def test_an_abort_without_redis(server: RunningRedis) -> None:
    """An abort that cannot be kept harms nobody: the session ends by its time."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        await handset.dial()
        for n in (1, 2):
            await Handset(FailsAt(redis, n)).gateway.abort(handset.dialogue())
            assert await handset.dial() == UssdReply(MENU, more=True)

    on(server, play)


def test_nothing_about_the_person_is_kept(server: RunningRedis) -> None:
    """Redis holds no ID and no number, whatever was dialled and typed."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        await handset.dial(f"*4*1420*1*{COVERED[:-1]}#", session_id="ab" * 300)
        await handset.answer(COVERED[:-2], session_id="ab" * 300)
        (key,) = await redis.send("KEYS", "*")
        kept = key + b"".join(await redis.send("HGETALL", key))
        for secret in (COVERED[:-2], NUMBER.digits, NUMBER.digits[2:], "ab" * 100):
            assert secret.encode() not in kept

    on(server, play)


def test_how_long_a_session_is_kept(server: RunningRedis) -> None:
    """A gateway may have its own time for sessions."""

    async def play(redis: Redis) -> None:
        handset = Handset(redis)
        for session_ttl, most in ((None, 180_000), (40.0, 40_000)):
            dialogue = Dialogue("operator", "2a", NUMBER, session_ttl)
            handset.time += 10
            await handset.gateway.begin(dialogue, "*4*1420#")
            (key,) = await redis.send("KEYS", "*")
            assert most - 10_000 < await redis.send("PTTL", key) <= most

    on(server, play)


@settings(max_examples=60, deadline=None)
@given(inputs=st.lists(typed(), max_size=8))
def test_the_same_answers_by_either_way(server: RunningRedis, inputs: list[str]) -> None:
    """Typed into an SMPP network or an HTTP one, the same answers come to the same screens."""

    async def play(redis: Redis) -> None:
        handset, line, text = Handset(redis), Line(redis), ""
        by_smpp, by_http = await handset.dial(), await line.send("")
        for given_ in inputs:
            assert by_smpp == by_http
            if not by_http.more:
                break
            if not text and not given_:
                continue  # the first answer, if empty, makes no cumulative text
            text = f"{text}*{given_}" if text else given_
            by_smpp, by_http = await handset.answer(given_), await line.send(text)
        assert by_smpp == by_http

    on(server, play)


@given(st.text(max_size=10), st.none() | st.integers(), st.floats(allow_nan=False), st.booleans())
def test_what_was_heard_is_kept_whole(
    session_id: str, unit: int | None, at: float, counted: bool
) -> None:
    """What is kept of an event is read back as it was."""
    heard = HeardUnit(session_id, unit, "9f", at, counted)
    session = Session(State("tree", "fa", "ask_id"), ("a",), last=False, heard=heard)
    assert decode(encode(session)) == session
    assert HASHES.of("ussd_typed", "1") != HASHES.of("ussd_dialled", "1")
