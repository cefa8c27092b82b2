"""
Which slot of a Cluster a command is for: CRC16 of its key, or of the part in braces.

Redis Cluster specification, "Key distribution model" and "Hash tags": CRC-16/XMODEM mod 16384;
where a key has a "{" and, later, a "}" with something between, that alone counts.

A command is sent only where its keys are known, and lie in one slot: one that went to any node
would be refused, or would tell of one node what was asked of all.
"""

from binascii import crc_hqx
from typing import Final

from state.commands import Arg

SLOTS: Final = 16_384

_FIRST = """
    APPEND DECR DECRBY DUMP EXPIRE EXPIREAT EXPIRETIME GET GETDEL GETEX GETRANGE GETSET HDEL HEXISTS
    HGET HGETALL HINCRBY HKEYS HLEN HMGET HMSET HSCAN HSET HSETNX HSTRLEN HVALS INCR INCRBY LINDEX
    LLEN LPOP LPUSH LRANGE LREM LSET LTRIM PERSIST PEXPIRE PEXPIREAT PSETEX PTTL RESTORE RPOP RPUSH
    SADD SCARD SET SETEX SETNX SETRANGE SISMEMBER SMEMBERS SREM SSCAN STRLEN TTL TYPE XACK XADD
    XAUTOCLAIM XCLAIM XDEL XLEN XPENDING XRANGE XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZINCRBY
    ZRANGE ZRANGEBYSCORE ZRANK ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZSCORE
"""
_ALL = "DEL EXISTS MGET PFCOUNT PFMERGE SINTER SUNION TOUCH UNLINK"
_SECOND = "MEMORY OBJECT XGROUP XINFO"
_SCRIPTS = "EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO"
_STREAMS = "XREAD XREADGROUP"


def _both(names: str) -> list[Arg]:
    """Names as our callers write them: texts, or octets where it has to be quick."""
    return [*names.split(), *names.encode().split()]


KEY_COMES_FIRST: Final = frozenset[Arg](_both(_FIRST))
"""Commands with one key, their first argument; in capitals, as text or octets."""
_EVERY: Final = frozenset[Arg](_both(_ALL))
_AFTER_SUBCOMMAND: Final = frozenset[Arg](_both(_SECOND))
_COUNTED: Final = frozenset[Arg](_both(_SCRIPTS))
_AFTER_STREAMS: Final = frozenset[Arg](_both(_STREAMS))


class NoSlot(ValueError):
    """A command of ours that a Cluster could not take. The text names the command alone."""


def slot_of(key: bytes | str) -> int:
    """The slot of a key, 0 to 16383."""
    octets = key.encode() if isinstance(key, str) else key
    if b"{" in octets:
        start = octets.index(b"{") + 1
        end = octets.find(b"}", start)
        if end > start:
            octets = octets[start:end]
    return crc_hqx(octets, 0) & 16_383


def slot_of_command(args: tuple[Arg, ...]) -> int:
    """The slot that all keys of a command lie in.

    Raises NoSlot where it has no key, where its keys are not known to us, and for keys of
    different slots.
    """
    name = args[0]
    try:
        if name in KEY_COMES_FIRST:
            return slot_of(_key(args[1]))
        slots = {slot_of(_key(key)) for key in _keys(args)}
    except (IndexError, TypeError, ValueError):
        slots = set()
    if len(slots) == 1:
        return slots.pop()
    shown = name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)
    why = "keys of different slots" if slots else "no key that we know the place of"
    raise NoSlot(f"{shown[:24]} has {why}")


def _keys(args: tuple[Arg, ...]) -> tuple[Arg, ...]:
    name = args[0]
    if name in _EVERY:
        return args[1:]
    if name in _AFTER_SUBCOMMAND:
        return args[2:3]
    if name in _COUNTED:
        return args[3 : 3 + int(args[2])]
    if name in _AFTER_STREAMS:
        found = args[args.index("STREAMS") + 1 :]
        return found[: len(found) // 2]
    return ()


def _key(key: Arg) -> bytes | str:
    if isinstance(key, bytes | str):
        return key
    raise TypeError("a key is a text, or octets")
