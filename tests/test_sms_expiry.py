"""An old verdict is never sent as a new one; what breaks us is let go in the end."""

import asyncio

import pytest

from smpp.errors import Busy, NotBound
from smpp.pdu import Address, ShortMessage, Status
from sms import answering
from state.errors import Unavailable
from tests.redis_server import RunningRedis
from tests.scripted_inquirer import COVERED
from tests.sms_line import PATIENCE, Line, running, sms, with_line

MINUTE = 60.0


async def put_by(line: Line) -> None:
    """A question is answered by a process that dies before it sends the reply."""
    first = line.sms()
    operator = first._operators["mci"]
    operator.answering.start()
    assert await first.received("mci", sms(COVERED)) == Status.OK
    await line.counted.has("in answered")
    await operator.answering.finish(asyncio.get_running_loop().time() + PATIENCE)
    assert await line.waiting() == (0, 1)


@pytest.mark.parametrize(
    ("waited", "validity"),
    [(0, "000000001000000R"), (61, "000000000859000R"), (599, "000000000001000R")],
)
def test_a_reply_is_valid_for_what_remains(
    server: RunningRedis, waited: float, validity: str
) -> None:
    """However long a reply waited here, the network gets the rest of its ten minutes alone."""

    async def test(line: Line) -> None:
        await put_by(line)
        line.later(waited)
        async with running(line.sms()):
            await line.network.has(1)
        ((_, message),) = line.network.taken
        assert message.validity_period == validity

    with_line(server, test)


def test_a_clock_that_was_set_back_gives_no_longer_validity(server: RunningRedis) -> None:
    """A reply from the future, by our clock, is valid for ten minutes and not for more."""

    async def test(line: Line) -> None:
        await put_by(line)
        line.later(-3600)
        async with running(line.sms()):
            await line.network.has(1)
        assert line.network.taken[0][1].validity_period == "000000001000000R"

    with_line(server, test)


def test_a_reply_from_before_an_outage_is_not_sent(
    server: RunningRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reply older than its validity is dropped and counted; its number is not written down."""

    async def test(line: Line) -> None:
        await put_by(line)
        line.later(10 * MINUTE)
        async with running(line.sms()):
            await line.counted.has("out expired")
            assert await line.waiting() == (0, 0)
        assert line.network.tried == 0

    with_line(server, test)
    said = capsys.readouterr()
    assert "sms_expired" in said.out + said.err
    assert "9121234567" not in said.out + said.err


@pytest.mark.parametrize(
    "said", [NotBound("no bind"), Busy("full"), int(Status.THROTTLED), int(Status.QUEUE_FULL), None]
)
def test_a_reply_that_is_put_off_too_long_is_dropped(
    server: RunningRedis, said: int | Exception | None
) -> None:
    """Without a bind, or throttled, a reply is tried again until it is old, and then no more."""

    async def test(line: Line) -> None:
        await put_by(line)
        line.network.answers = [said] * 1000
        submit = line.network.submit

        def later(operator: str, message: ShortMessage):  # type: ignore[no-untyped-def]
            line.later(4 * MINUTE)
            return submit(operator, message)

        line.network.submit = later  # type: ignore[method-assign]
        async with running(line.sms(resend=5)):
            await line.counted.has("out expired")
            assert await line.waiting() == (0, 0)
        assert line.network.tried == 3
        assert line.network.taken == []

    with_line(server, test)


def test_a_text_that_breaks_us_is_apologised_for_once(
    server: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that breaks the reading of texts gets an apology in the end, and comes no more."""

    def broken(_: str) -> object:
        raise RuntimeError(COVERED)

    monkeypatch.setattr(answering, "read", broken)

    async def test(line: Line) -> None:
        async with running(line.sms(claim_after=0.1)) as service:
            assert await service.received("mci", sms(COVERED)) == Status.OK
            (shown,) = await line.network.has(1)
            await line.counted.has("in failed")
            await line.counted.has("out submitted")
            assert await line.waiting() == (0, 0)
        assert "پاسخگو نیست" in shown
        assert line.inquiries.asked == []

    with_line(server, test)


def test_who_cannot_even_be_read_gets_nothing(
    server: RunningRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sender itself breaks us, the message is taken off and counted."""

    def broken(_: object, source: Address) -> object:
        raise RuntimeError(source.digits)

    monkeypatch.setattr(answering.Answering, "_asker", broken)

    async def test(line: Line) -> None:
        async with running(line.sms(claim_after=0.1)) as service:
            assert await service.received("mci", sms(COVERED)) == Status.OK
            await line.counted.has("in failed")
            assert await line.waiting() == (0, 0)
        assert line.network.tried == 0

    with_line(server, test)


def test_a_reply_that_breaks_us_is_a_dead_letter(server: RunningRedis) -> None:
    """A reply that cannot be sent for a bug of ours is let go after a few tries."""

    async def test(line: Line) -> None:
        line.network.answers = [RuntimeError(COVERED)] * 100
        async with running(line.sms(claim_after=0.1)) as service:
            assert await service.received("mci", sms(COVERED)) == Status.OK
            await line.counted.has("out failed")
            assert await line.waiting() == (0, 0)
        assert line.network.tried == 5

    with_line(server, test)


def test_a_bug_does_not_end_the_sweeping(
    server: RunningRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a bug, long messages whose parts are missing are still looked after."""

    async def test(line: Line) -> None:
        swept = asyncio.Event()
        left: list[Exception] = [Unavailable("away"), RuntimeError(COVERED)]

        async def sweep() -> None:
            if left:
                raise left.pop()
            swept.set()

        service = line.sms(parts_wait=0.01)
        service._operators["mci"].inbox.sweep = sweep  # type: ignore[method-assign,assignment]
        async with running(service), asyncio.timeout(PATIENCE):
            await swept.wait()

    with_line(server, test)
    said = capsys.readouterr()
    assert COVERED not in said.out + said.err
