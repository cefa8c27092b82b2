"""Tasks started from callbacks."""

import asyncio

import pytest
import structlog
from twisted.internet.defer import Deferred

from dargah.bridge import Tasks, answered, settled

CANARY = "0012345679"


async def never() -> str:
    """Work that does not end by itself."""
    await asyncio.Event().wait()
    raise AssertionError


def test_an_answer_in_time_is_the_answer() -> None:
    """What is done in time is passed on, and nothing is logged."""

    async def work() -> str:
        return "yes"

    with structlog.testing.capture_logs() as logs:
        assert asyncio.run(answered(work(), 5.0, "sorry", "ussd")) == "yes"
    assert logs == []


def test_a_late_answer_is_replaced() -> None:
    """What takes too long is given up, and said so once."""
    with structlog.testing.capture_logs() as logs:
        assert asyncio.run(answered(never(), 0.0, "sorry", "ussd")) == "sorry"
    assert [(line["event"], line["route"]) for line in logs] == [("request_late", "ussd")]


@pytest.mark.parametrize("fault", [ValueError(CANARY), TimeoutError(CANARY), KeyError(CANARY)])
def test_a_fault_is_replaced_and_logged_without_its_text(fault: Exception) -> None:
    """What breaks is logged once, by type and place: its text may quote an ID."""

    async def work() -> str:
        raise fault

    with structlog.testing.capture_logs() as logs:
        assert asyncio.run(answered(work(), 5.0, "sorry", "ussd")) == "sorry"
    assert [(line["event"], line["error"]) for line in logs] == [
        ("request_failed", type(fault).__name__)
    ]
    assert CANARY not in repr(logs)
    assert "work:" in logs[0]["where"]


def test_cancellation_is_no_fault() -> None:
    """Work that is called off is not answered for."""

    async def main() -> None:
        task = asyncio.ensure_future(answered(never(), 60.0, "sorry", "ussd"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with structlog.testing.capture_logs() as logs:
        asyncio.run(main())
    assert logs == []


def test_what_escapes_a_task_is_logged_once() -> None:
    """A task that nobody awaits does not fail in silence."""

    async def broken() -> None:
        raise ValueError(CANARY)

    async def main() -> None:
        tasks = Tasks()
        tasks.start(broken())
        assert len(tasks) == 1
        assert await tasks.finish(5.0) == 0
        assert len(tasks) == 0

    with structlog.testing.capture_logs() as logs:
        asyncio.run(main())
    assert [line["event"] for line in logs] == ["task_failed"]
    assert CANARY not in repr(logs)


def test_finishing_waits_for_some_and_cancels_the_rest() -> None:
    """At the end, what can finish does; what can't is called off and counted."""
    ended = []

    async def main() -> None:
        tasks = Tasks()
        let_go = asyncio.Event()

        async def patient() -> None:
            await let_go.wait()
            ended.append("patient")

        async def endless() -> None:
            try:
                await never()
            finally:
                ended.append("endless")

        tasks.start(patient())
        tasks.start(endless())
        asyncio.get_running_loop().call_soon(let_go.set)
        assert await tasks.finish(0.05) == 1
        assert len(tasks) == 0
        assert await tasks.finish(0.05) == 0

    asyncio.run(main())
    assert ended == ["patient", "endless"]


def test_a_deferred_is_awaited_as_asyncio_awaits() -> None:
    """Twisted's later answers and its immediate ones read the same above the edge."""

    async def main() -> None:
        later: Deferred[str] = Deferred()
        asyncio.get_running_loop().call_soon(later.callback, "later")
        assert await settled(later) == "later"
        assert await settled("now") == "now"

    asyncio.run(main())
