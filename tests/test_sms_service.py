"""SMS from end to end: a text in, one text back, through a real Redis."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.errors import ConfigError
from config.sms_settings import Numbering
from eligibility.ledger import Kept
from eligibility.verdict import Outcome
from smpp.errors import Busy, LocalProtocolError, NotBound
from smpp.pdu import Address, ShortMessage, Status, Tag
from state.errors import ReplyError
from state.keyed_hash import KeyedHash
from telecom.channel import Channel
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import (
    BROKEN,
    CODE,
    COVERED,
    NOT_COVERED,
    NOT_FOUND,
    OVER,
    PENDING,
    PHRASES,
    UNTIL,
)
from tests.sms_line import LINE, LONG, PATIENCE, PERSON, Line, parts_of, running, sms, with_line

ASKER = KeyedHash(b"h" * 32).of("asker", PERSON.digits)
OTHER_CODE = "10000000003"


def kept(code: str, asker: str, outcome: Outcome = Outcome.COVERED, **facts: object) -> Kept:
    """What the ledger has of a code that was told at noon."""
    at = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    fields: dict[str, object] = {
        "code": code,
        "asker": asker,
        "channel": Channel.SMS,
        "outcome": outcome,
        "stale": False,
        "valid_until": None,
        "not_covered_since": None,
        "generation": 1,
        "first_at": at,
        "last_at": at,
        "times": 1,
        **facts,
    }
    return Kept(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (COVERED, f"اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: {CODE}"),
        ("کد ملی ۰۰۱ ۲۳۴ ۵۶۷۹ لطفاً", f"اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است.\nکد پیگیری: {CODE}"),
        (f"ID {COVERED}", f"until 1405/12/29.\nTracking code: {CODE}"),
        (NOT_COVERED, f"اعتبار درمان از ۱۴۰۵/۱۲/۲۹ برقرار نیست.\nتماس: 1420\nکد {CODE}"),
        (PENDING, "۴۸ ساعت دیگر بپرسید"),
        (NOT_FOUND, "پیدا نشد"),
        (BROKEN, f"اکنون پاسخ ممکن نیست؛ لطفاً کمی بعد بپرسید.\nکد پیگیری: {CODE}"),
        (OVER, "۲ دقیقه دیگر"),
        ("12345679", "صفرهای اول"),
        ("0012345670", "این کد ملی درست نیست"),
        ("1234567", "تعداد رقم‌ها درست نیست"),
        (f"{COVERED} {NOT_COVERED}", "فقط یک کد ملی"),
        ("سلام", "کد ملی ۱۰ رقمی، کد پیگیری"),
        ("", "کد ملی ۱۰ رقمی، کد پیگیری"),
        ("help", "Please send a 10-digit national ID"),
        ("48305172607", "این کد پیگیری پیدا نشد"),
    ],
)
def test_a_text_is_answered_by_one_text(server: RunningRedis, text: str, says: str) -> None:
    """Each of the outcomes, and everything else people write, is answered in one message."""

    async def test(line: Line) -> None:
        async with running(line.sms()) as service:
            assert await service.received("mci", sms(text)) == Status.OK
            (shown,) = await line.network.has(1)
            assert says in shown
            ((operator, message),) = line.network.taken
            assert operator == "mci"
            assert (message.source, message.destination) == (LINE, PERSON)
            assert message.validity_period == "000000001000000R"
            assert message.esm_class == 0
            assert len(message.short_message) <= (140 if message.data_coding == 8 else 160)
            await line.counted.has("replied")
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_the_asker_is_the_one_of_every_channel(server: RunningRedis) -> None:
    """However the operator writes a number, the person is the same, by USSD too."""

    async def test(line: Line) -> None:
        async with running(line.sms()) as service:
            for source in (PERSON, Address("09121234567", 0, 1), Address("+989121234567", 1, 1)):
                await service.received("mci", sms(COVERED, source))
            await line.network.has(3)
            assert {asker.token for _, asker, _ in line.inquiries.asked} == {ASKER}
            assert {channel for _, _, channel in line.inquiries.asked} == {Channel.SMS}

    with_line(server, test)


def test_a_tracking_code(server: RunningRedis) -> None:
    """Who was given a code hears what was told; others only that it was answered, and when."""

    async def test(line: Line) -> None:
        line.inquiries.kept[CODE] = kept(CODE, ASKER, valid_until=UNTIL)
        line.inquiries.kept[OTHER_CODE] = kept(OTHER_CODE, "somebody", valid_until=UNTIL)
        async with running(line.sms()) as service:
            for number, (code, says) in enumerate(
                [
                    (CODE, "پاسخ ۱۴۰۵/۰۸/۳۰: اعتبار درمان تا ۱۴۰۵/۱۲/۲۹ برقرار است."),
                    (OTHER_CODE, "به این پرسش در ۱۴۰۵/۰۸/۳۰ پاسخ داده شده است. راهنمایی: 1420"),
                    ("98765432105", "این کد پیگیری پیدا نشد. کد ملی ۱۰ رقم دارد. راهنمایی: 1420"),
                ],
                start=1,
            ):
                await service.received("mci", sms(code))
                assert (await line.network.has(number))[-1] == says
            line.inquiries.away = True
            await service.received("mci", sms(f"کد {CODE}"))
            assert "اکنون پیگیری ممکن نیست" in (await line.network.has(4))[-1]

    with_line(server, test)


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.INVALID_ID])
def test_what_was_told_can_be_told_again(server: RunningRedis, outcome: Outcome) -> None:
    """Every outcome has its sentence when its code is asked about."""

    async def test(line: Line) -> None:
        line.inquiries.kept[CODE] = kept(CODE, ASKER, outcome)
        async with running(line.sms()) as service:
            await service.received("mci", sms(CODE))
            (shown,) = await line.network.has(1)
            assert "۱۴۰۵/۰۸/۳۰" in shown
            assert "به این پرسش" not in shown

    with_line(server, test)


def test_a_receipt_is_no_message(server: RunningRedis) -> None:
    """A receipt's digits look like an ID; it is counted, and nobody is answered."""

    async def test(line: Line) -> None:
        text = f"id:{COVERED} sub:001 dlvrd:001 stat:DELIVRD err:000 text:{COVERED}".encode()
        async with running(line.sms()) as service:
            for esm_class in (0x04, 0x44, 0x08, 0x20):
                receipt = ShortMessage(PERSON, LINE, text, esm_class=esm_class)
                assert await service.received("mci", receipt) == Status.OK
            state = ((Tag.MESSAGE_STATE, b"\x05"),)
            await service.received("mci", ShortMessage(PERSON, LINE, esm_class=4, tlvs=state))
            assert await line.waiting() == (0, 0)
        assert line.counted.counts == {"in receipt_delivered": 4, "in receipt_undeliverable": 1}
        assert line.network.taken == []

    with_line(server, test)


def test_an_unreadable_text_gets_help(server: RunningRedis) -> None:
    """What no table of characters can read is answered by how to ask."""

    async def test(line: Line) -> None:
        broken = [
            ShortMessage(PERSON, LINE, b"\xd8\x00\x00", data_coding=8),
            ShortMessage(PERSON, LINE, b"\xff\xfe\xfd", data_coding=0),
            ShortMessage(PERSON, LINE, b"MMS", data_coding=4),
        ]
        async with running(line.sms()) as service:
            for message in broken:
                assert await service.received("mci", message) == Status.OK
            for shown in await line.network.has(3):
                assert "کد ملی ۱۰ رقمی، کد پیگیری" in shown

    with_line(server, test)


def test_a_machine_is_not_answered(server: RunningRedis) -> None:
    """A sender without a telephone number cannot be caught in an endless exchange."""

    async def test(line: Line) -> None:
        async with running(line.sms()) as service:
            for source in (Address("BANK", 5, 0), Address("10001420", 3, 0), Address("")):
                assert await service.received("mci", sms(COVERED, source)) == Status.OK
            await line.counted.has("in not_a_subscriber", 3)
        assert line.network.tried == 0
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_each_operator_has_its_own_way(server: RunningRedis) -> None:
    """A reply leaves by the operator of its question, with that operator's TON and NPI."""

    async def test(line: Line) -> None:
        numbering = {"irancell": Numbering(6, 0, 1, 1)}
        service = line.sms(operators=("mci", "irancell"), numbering=numbering)
        async with running(service):
            await service.received("irancell", sms(COVERED, replace(PERSON, ton=2)))
            await line.network.has(1)
            await service.received("mci", sms(COVERED, replace(PERSON, ton=2)))
            await line.network.has(2)
        (first, message), (second, other) = line.network.taken
        assert (first, second) == ("irancell", "mci")
        assert (message.source, message.destination) == (replace(LINE, ton=6), PERSON)
        assert (other.source, other.destination) == (LINE, replace(PERSON, ton=2))

    with_line(server, test)


def test_a_redelivery_is_not_a_second_question(server: RunningRedis) -> None:
    """What the SMSC repeats within a minute is acknowledged and answered once."""

    async def test(line: Line) -> None:
        async with running(line.sms(redelivery_window=60)) as service:
            for _ in range(3):
                assert await service.received("mci", sms(COVERED)) == Status.OK
            await service.received("mci", sms(NOT_COVERED))
            await service.received("mci", sms(COVERED, Address("989121234568", 1, 1)))
            await line.network.has(3)
            await line.counted.has("in again", 2)
        assert len(line.network.taken) == 3

    with_line(server, test)


def test_a_full_inbox_refuses(server: RunningRedis) -> None:
    """Over the bound the SMSC keeps the message; nothing that was acknowledged is pushed out."""

    async def test(line: Line) -> None:
        service = line.sms(inbox_limit=2)
        texts = [COVERED, NOT_COVERED, PENDING]
        said = [await service.received("mci", sms(text)) for text in texts]
        assert said == [Status.OK, Status.OK, Status.QUEUE_FULL]
        async with running(service):
            await line.network.has(2)
            assert await service.received("mci", sms(PENDING)) == Status.OK
            await line.network.has(3)

    with_line(server, test)


def test_a_full_outbox_holds_the_answers_back(server: RunningRedis) -> None:
    """While replies cannot leave, questions wait; all are answered when they can."""

    async def test(line: Line) -> None:
        line.network.answers = [Status.THROTTLED] * 40
        async with running(line.sms(outbox_limit=1)) as service:
            people = [Address(f"98912123450{n}", 1, 1) for n in range(5)]
            for person in people:
                assert await service.received("mci", sms(COVERED, person)) == Status.OK
            await line.network.has(5)
        assert {message.destination for _, message in line.network.taken} == set(people)
        assert len(line.network.taken) == 5

    with_line(server, test)


@pytest.mark.parametrize(
    ("answers", "tried", "counted"),
    [
        ([Status.THROTTLED, Status.QUEUE_FULL, 0], 3, "out throttled"),
        ([Busy("full"), 0], 2, "out busy"),
        ([NotBound("away"), NotBound("away"), 0], 3, "out not_bound"),
        ([None, 0], 2, "out again"),
        ([Status.SYSTEM_ERROR, 0], 2, "out again"),
        ([0x400, 0x45, 0], 3, "out again"),
    ],
)
def test_what_may_pass_is_sent_again(
    server: RunningRedis, answers: list[int | Exception | None], tried: int, counted: str
) -> None:
    """Throttling, a lost link, a lost answer: the reply arrives a little later."""

    async def test(line: Line) -> None:
        line.network.answers = list(answers)
        async with running(line.sms()) as service:
            await service.received("mci", sms(COVERED))
            await line.network.has(1)
            await line.counted.has("out submitted")
        assert line.network.tried == tried
        assert line.counted.counts[counted]
        assert await line.waiting() == (0, 0)
        assert all(pause >= 0.5 for pause in line.pauses)

    with_line(server, test)


@pytest.mark.parametrize(
    ("answers", "tried", "counted"),
    [
        ([Status.INVALID_DESTINATION], 1, "out refused"),
        ([0xC1], 1, "out refused"),
        ([None] * 3, 3, "out unanswered"),
        ([0x45] * 3, 3, "out refused"),
        ([LocalProtocolError("too long")], 1, "out unsendable"),
    ],
)
def test_what_will_not_pass_is_let_go(
    server: RunningRedis, answers: list[int | Exception | None], tried: int, counted: str
) -> None:
    """A reply that the network will never take is counted and does not come back."""

    async def test(line: Line) -> None:
        line.network.answers = list(answers)
        async with running(line.sms()) as service:
            await service.received("mci", sms(COVERED))
            await line.counted.has(counted)
        assert line.network.tried == tried
        assert line.network.taken == []
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_a_long_outage_of_the_link_loses_no_reply(server: RunningRedis) -> None:
    """A reply that found no link for long is left to others, and sent when there is one."""

    async def test(line: Line) -> None:
        line.network.answers = [NotBound("away")] * 15
        async with running(line.sms()) as service:
            await service.received("mci", sms(COVERED))
            await line.network.has(1)
            await line.counted.has("out submitted")
        assert line.network.tried == 16
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_our_own_bug_is_answered_too(server: RunningRedis) -> None:
    """Where the inquiry itself breaks, the person still gets a true sentence."""

    async def test(line: Line) -> None:
        line.inquiries.broken = True
        async with running(line.sms()) as service:
            await service.received("mci", sms(COVERED))
            (shown,) = await line.network.has(1)
            assert "سامانه اکنون پاسخگو نیست" in shown

    with_line(server, test)


def test_nothing_in_redis_can_be_read(server: RunningRedis) -> None:
    """A number or a text in Redis is sealed or hashed: who copies its files learns nothing."""

    async def test(line: Line) -> None:
        line.network.answers = [None] * 10
        service = line.sms(operators=("mci",))
        await service.received("mci", sms(f"کد ملی {COVERED}"))
        await service.received("mci", parts_of(LONG, 7)[0])
        await service.received("mci", sms("۰۰۱۲۳۴۵۶۷۹"))
        seen = []
        for key in await line.redis.send("KEYS", "*"):
            seen += [key, await line.redis.send("DUMP", key)]
        for digits in (COVERED, "۰۰۱۲۳۴۵۶۷۹", PERSON.digits, PERSON.digits[3:], CODE):
            for spelt in (digits.encode(), digits.encode("utf-16-be"), digits.encode("utf-16-le")):
                assert not [item for item in seen if spelt in item]
        assert len(seen) > 8

    with_line(server, test)


def test_another_installations_messages_are_not_answered_wrongly(server: RunningRedis) -> None:
    """What cannot be opened is left for a process with the right key, and is not lost."""

    async def test(line: Line) -> None:
        service = line.sms()
        await service.received("mci", sms(COVERED))
        async with running(line.sms(key=b"x" * 32)):
            pending: list[object] = []
            async with asyncio.timeout(PATIENCE):
                while not pending:
                    with suppress(ReplyError):  # no group yet
                        pending = await line.redis.send(
                            "XPENDING", "sms:{mci}:in", "dargah", "-", "+", 1
                        )
        assert await line.waiting() == (1, 0)
        async with running(line.sms()):
            await line.network.has(1)

    with_line(server, test)


def test_a_draining_service_takes_nothing_new(server: RunningRedis) -> None:
    """A stop finishes what is at hand and leaves new messages with the SMSC."""

    async def test(line: Line) -> None:
        service = line.sms()
        service.start()
        await service.received("mci", sms(COVERED))
        await line.network.has(1)
        assert await service.drain(5.0) == 0
        assert await service.received("mci", sms(NOT_COVERED)) == Status.RX_TEMPORARY
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_phrases_without_the_words_for_sms(server: RunningRedis) -> None:
    """A gateway whose phrases lack a text for SMS says so, and does not start SMS."""

    async def test(line: Line) -> None:
        fa = PHRASES["fa"]
        fewer = {key: text for key, text in fa.phrases.items() if key != "sms_help"}
        with pytest.raises(ConfigError, match='lacks "sms_help"'):
            line.sms(phrases={**PHRASES, "fa": replace(fa, phrases=fewer)})

    with_line(server, test)
