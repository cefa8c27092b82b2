"""
How often the registry may be asked: so many questions a second, by all gateways together.

    registry:budget    a hash in the state role: thousandths of a question left, and when
                       (milliseconds by Redis's own clock, for the gateways' may differ)

Where the state role does not answer, each gateway keeps to a tenth of the rate by itself: ten
gateways are then together what one budget allows.
"""

import math
from collections.abc import Callable
from typing import Final

from state.commands import Commands, Script
from state.errors import ReplyError, Unavailable

KEY: Final = "registry:budget"

ALONE: Final = 0.1
"""The share of the rate that a gateway takes while it cannot ask the others."""

_AWAY_FOR: Final = 1.0
"""Seconds for which a state role that did not answer is not asked again: each try may cost a
time-out, and the person is waiting."""

_TAKE: Final = Script(
    "take_of_registry_budget",
    """
    -- KEYS budget   ARGV thousandths a second, thousandths at the most
    -- Gives 0 for a question granted, else the milliseconds until the next.
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local rate, most = tonumber(ARGV[1]), tonumber(ARGV[2])
    local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
    local left = most
    if kept[1] then
      local passed = now - tonumber(kept[2])
      -- A clock that was set back starts anew, with nothing left.
      if passed < 0 then passed, left = 0, 0 else left = tonumber(kept[1]) end
      left = math.min(most, left + passed * rate / 1000)
    end
    local wait = 0
    if left >= 1000 then left = left - 1000 else wait = math.ceil((1000 - left) * 1000 / rate) end
    redis.call('HSET', KEYS[1], 'left', string.format('%.3f', left),
               'at', string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[1], math.ceil(most * 1000 / rate) + 60000)
    return wait
    """,
)


class RegistryBudget:
    """`per_second` questions, as many at once. `seconds` is a clock that only goes forward."""

    def __init__(self, state: Commands, per_second: float, *, seconds: Callable[[], float]) -> None:
        self._state = state
        self._per_second = per_second
        self._seconds = seconds
        self._nothing_before = -math.inf
        self._alone_until = -math.inf
        self._alone = _Bucket(per_second * ALONE, seconds())

    async def take(self) -> bool:
        """Whether one more question may be asked now."""
        now = self._seconds()
        if now < self._nothing_before:
            return False
        if now < self._alone_until:
            return self._alone.take(now)
        rate = self._per_second * 1000
        try:
            wait: int = await self._state.script(_TAKE, [KEY], rate, max(rate, 1000.0))
        except (Unavailable, ReplyError):
            now = self._seconds()
            self._alone_until = now + _AWAY_FOR
            return self._alone.take(now)
        if wait:
            # Others may be granted before; but a flood of refusals costs Redis nothing.
            self._nothing_before = self._seconds() + wait / 1000
        return not wait


class _Bucket:
    """A budget in memory, begun full."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._left = self._most
        self._at = now

    def take(self, now: float) -> bool:
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
