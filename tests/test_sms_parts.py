"""Long messages: parts that are joined, kept, awaited and bounded, through a real Redis."""

import pytest

from smpp.pdu import ShortMessage, Status, Tag
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import (
    COVERED,
    NOT_COVERED,
)
from tests.sms_line import LONG, Line, parts_of, running, sms, with_line


def sar_parts(text: str, reference: int) -> list[ShortMessage]:
    """The same by sar parameters."""
    pieces = [text[:60], text[60:]]
    return [
        sms(
            piece,
            tlvs=(
                (Tag.SAR_MSG_REF_NUM, reference.to_bytes(2)),
                (Tag.SAR_TOTAL_SEGMENTS, bytes([len(pieces)])),
                (Tag.SAR_SEGMENT_SEQNUM, bytes([number])),
            ),
        )
        for number, piece in enumerate(pieces, start=1)
    ]


@pytest.mark.parametrize(
    "parts",
    [
        parts_of(LONG, 7),
        parts_of(LONG, 7)[::-1],
        parts_of(LONG, 4711, wide=True),
        sar_parts(LONG, 4711)[::-1],
        [part for part in parts_of(LONG, 7) for _ in range(2)],
    ],
)
def test_a_long_message_is_one(server: RunningRedis, parts: list[ShortMessage]) -> None:
    """Parts in any order, and repeated ones, are one question with one answer."""

    async def test(line: Line) -> None:
        async with running(line.sms()) as service:
            for part in parts:
                assert await service.received("mci", part) == Status.OK
            (shown,) = await line.network.has(1)
            assert "۱۴۰۵/۱۲/۲۹" in shown
            # The SMSC missed our answers, and delivers all of it again.
            for part in parts:
                assert await service.received("mci", part) == Status.OK
        assert len(line.inquiries.asked) == 1
        assert await line.waiting() == (0, 0)

    with_line(server, test)


def test_parts_survive_the_process_that_took_them(server: RunningRedis) -> None:
    """The first part went to one process, the second to another: one answer."""

    async def test(line: Line) -> None:
        first, second = parts_of(LONG, 7)
        gone = line.sms()
        assert await gone.received("mci", first) == Status.OK
        async with running(line.sms()) as service:
            assert await service.received("mci", second) == Status.OK
            (shown,) = await line.network.has(1)
            assert "۱۴۰۵/۱۲/۲۹" in shown

    with_line(server, test)


def test_a_message_without_its_other_part(server: RunningRedis) -> None:
    """After five minutes what there is counts alone: with an ID it is answered, without not."""

    async def test(line: Line) -> None:
        with_id = parts_of(f"{COVERED} {'و لطفاً سریع پاسخ دهید ' * 5}", 1)[0]
        without = parts_of(LONG, 2)[0]
        reused = parts_of(f"{NOT_COVERED} {'و لطفاً سریع پاسخ دهید ' * 5}", 1)[0]
        service = line.sms()
        for part in (with_id, without):
            assert await service.received("mci", part) == Status.OK
        inbox = service._operators["mci"].inbox
        line.later(299)
        assert await inbox.sweep() == 0
        line.later(2)
        assert await inbox.sweep() == 2
        assert await inbox.sweep() == 0
        async with running(service):
            (shown,) = await line.network.has(1)
            assert "۱۴۰۵/۱۲/۲۹" in shown
            await line.counted.has("in incomplete")
            # The phone has counted its references round: this is another message.
            await service.received("mci", reused)
            await service.received("mci", with_id)
            assert "از ۱۴۰۵/۱۲/۲۹ برقرار نیست" in (await line.network.has(2))[-1]

    with_line(server, test)


def test_parts_have_a_bound(server: RunningRedis) -> None:
    """Who sends only first parts fills a bound, and is told to come again."""

    async def test(line: Line) -> None:
        service = line.sms(parts_limit=2)
        firsts = [parts_of(LONG, reference)[0] for reference in range(3)]
        said = [await service.received("mci", part) for part in firsts]
        assert said == [Status.OK, Status.OK, Status.QUEUE_FULL]

    with_line(server, test)
