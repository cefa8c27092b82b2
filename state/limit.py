"""
What a Redis can do at most: lookups that were packed beforehand, sixteen to a write.

Only a yardstick. redis-benchmark asks for one field over and over, which lies in the processor's
cache, first or last in its bucket; this asks for the people a bench asks for, in their order.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from itertools import cycle

import hiredis

from state.address import Address, connectable

CONNECTIONS = 50
AT_A_TIME = 16
"""Both as redis-benchmark -c 50 -P 16 has them."""


def prepared_lookups(
    address: Address, fields: Sequence[tuple[bytes, bytes]], seconds: float
) -> float:
    """HGETs a second over (key, field) pairs of a Redis on a Unix socket. Blocks.

    Raises ValueError where something is not found: the limit of other lookups than ours.
    """
    packed = [hiredis.pack_command((b"HGET", *pair)) for pair in fields]  # type: ignore[arg-type]
    blocks = [b"".join(packed[n : n + AT_A_TIME]) for n in range(0, len(packed), AT_A_TIME)]
    if len(packed) % AT_A_TIME and len(blocks) > 1:
        blocks.pop()
    each = min(AT_A_TIME, len(packed))
    turns = cycle(blocks)
    done = 0
    with selectors.DefaultSelector() as selector:
        peers = [_Peer(address) for _ in range(CONNECTIONS)]
        try:
            for peer in peers:
                selector.register(peer.socket, selectors.EVENT_READ, peer)
                peer.ask(turns, each)
            began = time.perf_counter()
            while (now := time.perf_counter()) - began < seconds or not done:
                for ready, _ in selector.select(1):
                    if ready.data.hear():
                        done += each
                        ready.data.ask(turns, each)
        finally:
            for peer in peers:
                peer.socket.close()
    return done / (now - began)


class _Peer:
    """One connection, with one block under way."""

    def __init__(self, address: Address) -> None:
        if address.path is None:
            raise ValueError("the limit is measured on a Unix socket")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with connectable(address.path) as short:
            self.socket.connect(short)
        self._reader = hiredis.Reader(notEnoughData=NOT_ENOUGH)
        self._missing = 0

    def ask(self, blocks: Iterator[bytes], each: int) -> None:
        """Send the next block."""
        self._missing = each
        self.socket.sendall(next(blocks))

    def hear(self) -> bool:
        """Whether all of the block has been answered."""
        self._reader.feed(self.socket.recv(65536))
        while self._missing and (reply := self._reader.gets()) is not NOT_ENOUGH:
            if not isinstance(reply, bytes):
                raise ValueError("somebody was not found")
            self._missing -= 1
        return not self._missing


NOT_ENOUGH = object()
