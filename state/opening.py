"""
The door to redis-py: it connects, starts TLS, logs in, names and selects, and we take over.

Nothing else of redis-py is used on the way of a command: state/wire.py writes RESP2 itself.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from redis.asyncio.connection import Connection, UnixDomainSocketConnection, parse_url
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from state.address import Address, connectable
from state.errors import Unavailable
from state.wire import Owner, PassedOn, Wire


class Opened:
    """An open connection and its Wire.

    redis-py's object is kept as long as the Wire is: collecting it closes the connection.
    """

    def __init__(self, connection: "Connection | UnixDomainSocketConnection", wire: Wire) -> None:
        self._connection = connection
        self.wire = wire

    def forget(self) -> None:
        """After the Wire has been dropped."""
        _close(self._connection)


async def open_wire(
    address: Address,
    owner: Owner,
    *,
    name: str,
    timeout: float,  # noqa: ASYNC109  a setting that is handed on, not a limit to this call
    in_flight: int,
    pass_on: Callable[[PassedOn], None] | None = None,
) -> Opened:
    """Connect, log in and see one PING answered, each within `timeout` seconds or one second.

    Raises Unavailable with one sentence that names the address and no secret.
    """
    # A country's TLS handshake takes longer than a lookup may.
    patience = max(timeout, 1.0)
    settings: dict[str, Any] = {
        "protocol": 2,
        "client_name": name,
        "driver_info": None,
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
    }
    connection: Connection | UnixDomainSocketConnection | None = None
    try:
        with _target(address) as (kind, place):
            connection = kind(**{**place, **settings})
            await connection.send_command("PING")  # connects and logs in first
        try:
            await connection.read_response()
        except ResponseError as error:
            # A server that cannot write to its disk says so even to a PING. It still reads.
            if not str(error).startswith("MISCONF"):
                raise
        writer = connection._writer
        if writer is None:
            raise ConnectionError("closed while it was opened")
    except (OSError, RedisError, TimeoutError, TypeError, ValueError) as error:
        _close(connection)
        # The texts of redis-py may quote what was sent, so they are not passed on.
        raise Unavailable(_sentence(address, error)) from None
    except asyncio.CancelledError:
        _close(connection)
        raise
    transport = cast(asyncio.Transport, writer.transport)
    loop = asyncio.get_running_loop()
    wire = Wire(transport, loop, owner, timeout=timeout, in_flight=in_flight, pass_on=pass_on)
    transport.set_protocol(wire)
    return Opened(connection, wire)


@contextmanager
def _target(
    address: Address,
) -> Iterator[tuple[type[Connection | UnixDomainSocketConnection], dict[str, Any]]]:
    if address.path is None:
        place: dict[str, Any] = dict(parse_url(address.url))
        yield place.pop("connection_class", Connection), place
        return
    with connectable(address.path) as short:
        yield UnixDomainSocketConnection, {"path": short}


def _sentence(address: Address, error: Exception) -> str:
    # redis-py wraps what happened in a ConnectionError of its own.
    causes = (error, error.__cause__, error.__context__)
    if any(isinstance(cause, BusyLoadingError) for cause in causes):
        return f"Redis at {address} is still loading its data"
    system = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    why = system[0] if system else type(error.__cause__ or error).__name__
    return f"no connection to Redis at {address} ({why})"


def _close(connection: "Connection | UnixDomainSocketConnection | None") -> None:
    """At once, without waiting for a peer that may say nothing."""
    writer = connection._writer if connection is not None else None
    if connection is not None and writer is not None:
        connection._writer = connection._reader = None
        writer.transport.abort()
