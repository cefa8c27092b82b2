"""Nothing acknowledged is lost: Redis fails, answers get lost, processes die, at every point."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import count

import pytest

from eligibility.inquiry import Inquiries, InquirySettings
from eligibility.ledger import NO_LIMIT, Ledger
from smpp.pdu import Status
from sms.service import Sms
from state.commands import Arg, Reply, Script
from state.errors import Unavailable
from state.keyed_hash import KeyedHash
from state.link import Redis
from telecom.channel import Channel
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.sms_line import PATIENCE, Line, running, sms, with_line
from tests.test_eligibility_inquiry import People

CALLS = 10
"""What one message takes at the least: two groups, two reads and their names, put, move, done."""


class Fault(StrEnum):
    """What happens at the n-th call. A process that died makes no further one."""

    FAILS = "it is not done, and fails"
    LOSES_ANSWER = "it is done, and fails"
    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies when it is done"


class Faults:
    """One process's calls to Redis, on all its connections, counted from 1."""

    def __init__(self, fault: Fault, n: int) -> None:
        self.tripped = asyncio.Event()
        self._fault = fault
        self._left = n

    async def call(self, call: Callable[[], Awaitable[Reply]]) -> Reply:
        """Do it, or not."""
        self._left -= 1
        now = self._left == 0
        dies = self._fault in (Fault.DIES_BEFORE, Fault.DIES_AFTER)
        if now:
            self.tripped.set()
        if dies and (self._left < 0 or (now and self._fault is Fault.DIES_BEFORE)):
            await asyncio.Event().wait()
        if now and self._fault is Fault.FAILS:
            raise Unavailable("failed by the test")
        reply = await call()
        if now and self._fault is Fault.DIES_AFTER:
            await asyncio.Event().wait()
        if now:
            raise Unavailable("lost by the test")
        return reply


class Faulty:
    """One connection of a process with faults."""

    def __init__(self, redis: Redis, faults: Faults) -> None:
        self._redis = redis
        self._faults = faults

    def send(self, *args: Arg) -> asyncio.Future[Reply]:
        """As Commands.send."""
        return asyncio.ensure_future(self._faults.call(lambda: self._redis.send(*args)))

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await self._faults.call(lambda: self._redis.script(script, keys, *args))

    async def close(self) -> None:
        """End the real one."""
        await self._redis.close()


def faulty_sms(line: Line, faults: Faults) -> Sms:
    """A process all of whose connections have the faults."""

    async def link(name: str) -> Faulty:
        return Faulty(await line.link(name), faults)

    return line.sms(Faulty(line.redis, faults), inquiries=inquiries(line), open_link=link)


def inquiries(line: Line) -> Inquiries:
    """The real entrance over the real ledger: codes are drawn at random, and repeat by its rule."""
    ledger = Ledger(
        line.redis,
        repeat_for=timedelta(minutes=10),
        retry_for=timedelta(hours=24),
        keep_for=timedelta(days=30),
    )
    return Inquiries(
        People(),
        ledger,
        InquirySettings(1.0, dict.fromkeys(Channel, NO_LIMIT)),
        KeyedHash(b"h" * 32),
        clock=lambda: line.now,
        below=random.Random(line.made).randrange,
    )


async def delivered(service: Sms) -> int:
    """What an SMSC does: it comes again until the message is accepted; how often it came."""
    for times in count(1):
        if await service.received("mci", sms(COVERED)) == Status.OK:
            return times
        assert times < 5
    raise AssertionError


async def kill(service: Sms) -> None:
    """The end of a process: nothing of it runs any longer."""
    tasks: list[asyncio.Task[None]] = [service._sweep] if service._sweep else []
    for operator in service._operators.values():
        for consumer in (operator.answering, operator.sending):
            tasks += [*consumer._loops, *consumer._tasks.values()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.LOSES_ANSWER])
def test_redis_fails_anywhere(server: RunningRedis, fault: Fault) -> None:
    """Whichever call to Redis fails, or is done unheard: one reply, the right one."""
    for n in count(1):
        tripped: list[bool] = []

        async def test(line: Line, n: int = n, tripped: list[bool] = tripped) -> None:
            faults = Faults(fault, n)
            async with running(faulty_sms(line, faults)) as service:
                await delivered(service)
                (shown,) = await line.network.has(1)
                assert "۱۴۰۵/۱۲/۲۹" in shown
                await line.counted.has("out submitted")
                tripped.append(faults.tripped.is_set())
            assert await line.waiting() == (0, 0)
            assert len(line.network.taken) == 1

        with_line(server, test)
        if not tripped[0]:
            break
    assert n > CALLS


@pytest.mark.parametrize("fault", [Fault.DIES_BEFORE, Fault.DIES_AFTER])
def test_a_process_dies_anywhere(server: RunningRedis, fault: Fault) -> None:
    """Wherever a process is killed, another answers, under the same code: no message is lost."""
    for n in count(1):
        died: list[bool] = []

        async def test(line: Line, n: int = n, died: list[bool] = died) -> None:
            faults = Faults(fault, n)
            first = faulty_sms(line, faults)
            first.start()
            coming = asyncio.create_task(delivered(first))
            ended = asyncio.create_task(line.counted.has("out submitted"))
            dead = asyncio.create_task(faults.tripped.wait())
            await asyncio.wait([ended, dead], return_when=asyncio.FIRST_COMPLETED)
            # What was sent before the death arrives, and is acted upon by nobody here.
            for _ in range(3):
                await line.redis.send("PING")
            acknowledged = coming.done()
            died.append(not ended.done())
            await kill(first)
            sent = len(line.network.taken)
            for task in (coming, ended, dead):
                task.cancel()
            async with running(line.sms(inquiries=inquiries(line))) as second:
                if not acknowledged:
                    await delivered(second)
                await line.network.has(1)
                async with asyncio.timeout(PATIENCE):
                    while sum(await line.waiting()):
                        pass
            assert len(set(line.network.texts)) == 1
            # Twice only where it died between the SMSC's answer and noting it.
            assert sent <= 1
            assert len(line.network.taken) - sent <= 1

        with_line(server, test)
        if not died[0]:
            break
    assert n > CALLS


def test_a_redelivery_after_the_window_gets_the_same_text(server: RunningRedis) -> None:
    """However late the SMSC repeats itself within ten minutes, the person reads the same code."""

    async def test(line: Line) -> None:
        async with running(line.sms(inquiries=inquiries(line))) as service:
            assert await delivered(service) == 1
            await line.network.has(1)
            for key in await line.redis.send("KEYS", "*:seen:*"):
                await line.redis.send("DEL", key)
            line.later(300)
            assert await delivered(service) == 1
            first, second = await line.network.has(2)
            assert first == second

    with_line(server, test)


def test_redis_is_away(server: RunningRedis) -> None:
    """While Redis does not answer, the SMSC keeps its messages; afterwards all are answered."""

    async def test(line: Line) -> None:
        service = line.sms()
        async with running(service):
            assert await service.received("mci", sms(COVERED)) == Status.OK
            await line.network.has(1)
            server.stop_answering()
            try:
                assert await service.received("mci", sms(f"{COVERED} 1")) == Status.RX_TEMPORARY
            finally:
                server.answer_again()
            await line.redis.wait_connected()
            assert await service.received("mci", sms(f"{COVERED} 1")) == Status.OK
            await line.network.has(2)

    with_line(server, test)
