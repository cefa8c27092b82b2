"""A file that was cut short, or has far fewer people than answer now, replaces nobody."""

import gzip

import pytest

from eligibility.generation import Alarm
from eligibility.generations import Generations
from eligibility.load import LoadOptions
from eligibility.load_errors import LoadRefused
from state.link import Redis
from tests.loading import NOW, covered, csv_of, line, load_text, national, verdict_on, with_redis
from tests.redis_server import RunningRedis

CUT = [
    csv_of(covered(200)).encode()[:-40],  # inside a row
    csv_of(covered(200)).encode()[:-5],  # inside the last field: 2026-11-01T08:00:00+0
    csv_of([*covered(200), line(national(500), kind='"main')]).encode()[:-30],  # inside quotes
    gzip.compress(csv_of(covered(200)).encode()[:-40]),
    csv_of(covered(200)).encode("utf-16")[:-80],
]


@pytest.mark.parametrize("content", CUT)
def test_cut_short(server: RunningRedis, content: bytes) -> None:
    """A file that ends inside a row was cut short, and replaces nobody."""

    async def play(link: Redis) -> None:
        await load_text(link, csv_of([line(national(1), branch="77")]))
        generous = LoadOptions(max_reject_share=1.0, as_of=NOW)
        with pytest.raises(LoadRefused, match=r"ends in the middle of row 20[12]: it was cut"):
            await load_text(link, content, generous)
        assert (await verdict_on(link, national(1))).branch == 77

    with_redis(server, play)


def test_no_last_line_end(server: RunningRedis) -> None:
    """A whole last row without a line end is loaded; a bad row elsewhere cuts nothing short."""
    lines = [line(national(900), kind='"main'), line("1234567890"), *covered(300)]

    async def play(link: Redis) -> None:
        options = LoadOptions(max_reject_share=0.02, as_of=NOW)
        loaded, _ = await load_text(link, csv_of(lines)[:-1], options)
        assert (loaded.generation.people, loaded.generation.rejected) == (300, 2)
        near = [*covered(300), line(national(900), kind='"main'), *covered(3, first=1000)]
        loaded, _ = await load_text(link, csv_of(near)[:-1], options)
        assert (loaded.generation.people, loaded.generation.rejected) == (303, 1)

    with_redis(server, play)


def test_far_fewer_people(server: RunningRedis) -> None:
    """A file with far fewer people than answer now is loaded when the operator accepts that."""
    fewer = csv_of(covered(89))

    async def play(link: Redis) -> None:
        await load_text(link, csv_of(covered(100)))
        with pytest.raises(LoadRefused, match=r"at most 89 people .* has 100: .*--accept"):
            await load_text(link, fewer)
        # As many rows as before, but half of them about somebody who is there already.
        with pytest.raises(LoadRefused, match=r"has 89 people where generation 1, .* has 100"):
            await load_text(link, csv_of(covered(89) * 2))
        generations = Generations(link, link)
        assert [one.number for one in await generations.known()] == [1]
        accepted = (await load_text(link, fewer, LoadOptions(accept=True, as_of=NOW)))[0]
        assert [one.accepted for one in await generations.known()] == [False, True]
        assert accepted.generation.accepted
        assert accepted.generation.alarms == (Alarm.FEWER_PEOPLE,)
        both = LoadOptions(accept=True, as_of=NOW, max_changed_share=0.05)
        loaded = (await load_text(link, csv_of(covered(20, first=500)), both))[0]
        assert loaded.generation.alarms == (Alarm.FEWER_PEOPLE, Alarm.MORE_CHANGES)
        await load_text(link, fewer)
        # Ten of a hundred may be gone, from a hundred people as from ten or one.
        assert not (await load_text(link, csv_of(covered(81))))[0].generation.accepted
        for share, number in ((0.29, 71), (0.5, 36), (1.0, 1), (0.1, 1)):
            if number == 71:
                await load_text(link, csv_of(covered(100)))
            options = LoadOptions(max_shrink_share=share, as_of=NOW)
            loaded = (await load_text(link, csv_of(covered(number)), options))[0]
            assert (loaded.generation.people, loaded.generation.accepted) == (number, False)
        await load_text(link, csv_of(covered(2)))
        with pytest.raises(LoadRefused, match="at most 1 people"):
            await load_text(link, csv_of(covered(1)))

    with_redis(server, play)
