"""
Long messages, whose parts come one by one and in any order.

    sms:{OPERATOR}:part:HASH    p1 p2 …  the parts, sealed        d1 d2 …  what each was, hashed
                                total, have                       done     handed on
    sms:{OPERATOR}:waiting      the sets that are not complete, by the moment to stop waiting

A part is acknowledged when it is here, so a set has no end of its own: what is still incomplete
after the wait goes to the inbox as it is. A set that was handed on is kept for a while, without
its parts, to know a redelivered part.
"""

from state.commands import Script

WHOLE = b"whole"
PART = b"part"
"""The first value of an inbox entry: a whole message, or what there was of one."""

MOST_JOINED = 10
"""Parts of a message that is put together. Ten hold 670 letters; an ID takes ten digits."""

_HAND_ON = """
    local function hand_on(set, inbox, word)
      local flat = {}
      for i = 1, tonumber(redis.call('HGET', set, 'total')) do
        local part = redis.call('HGET', set, 'p' .. i)
        if part then
          flat[#flat + 1] = 'm'
          flat[#flat + 1] = part
          redis.call('HDEL', set, 'p' .. i)
        end
      end
      if #flat > 0 then redis.call('XADD', inbox, '*', 'm', word, unpack(flat)) end
    end
"""

PUT_PART = Script(
    "sms_put_part",
    _HAND_ON
    + """
    -- KEYS set, inbox, waiting
    -- ARGV number, total, digest, part, until_ms, most_sets, inbox_limit, mark_ms
    local set, inbox, waiting = KEYS[1], KEYS[2], KEYS[3]
    local seen = redis.call('HGET', set, 'd' .. ARGV[1])
    if seen == ARGV[3] then return 'again' end
    if redis.call('XLEN', inbox) >= tonumber(ARGV[7]) then return 'full' end
    if redis.call('HEXISTS', set, 'done') == 1 then
      redis.call('DEL', set)
    elseif seen then
      -- The phone counts its references round: another message has begun under this one.
      hand_on(set, inbox, 'part')
      redis.call('DEL', set)
    end
    if redis.call('EXISTS', set) == 0 and redis.call('ZCARD', waiting) >= tonumber(ARGV[6]) then
      return 'full'
    end
    redis.call('HSET', set, 'total', ARGV[2], 'p' .. ARGV[1], ARGV[4], 'd' .. ARGV[1], ARGV[3])
    if redis.call('HINCRBY', set, 'have', 1) < tonumber(ARGV[2]) then
      redis.call('ZADD', waiting, 'NX', ARGV[5], set)
      return 'part'
    end
    hand_on(set, inbox, 'whole')
    redis.call('ZREM', waiting, set)
    redis.call('HSET', set, 'done', 1)
    redis.call('PEXPIRE', set, ARGV[8])
    return 'whole'
    """,
)

GIVE_UP = Script(
    "sms_give_up",
    _HAND_ON
    + """
    -- KEYS set, inbox, waiting   ARGV now_ms, inbox_limit, mark_ms
    local set, inbox, waiting = KEYS[1], KEYS[2], KEYS[3]
    local at = redis.call('ZSCORE', waiting, set)
    if not at or tonumber(at) > tonumber(ARGV[1]) then return 'gone' end
    if redis.call('XLEN', inbox) >= tonumber(ARGV[2]) then return 'full' end
    if redis.call('EXISTS', set) == 1 then
      hand_on(set, inbox, 'part')
      redis.call('HSET', set, 'done', 1)
      redis.call('PEXPIRE', set, ARGV[3])
    end
    redis.call('ZREM', waiting, set)
    return 'given up'
    """,
)
