"""Which Redis to use, and how patient to be with it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The settings of Redis. An empty URL means the embedded server of the data folder.

    `timeout` is in seconds a command, `in_flight` commands a connection, `start_deadline` in
    seconds for Redis to answer at the start, the loading of its data included. URLs may hold a
    password, so they are not in the repr.
    """

    cache_url: str = ""
    state_url: str = ""
    timeout: float = 0.2
    in_flight: int = 20_000
    start_deadline: float = 60.0

    def __repr__(self) -> str:
        cache, state = ("set" if url else "embedded" for url in (self.cache_url, self.state_url))
        return f"RedisSettings(cache {cache}, state {state}, timeout {self.timeout:g} s)"
