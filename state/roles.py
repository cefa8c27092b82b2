"""
The two embedded servers, and how each is set up.

cache   the people: RDB, rebuildable from the registry's file
state   sessions, streams, codes, limits: AOF

Imported by the keeper: the standard library alone.
"""

from dataclasses import dataclass

SOCKET = "redis.sock"

# Every setting here is known to Redis 6.0 and to what has come since, Valkey included.
_COMMON = """\
port 0
unixsocket redis.sock
unixsocketperm 600
daemonize no
dir ./
logfile redis.log
databases 1
maxmemory-policy noeviction
hash-max-ziplist-entries 512
hash-max-ziplist-value 64
lazyfree-lazy-user-del yes
"""

# A save forks, and the copied pages cost memory: seldom, and the loader asks for its own.
# A failed save must not stop the cache from taking updates: it can be loaded again.
_CACHE = _COMMON + "appendonly no\nsave 900 1\nsave 300 100000\nstop-writes-on-bgsave-error no\n"
_STATE = _COMMON + 'appendonly yes\nappendfsync everysec\nsave ""\n'


@dataclass(frozen=True, slots=True)
class Role:
    """One of the two servers: the name of its folder, and its configuration file's text."""

    name: str
    settings: str


CACHE = Role("cache", _CACHE)
STATE = Role("state", _STATE)
ROLES = (CACHE, STATE)
