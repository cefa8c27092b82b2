"""
The ledger of inquiries: who may ask now, and what was told under which tracking code.

All keys are in the state role. An asker's keys share one hash slot (their token in braces), a
code's record has its own, so every script runs on one slot of a Cluster:

    ask:{TOKEN}:b            the budget: what is left, in thousandths, and when it was counted
    ask:{TOKEN}:r:PERSON     the code of this asker's inquiry about this person, ten minutes
    ask:{TOKEN}:k:RETRY_KEY  person and code of a request with a retry key, a day
    code:CODE                what was told: times, channel, outcome, dates, keyed hashes

TOKEN and PERSON are keyed hashes: neither a number nor a national ID is ever in Redis here.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from eligibility.answer import RetryKeyReused
from eligibility.verdict import Outcome, Verdict
from state.commands import Commands, Script
from telecom.channel import Channel

_OPEN = Script(
    "open_inquiry",
    """
    -- KEYS budget, recent, retry   ARGV now_ms, burst, per_minute, code, person,
    --                                   repeat_ms, retry_ms ('0': no retry key)
    local person, repeat_ms, retry_ms = ARGV[5], ARGV[6], ARGV[7]
    if retry_ms ~= '0' then
      local kept = redis.call('GET', KEYS[3])
      if kept then
        if string.sub(kept, 1, #person) ~= person then return {'reused', '0'} end
        return {'repeat', string.sub(kept, #person + 2)}
      end
    end
    local code = redis.call('GET', KEYS[2])
    local verdict = 'repeat'
    if not code then
      local now, burst = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000
      local per_ms = tonumber(ARGV[3]) * 1000 / 60000
      local left, at = burst, now
      local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
      if kept[1] then
        left, at = tonumber(kept[1]), tonumber(kept[2])
        if now > at then left = math.min(burst, left + (now - at) * per_ms) end
      end
      if burst > 0 and left < 1000 then
        return {'over', tostring(math.ceil((1000 - left) / per_ms))}
      end
      if burst > 0 then
        redis.call('HSET', KEYS[1], 'left', string.format('%.0f', left - 1000),
                   'at', string.format('%.0f', math.max(now, at)))
        redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_ms) + 1000)
      end
      code, verdict = ARGV[4], 'new'
      redis.call('SET', KEYS[2], code, 'PX', repeat_ms)
    end
    if retry_ms ~= '0' then
      redis.call('SET', KEYS[3], person .. ' ' .. code, 'PX', retry_ms)
    end
    return {verdict, code}
    """,
)

_RECORD = Script(
    "record_inquiry",
    """
    -- KEYS code   ARGV owner, keep_ms, at, then field and value by turns
    local owner = redis.call('HGET', KEYS[1], 'owner')
    if owner and owner ~= ARGV[1] then return 0 end
    redis.call('HSETNX', KEYS[1], 'first_at', ARGV[3])
    redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'last_at', ARGV[3], unpack(ARGV, 4))
    redis.call('HINCRBY', KEYS[1], 'times', 1)
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 1
    """,
)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one asker may ask: `burst` inquiries at once, refilled at `per_minute`.

    A burst of 0 is no limit.
    """

    burst: int
    per_minute: float


NO_LIMIT = Budget(burst=0, per_minute=0.0)


@dataclass(frozen=True, slots=True)
class Opened:
    """The inquiry may go on, under this code; `repeat` where the code was given before."""

    code: str
    repeat: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The budget is spent; the next inquiry is possible after `retry_after` seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written under a code: what was told, when, how, and (as keyed hashes) to whom."""

    code: str
    asker: str
    person: str
    channel: Channel
    verdict: Verdict
    generation: int | None
    at: datetime

    @property
    def owner(self) -> str:
        """Who the code belongs to: this asker's inquiry about this person."""
        return f"{self.asker} {self.person}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger still knows of a code. Times are aware; `outcome` is the latest told."""

    code: str
    asker: str
    channel: Channel
    outcome: Outcome
    stale: bool
    valid_until: date | None
    not_covered_since: date | None
    generation: int | None
    first_at: datetime
    last_at: datetime
    times: int


class Ledger:
    """Budgets, repeats and the records of tracking codes, in Redis.

    Every method raises Unavailable where Redis cannot answer.
    """

    def __init__(
        self, state: Commands, *, repeat_for: timedelta, retry_for: timedelta, keep_for: timedelta
    ) -> None:
        self._state = state
        self._repeat_ms = _milliseconds(repeat_for)
        self._retry_ms = _milliseconds(retry_for)
        self._keep_ms = _milliseconds(keep_for)

    async def open(
        self,
        asker: str,
        person: str,
        code: str,
        budget: Budget,
        now: datetime,
        retry_key: str | None = None,
    ) -> Opened | Refused:
        """Take one inquiry from the asker's budget, unless it repeats an earlier one.

        `code` is used where the inquiry is new. Raises RetryKeyReused.
        """
        keys = [
            f"ask:{{{asker}}}:b",
            f"ask:{{{asker}}}:r:{person}",
            f"ask:{{{asker}}}:k:{retry_key or '-'}",
        ]
        word, value = await self._state.script(
            _OPEN,
            keys,
            int(now.timestamp() * 1000),
            budget.burst,
            budget.per_minute,
            code,
            person,
            self._repeat_ms,
            self._retry_ms if retry_key else 0,
        )
        if word == b"reused":
            raise RetryKeyReused
        if word == b"over":
            return Refused(int(value) / 1000)
        return Opened(value.decode(), repeat=word == b"repeat")

    async def record(self, entry: Entry) -> bool:
        """Write what was told under a code; False where the code is somebody else's."""
        verdict = entry.verdict
        kept = await self._state.script(
            _RECORD,
            [f"code:{entry.code}"],
            entry.owner,
            self._keep_ms,
            entry.at.timestamp(),
            "channel",
            entry.channel,
            "outcome",
            verdict.outcome,
            "stale",
            int(verdict.stale),
            "until",
            verdict.valid_until.isoformat() if verdict.valid_until else "",
            "since",
            verdict.not_covered_since.isoformat() if verdict.not_covered_since else "",
            "generation",
            entry.generation if entry.generation is not None else "",
        )
        return bool(kept)

    async def rename(
        self, asker: str, person: str, code: str, retry_key: str | None = None
    ) -> None:
        """Give this asker's inquiry another code: the first turned out to be taken."""
        kept = [self._state.send("SET", f"ask:{{{asker}}}:r:{person}", code, "PX", self._repeat_ms)]
        if retry_key:
            key = f"ask:{{{asker}}}:k:{retry_key}"
            kept.append(self._state.send("SET", key, f"{person} {code}", "PX", self._retry_ms))
        await asyncio.gather(*kept)

    async def find(self, code: str) -> Kept | None:
        """What is known of a code, or None where it never was or is past its keeping."""
        flat = await self._state.send("HGETALL", f"code:{code}")
        if not flat:
            return None
        words = [word.decode() for word in flat]
        fields = dict(zip(words[::2], words[1::2], strict=True))
        return Kept(
            code=code,
            asker=fields["owner"].split(" ")[0],
            channel=Channel(fields["channel"]),
            outcome=Outcome(fields["outcome"]),
            stale=fields["stale"] == "1",
            valid_until=_date(fields["until"]),
            not_covered_since=_date(fields["since"]),
            generation=int(fields["generation"]) if fields["generation"] else None,
            first_at=datetime.fromtimestamp(float(fields["first_at"]), UTC),
            last_at=datetime.fromtimestamp(float(fields["last_at"]), UTC),
            times=int(fields["times"]),
        )


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
