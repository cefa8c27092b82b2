"""Where a recall cannot be sure, it says so, and nobody is found wrong by a fault of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from eligibility.buckets import WHOLE
from eligibility.generations import Generations
from eligibility.recall import Refused
from eligibility.recall_sql import Question
from state.commands import Arg, Commands, Reply, Script
from state.errors import Unavailable
from tests.journal_bed import ALI
from tests.journal_place import in_sqlite
from tests.loading import line, national
from tests.recall_office import ONE, Office, with_office
from tests.redis_server import FailsAt, RunningRedis


def test_by_a_fault_of_ours_nobody_is_found_wrong(server: RunningRedis, tmp_path: Path) -> None:
    """Where a look at the people fails, or a bucket is not whole, the recall says nothing."""

    async def test(office: Office) -> None:
        await office.load(*(line(national(n)) for n in range(1, 400)))
        for n in range(1, 20):
            await office.ask(ALI, national(n))
        await office.load(*(line(national(n)) for n in range(1, 400)))
        question = Question(generation=1)
        for n in range(1, 20):
            failing = FailsAt(office.bed.redis, n)
            try:
                assert await office.recall(question, failing) == []
            except (Unavailable, Refused):
                assert failing.tripped
                continue
            assert not failing.tripped
            assert n > 5
            break
        current = await Generations(office.bed.redis, office.bed.redis).current()
        assert current is not None
        key = next(iter(current.layout.bucket_keys()))
        await office.bed.redis.send("HDEL", key, WHOLE)
        with pytest.raises(Refused, match="not whole"):
            await office.recall(question)
        await office.bed.redis.send("DEL", key)
        with pytest.raises(Refused, match="not whole"):
            await office.recall(question)

    with_office(server, in_sqlite(tmp_path), test)


class Interrupted:
    """Commands, and a load that comes to its end after so many of them."""

    def __init__(self, commands: Commands, after: int, load: Callable[[], Awaitable[None]]) -> None:
        self._commands = commands
        self._after = after
        self._load = load

    def send(self, *args: Arg) -> "asyncio.Future[Reply]":
        """As Commands.send."""
        self._after -= 1
        if self._after:
            return self._commands.send(*args)

        async def late() -> Reply:
            await self._load()
            return await self._commands.send(*args)

        return asyncio.ensure_future(late())

    async def script(self, script: Script, keys: Sequence[bytes | str], *args: Arg) -> Reply:
        """As Commands.script."""
        return await self._commands.script(script, keys, *args)


def test_a_generation_that_changes_on_the_way_ends_the_recall(
    server: RunningRedis, tmp_path: Path
) -> None:
    """Half of one export and half of another say nothing."""

    async def test(office: Office) -> None:
        rows = [line(national(n)) for n in range(1, 400)]
        await office.load(*rows)
        await office.ask(ALI, ONE)
        await office.load(*rows)
        commands = Interrupted(office.bed.redis, 3, lambda: office.load(*rows))
        with pytest.raises(Refused, match="recall again"):
            await office.recall(Question(generation=1), commands)

    with_office(server, in_sqlite(tmp_path), test)


def test_data_that_are_too_old_correct_nobody(server: RunningRedis, tmp_path: Path) -> None:
    """Where the export is too old to be told, it is too old to correct by."""

    async def test(office: Office) -> None:
        with pytest.raises(Refused, match="No generation is loaded"):
            await office.recall(Question(generation=1))
        await office.load(line(ONE))
        office.bed.now += timedelta(days=31)
        with pytest.raises(Refused, match="too old"):
            await office.recall(Question(generation=1))

    with_office(server, in_sqlite(tmp_path), test)
