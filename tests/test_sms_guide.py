"""The guide by SMS: who names a service reads what it is, what one needs and where to go."""

import pytest

from dialogue.guide import load_guide
from smpp.pdu import Address, Status
from sms.text import Help, read
from telecom.segments import UDHI
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import PHRASES
from tests.sms_line import Line, running, sms, text_of, with_line

TOPICS = {topic.name: topic.words for topic in load_guide().topics}
HEADER = 6


@pytest.mark.parametrize(
    ("text", "topic", "language"),
    [
        ("غرامت بیماری", "sickness_pay", "fa"),
        ("سلام، غرامت بيماري چیست؟", "sickness_pay", "fa"),
        ("بازپرداخت", "reimbursement", "fa"),
        ("کارگزاری‌ها", "brokers", "fa"),
        ("Sickness pay", "sickness_pay", "en"),
        ("SICKNESS PAY please", "sickness_pay", "en"),
        ("gharamate bimari", "sickness_pay", "fa-latn"),
        ("Kargozari-ha", "brokers", "fa-latn"),
    ],
)
def test_a_service_is_named(server: RunningRedis, text: str, topic: str, language: str) -> None:
    """By its title, or by a part of it that no other has, in any of the languages."""

    async def test(line: Line) -> None:
        wanted = TOPICS[topic][language].sms
        async with running(line.sms()) as service:
            await service.received("mci", sms(text))
            await line.counted.has("replied")
        messages = [message for _, message in line.network.taken]
        if len(messages) == 1:
            assert text_of(messages[0]) == wanted
            return
        heads = [message.short_message[:HEADER] for message in messages]
        assert [head[5] for head in heads] == list(range(1, len(messages) + 1))
        assert {(head[3], head[4]) for head in heads} == {(heads[0][3], len(messages))}
        assert all(message.esm_class & UDHI for message in messages)
        octets = b"".join(message.short_message[HEADER:] for message in messages)
        assert octets.decode("utf-16-be") == wanted
        assert await line.waiting() == (0, 0)

    with_line(server, test)


@pytest.mark.parametrize("text", ["خدمات", "بیمه", "غرامت", "x", "راهنما", "غرامت " * 20])
def test_no_service_is_named(server: RunningRedis, text: str) -> None:
    """What is no name, or half the name of several, is answered with how to ask."""
    help_texts = {language.phrases["sms_help"].text for language in PHRASES.values()}

    async def test(line: Line) -> None:
        async with running(line.sms()) as service:
            await service.received("mci", sms(text))
            (shown,) = await line.network.has(1)
            assert shown in help_texts

    with_line(server, test)


def test_a_part_that_is_put_off_is_sent_alone(server: RunningRedis) -> None:
    """Where the network takes one part and not yet the next, only the next is sent again."""

    async def test(line: Line) -> None:
        line.network.answers = [0, Status.THROTTLED, Status.THROTTLED, 0]
        async with running(line.sms()) as service:
            await service.received("mci", sms("غرامت بیماری", Address("989121234567", 1, 1)))
            await line.counted.has("replied")
        numbers = [message.short_message[5] for _, message in line.network.taken]
        assert numbers == [1, 2]
        assert line.network.tried == 4

    with_line(server, test)


def test_what_is_about_something_is_short() -> None:
    """A long text names no service, and is not looked at closely."""
    asked = read("غرامت " * 30)
    assert isinstance(asked, Help)
    assert asked.about == ""
    named = read(" غرامت  بيماري ")
    assert isinstance(named, Help)
    assert named.about == "غرامت بیماری"
    assert "غرامت" not in repr(named)
