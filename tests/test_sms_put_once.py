"""Texts that answer none: in an operator's outbox once, and good for as long as they may wait."""

from datetime import timedelta

import pytest

from config.sms_settings import Numbering
from sms.inbox import key
from sms.outbox import SEALED_FOR
from sms.record import Reply, decode_reply
from sms.unasked import Unasked
from state.commands import Commands
from state.errors import Unavailable
from state.keyed_hash import KeyedHash
from state.link import Redis
from state.sealed import Seal
from telecom.msisdn import Msisdn
from tests.redis_server import FailsAt, RunningRedis
from tests.sms_line import KEY, NOON, Line, with_line

NUMBER = Msisdn("989121234567")
SEAL = Seal(KEY, lambda count: b"s" * count)


def unasked(state: Commands) -> Unasked:
    """For one operator, whose phones want their own TON."""
    return Unasked(
        {"a": Numbering(destination_ton=2)},
        state=state,
        seal=SEAL,
        hashes=KeyedHash(KEY),
        number="10001420",
        limit=10,
        good_for=timedelta(hours=6),
        known_for=timedelta(days=7),
        clock=lambda: NOON,
    )


async def replies(redis: Redis) -> list[Reply]:
    """What lies in the outbox."""
    entries = await redis.send("XRANGE", key("a", "out"), "-", "+")
    return [decode_reply(SEAL.open(flat[1], SEALED_FOR)) for _, flat in entries]


def test_a_text_is_put_once(server: RunningRedis) -> None:
    """The same correction is never sent twice, however often its sending is begun again."""

    async def test(line: Line) -> None:
        texts = unasked(line.redis)
        assert await texts.put("a", NUMBER, "sorry", once="correction 1")
        assert not await unasked(line.redis).put("a", NUMBER, "sorry", once="correction 1")
        assert await texts.put("a", NUMBER, "sorry", once="correction 2")
        first, second = await replies(line.redis)
        assert first == second
        assert (first.source.digits, first.destination.digits) == ("10001420", NUMBER.digits)
        assert (first.destination.ton, first.text) == (2, "sorry")
        assert first.told_at == (NOON + timedelta(hours=6)).timestamp()
        with pytest.raises(KeyError):
            await texts.put("b", NUMBER, "sorry", once="correction 3")
        raw = repr(await line.redis.send("XRANGE", key("a", "out"), "-", "+"))
        assert NUMBER.digits[2:] not in raw

    with_line(server, test)


def test_a_text_that_was_not_put_can_be_put_again(server: RunningRedis) -> None:
    """Where Redis fails, nothing is put and nothing is taken for put."""

    async def test(line: Line) -> None:
        failing = FailsAt(line.redis, 1)
        texts = unasked(failing)
        with pytest.raises(Unavailable):
            await texts.put("a", NUMBER, "sorry", once="correction 1")
        assert failing.tripped
        assert await texts.put("a", NUMBER, "sorry", once="correction 1")
        assert len(await replies(line.redis)) == 1

    with_line(server, test)
