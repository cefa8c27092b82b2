"""
Changes onto the people: into the generation that answers, and into the one before.

    pointer ─▶ write into both ─▶ pointer again ─▶ the same? done : write into the newcomers too

The one before gets them so that a rollback takes no payment back. The pointer is read again so
that a change that was under way at a switch is in the new generation before it counts as applied.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Final

from eligibility.buckets import Layout
from eligibility.change import Change
from eligibility.generation import BadGeneration
from eligibility.generations import Generations, Pointer
from eligibility.person_store import Written, write_person
from state.commands import Commands, Script
from state.errors import Unavailable
from state.slots import SLOTS, slot_of
from state.store import masters

MARK_KEY: Final = "p:changes"
"""In the cache: the highest ID applied. A cache that came back older has an older one.

Where the cache is many servers each may come back older by itself, so each has some of MARK_KEYS.
"""

_MARKS: Final = 32


def _spread() -> tuple[str, ...]:
    """Keys whose slots lie in each of 32 equal parts of all slots."""
    found: dict[int, str] = {}
    for number in count():
        key = f"{MARK_KEY}:{number}"
        found.setdefault(slot_of(key) * _MARKS // SLOTS, key)
        if len(found) == _MARKS:
            return tuple(found.values())
    raise AssertionError


MARK_KEYS: Final = _spread()

_MARK: Final = Script(
    "mark_changes",
    """
    -- KEYS mark   ARGV id
    local function parts(id)
      local ms, number = string.match(id, '(%d+)-(%d+)')
      return tonumber(ms), tonumber(number)
    end
    local there = redis.call('GET', KEYS[1])
    if there then
      local ms, number = parts(there)
      local new_ms, new_number = parts(ARGV[1])
      if new_ms < ms or (new_ms == ms and new_number <= number) then return 0 end
    end
    redis.call('SET', KEYS[1], ARGV[1])
    return 1
    """,
)

Result = Written | Exception
"""What became of a change in the generation that answers, or why it is not known."""


Wrote = set[tuple[str, bytes]]
"""Token and ID of what was written: a further try finds it the same, and it counts as written."""


async def apply(
    cache: Commands, generations: Generations, changes: Sequence[Change], wrote: Wrote
) -> list[Result]:
    """Apply changes; what became of each, in their order. Only a Written may be acknowledged.

    `wrote` is kept from one try of the same changes to the next. Raises Unavailable, ReplyError
    where it cannot be known what answers.
    """
    told: dict[str, list[Result]] = {}
    pointer = await _pointer(generations)
    while True:
        if pointer.current is None:
            raise Unavailable("no generation is loaded")
        new = {g.token: g for g in (pointer.current, pointer.previous) if g}
        for token, generation in new.items():
            if token not in told:
                results = await apply_to(cache, generation.layout, changes)
                told[token] = _told(token, changes, results, wrote)
        before, pointer = pointer, await _pointer(generations)
        if pointer.numbers == before.numbers and pointer.current is not None:
            break
    answers = [_present(result) for result in told[pointer.current.token]]
    if pointer.previous is None:
        return answers
    return [
        _of_both(*results) for results in zip(answers, told[pointer.previous.token], strict=True)
    ]


async def apply_to(cache: Commands, layout: Layout, changes: Sequence[Change]) -> list[Result]:
    """Apply changes to one generation; what became of each, in their order."""
    return list(await asyncio.gather(*(_write(cache, layout, change) for change in changes)))


async def _write(cache: Commands, layout: Layout, change: Change) -> Result:
    try:
        return await write_person(cache, layout, change.person, change.record)
    except Exception as error:
        return error  # the others are not to wait for this one


async def mark(cache: Commands, id_: bytes) -> None:
    """Write down in the cache how far it has the changes.

    A server of several that is away is left behind: its mark is older when it is back, and so it
    gets its changes again. Raises Unavailable, ReplyError where none can be written.
    """
    said = await asyncio.gather(
        *(cache.script(_MARK, [key], id_) for key in _mark_keys(cache)), return_exceptions=True
    )
    failed = [one for one in said if isinstance(one, BaseException)]
    if len(failed) == len(said):
        raise failed[0]


async def marked(cache: Commands) -> bytes | None:
    """How far the cache says that it has the changes: all of it, None where some has none.

    Raises Unavailable, ReplyError.
    """
    found: list[bytes | None] = await asyncio.gather(
        *(cache.send("GET", key) for key in _mark_keys(cache))
    )
    return min(found, key=place_of)


def place_of(id_: bytes | None) -> tuple[int, int]:
    """An ID of a stream, to be compared; None is below all."""
    ms, _, number = (id_ or b"0-0").partition(b"-")
    return int(ms), int(number or 0)


def _mark_keys(cache: Commands) -> tuple[str, ...]:
    return MARK_KEYS if len(masters(cache)) > 1 else (MARK_KEY,)


def _told(
    token: str, changes: Sequence[Change], results: Sequence[Result], wrote: Wrote
) -> list[Result]:
    ids = [(token, change.id) for change in changes]
    wrote.update(id_ for id_, result in zip(ids, results, strict=True) if result is Written.WRITTEN)
    return [
        Written.WRITTEN if result is Written.SAME and id_ in wrote else result
        for id_, result in zip(ids, results, strict=True)
    ]


def _present(result: Result) -> Result:
    if result is Written.GONE:
        return Unavailable("the people of the current generation are not in the cache")
    return result


def _of_both(answers: Result, before: Result) -> Result:
    """The generation before may be gone: then nobody can go back to it. Away it must not be."""
    return before if isinstance(before, Exception) else answers


async def _pointer(generations: Generations) -> Pointer:
    try:
        return await generations.pointer()
    except BadGeneration as error:
        raise Unavailable(str(error)) from None
