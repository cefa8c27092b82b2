"""A text that answers none: a USSD answer that could not be shown, through a real Redis."""

import asyncio

import pytest

from config.sms_settings import Numbering
from dargah.answers_by_sms import PAUSE, TRIES, AnswersBySms
from eligibility.answer import Answer
from smpp.pdu import Address, Status
from state.errors import Unavailable
from state.streams import Full
from telecom.msisdn import Msisdn
from telecom.segments import split
from tests.redis_server import FailsAt, RunningRedis
from tests.scripted_inquirer import (
    BROKEN,
    CODE,
    COVERED,
    NOT_COVERED,
    NOT_FOUND,
    PENDING,
    PHRASES,
    SCRIPT,
)
from tests.sms_line import Line, running, with_line
from ussd.sessions import Told

NUMBER = Msisdn("989121234567")


def answer(national_id: str, code: str | None = CODE) -> Answer:
    """A scripted answer under a code."""
    scripted = SCRIPT[national_id]
    assert isinstance(scripted, Answer)
    return Answer(scripted.verdict, code)


@pytest.mark.parametrize("language", ["fa", "en", "fa-latn", "xx"])
@pytest.mark.parametrize("person", [COVERED, NOT_COVERED, PENDING, NOT_FOUND, BROKEN])
def test_each_answer_is_one_message(server: RunningRedis, person: str, language: str) -> None:
    """Each outcome goes out as one message with its code, in the language of the conversation."""

    async def test(line: Line) -> None:
        async with running(line.sms()) as service:
            assert await service.answer("mci", NUMBER, answer(person), language)
            (text,) = await line.network.has(1)
            ((operator, message),) = line.network.taken
            assert operator == "mci"
            assert CODE in text
            assert len(split(text, 0)) == 1
            assert text.isascii() == (language in ("en", "fa-latn"))
            assert message.source == Address("10001420", 0, 0)
            assert message.destination == Address("989121234567", 1, 1)
            assert message.validity_period == "000000001000000R"
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_once_for_each_code(server: RunningRedis) -> None:
    """However often an answer cannot be shown, it is sent once, by whichever process."""

    async def test(line: Line) -> None:
        first, second = line.sms(), line.sms()
        async with running(first):
            sent = [
                await service.answer("mci", NUMBER, answer(COVERED), "fa")
                for service in (first, second, first)
            ]
            assert sent == [True, False, False]
            assert await second.answer("mci", NUMBER, answer(COVERED, "10000000003"), "fa")
            assert len(await line.network.has(2)) == 2
        assert line.counted.counts["out unasked"] == 2
        assert line.counted.counts["out submitted"] == 2
        for key in await line.redis.send("KEYS", "*"):
            assert CODE.encode() not in key
            assert NUMBER.digits.encode() not in key

    with_line(server, test)


def test_as_the_operator_numbers(server: RunningRedis) -> None:
    """TON and NPI are the operator's, and the line may have a name."""

    async def test(line: Line) -> None:
        numbering = Numbering(3, 1, 0, 8, 5, 9)
        for number, source in (("1420", (3, 1)), ("Tamin", (5, 9))):
            service = line.sms(numbering={"mci": numbering}, number=number)
            async with running(service):
                await service.send("mci", NUMBER, "x", once=number)
                await line.counted.has("out submitted", 1 + (number != "1420"))
            _, message = line.network.taken[-1]
            assert message.source == Address(number, *source)
            assert message.destination == Address(NUMBER.digits, 0, 8)

    with_line(server, test)


def test_it_waits_for_the_link_as_any_reply(server: RunningRedis) -> None:
    """What is refused for load is sent later, and what is too old never."""

    async def test(line: Line) -> None:
        line.network.answers = [Status.THROTTLED, Status.THROTTLED]
        async with running(line.sms()) as service:
            await service.answer("mci", NUMBER, answer(COVERED), "fa")
            await line.network.has(1)
        late = line.sms()
        await late.answer("mci", NUMBER, answer(COVERED, "10000000003"), "fa")
        line.later(601)
        async with running(late):
            await line.counted.has("out expired")
        assert len(line.network.taken) == 1

    with_line(server, test)


def test_another_process_sends_it(server: RunningRedis) -> None:
    """A process that carries no SMS puts it where one that does finds it."""

    async def test(line: Line) -> None:
        only_ussd, carries = line.sms(), line.sms()
        only_ussd.start(())
        await only_ussd.answer("mci", NUMBER, answer(COVERED), "fa")
        assert await line.waiting() == (0, 1)
        async with running(carries):
            await line.network.has(1)
        assert await only_ussd.drain(1.0) == 0

    with_line(server, test)


def test_what_cannot_be_put(server: RunningRedis) -> None:
    """A full outbox, an operator that is not set up and an answer without a code are told."""

    async def test(line: Line) -> None:
        service = line.sms(outbox_limit=1)
        await service.send("mci", NUMBER, "x", once="1")
        with pytest.raises(Full):
            await service.send("mci", NUMBER, "x", once="2")
        with pytest.raises(KeyError):
            await service.send("mtn", NUMBER, "x", once="3")
        with pytest.raises(ValueError, match="without a tracking code"):
            await service.answer("mci", NUMBER, answer(BROKEN, None), "fa")

    with_line(server, test)


def test_redis_away_for_a_moment(server: RunningRedis) -> None:
    """Where Redis fails once, the answer goes out a second later; where it stays away, nothing."""

    async def test(line: Line) -> None:
        told = Told(answer(COVERED), "fa")
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        tasks: list[asyncio.Task[None]] = []
        for state, waits in ((FailsAt(line.redis, 1), 1), (_Away(), TRIES - 1)):
            pauses.clear()
            by_sms = AnswersBySms(
                line.sms(state=state),  # type: ignore[arg-type]
                lambda work: tasks.append(asyncio.get_running_loop().create_task(work)),
                pause,
            )
            by_sms.untold("mci", NUMBER, told)
            by_sms.untold("mci", Msisdn("982112345678"), told)
            await asyncio.gather(*tasks)
            assert pauses == [PAUSE] * waits
        assert await line.waiting() == (0, 1)

    with_line(server, test)


class _Away:
    """A Redis that never answers."""

    async def script(self, *_: object) -> object:
        """Raises Unavailable."""
        raise Unavailable("away in this test")


def test_every_code_is_in_its_text() -> None:
    """The words for each outcome hold the code: what follows by SMS can be asked about."""
    for language in PHRASES.values():
        for name in ("covered", "not_covered", "pending", "not_found", "cannot_check"):
            assert "code" in language.phrases[f"sms_{name}"].values
