"""USSD when Redis fails, sessions are lost, or what is kept is broken."""

from dataclasses import replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from dialogue.state import State
from state.link import Redis
from telecom.service_code import normalise_dialled
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import COVERED, TREE, typed
from tests.ussd_line import ANSWER, FA, HASHES, MENU, Line, on
from ussd.sessions import Heard, Session, UssdReply, decode, encode


def test_a_broken_session(server: RunningRedis) -> None:
    """A session that cannot be read is told to dial again."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        await line.send("1")
        (key,) = await redis.send("KEYS", "*")
        await redis.send("HSET", key, "b", b"\xff{")
        assert await line.send(f"1*{COVERED}") == UssdReply(FA["expired"], more=False)
        assert line.inquirer.asked == []

    on(server, play)


def test_a_changed_tree(server: RunningRedis) -> None:
    """A session from before a change of the tree is told to dial again."""

    async def play(redis: Redis) -> None:
        await Line(redis).send("1")
        line = Line(redis, tree=replace(TREE, digest="another"))
        assert await line.send(f"1*{COVERED}") == UssdReply(FA["expired"], more=False)

    on(server, play)


def test_a_forgotten_session(server: RunningRedis) -> None:
    """Who types on in a session that is forgotten is taken as if all had been dialled at once."""

    async def play(redis: Redis) -> None:
        line = Line(redis)
        await line.send("")
        await line.send("1")
        await redis.send("FLUSHALL")
        assert await line.send(f"1*{COVERED}") == UssdReply(ANSWER, more=False)

    on(server, play)


ANSWERS = {ANSWER}
TRUE_SENTENCES = ANSWERS | {
    MENU,
    FA["ask_id"],
    FA["unavailable"],
    FA["busy"],
}


def test_redis_fails_anywhere(server: RunningRedis) -> None:
    """Whichever Redis call fails, the person gets a true sentence, and never a wrong verdict."""

    async def play(redis: Redis) -> None:
        ended = []
        for n in count(1):
            failing = FailsAt(redis, n)
            line = Line(failing, session_id=f"fails at {n}")
            reply = await line.type("1", COVERED)
            assert reply.text in TRUE_SENTENCES, n
            assert not reply.more, n
            ended.append(reply.text)
            if not failing.tripped:
                break
        assert len(ended) > 6
        assert ended[-1] == ANSWER
        assert FA["unavailable"] in ended

    on(server, play)


def test_a_repeat_after_a_failure(server: RunningRedis) -> None:
    """A request sent again after Redis failed under it still comes to a true sentence."""

    async def play(redis: Redis) -> None:
        for n in range(1, 8):
            line = Line(FailsAt(redis, n), session_id=f"again at {n}")
            for text in ("", "1", f"1*{COVERED}"):
                replies = [await line.send(text), await line.send(text)]
                assert {reply.text for reply in replies} <= TRUE_SENTENCES
            assert await line.send(f"1*{COVERED}") == UssdReply(ANSWER, more=False)

    on(server, play)


@settings(max_examples=60, deadline=None)
@given(inputs=st.lists(typed(), max_size=8))
def test_typing_and_dialling(server: RunningRedis, inputs: list[str]) -> None:
    """Dialled at once or typed one by one, the same answers come to the same screen."""
    # A star or hash parts what is dialled, and nothing at all cannot be dialled.
    answers = [text for text in inputs if normalise_dialled(text) not in ("", "#")]
    answers = [text for text in answers if not set("*#") & set(normalise_dialled(text))]

    async def play(redis: Redis) -> None:
        by_hand = Line(redis, session_id="typed")
        text, reply = "", await by_hand.send("")
        for given_ in answers:
            (key,) = await redis.send("KEYS", "*")
            session = decode(await redis.send("HGET", key, "b"))
            assert session is not None
            if not reply.more or session.state.tries:
                break
            text = f"{text}*{given_}" if text else given_
            reply = await by_hand.send(text)
        at_once = Line(redis, session_id="dialled")
        assert await at_once.send("*".join(answers)) == reply

    on(server, play)


@given(st.binary(max_size=300))
def test_any_kept_session(blob: bytes) -> None:
    """A session that was kept is read whole; anything else is none."""
    assert decode(blob) is None
    state = State(TREE.digest, "fa", "ask_id", tries=1, turns=3)
    first = Session(state, ("a", "ب"), last=True, heard=Heard.of(HASHES, "1*2"))
    second = replace(first, page=1)
    assert (decode(encode(first)), decode(encode(second))) == (first, second)
    assert (first.over, second.over) == (False, True)
    assert decode(encode(second).replace(b'"page":1', b'"page":2')) is None
    offering = replace(first, entry="*4*1420", offer=second)
    assert decode(encode(offering)) == offering
    for broken in (blob, b"{}", encode(offering)):
        assert decode(encode(first) + b"\n" + broken) is None
