"""
The control port: another process texts, dials and switches faults.

A Unix socket, JSON, one object a line, answered in order. A connection's phones are its own.

    {"do": "text", "msisdn": N, "text": T}      {"text": reply}
    {"do": "message", "msisdn": N}              {"text": the next that comes}
    {"do": "dial", "msisdn": N, "code": C}      {"text": screen, "more": true}
    {"do": "reply", "msisdn": N, "text": T}     {"text": screen, "more": false}
    {"do": "abort", "msisdn": N}                {}
    {"do": "faults", "switch": {"throttle": 3}} {"throttle": 3, "delay": 0.0, ...}
    {"do": "drop"}                              {}
    {"do": "garbage", "octets": 64}             {}
    {"do": "state"}                             {"binds": [...], "counts": {...}}

Whatever could not be done: {"error": word, "message": sentence}. Who closes, or only ends what they
send, has hung up: an answer that is still awaited is awaited no more.
"""

import asyncio
import contextlib
import json
import socket
import stat
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carrier.dialogue import Screen
from carrier.errors import CarrierError, WrongOrder
from carrier.handset import NETWORK_TIMEOUT, Handset
from carrier.network import Network
from carrier.settings import LONGEST_LINE
from carrier.socket_path import addressable
from telecom.msisdn import Msisdn, NotAnMsisdn
from telecom.segments import TooManyParts

_CONNECTIONS = 100
_HANDSETS = 1000
"""For one connection."""
_GARBAGE = 64 * 1024
_LONGEST_WAIT = 600.0

Order = Mapping[str, object]
Answer = dict[str, object]


class Control:
    """The socket's server."""

    def __init__(self, network: Network, octets: Callable[[int], bytes]) -> None:
        self._network = network
        self._octets = octets
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def listen(self, path: Path) -> None:
        """Open the socket, for our own user alone. Raises OSError."""
        self._server = await asyncio.start_unix_server(
            self._talk, sock=_bound(path), limit=LONGEST_LINE
        )
        self._path = path

    async def stop(self) -> None:
        """Close the socket and every connection."""
        if self._server is None or self._path is None:
            return
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)
        self._path.unlink(missing_ok=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        phones: dict[str, Handset] = {}
        try:
            if len(self._talks) > _CONNECTIONS:
                return
            line = await reader.readline()
            while line:
                following = asyncio.create_task(reader.readline())
                answering = asyncio.create_task(self._answer(line, phones))
                try:
                    await asyncio.wait((answering, following), return_when=FIRST_COMPLETED)
                    if not answering.done() and following.done() and _hung_up(reader):
                        # Left waiting, it would take the reply to the phone's next text.
                        return
                    answer = await answering
                    writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                    await writer.drain()
                    line = await following
                finally:
                    await _ended(answering, following)
        except (ValueError, OSError, asyncio.CancelledError):
            # A line too long, or the other end is gone, or so are we.
            pass
        finally:
            for phone in phones.values():
                phone.abort()
            self._talks.discard(task)
            writer.close()

    async def _answer(self, line: bytes, phones: dict[str, Handset]) -> Answer:
        try:
            try:
                order = json.loads(line)
            except (ValueError, RecursionError):
                raise WrongOrder("a line is one JSON object") from None
            if not isinstance(order, dict):
                raise WrongOrder("a line is one JSON object")
            return await self._do(order, phones)
        except CarrierError as error:
            return {"error": error.word, "message": str(error)}
        except NotAnMsisdn as error:
            return {"error": "not_an_msisdn", "message": str(error)}

    async def _do(self, order: Order, phones: dict[str, Handset]) -> Answer:
        network = self._network
        match order.get("do"):
            case "text":
                phone, text = self._phone(order, phones), _text(order, "text")
                try:
                    return {"text": await phone.text(text, within=_within(order))}
                except TooManyParts:
                    raise WrongOrder("the text is too long for an SMS") from None
            case "message":
                phone = self._phone(order, phones)
                return {"text": (await phone.message(within=_within(order))).text}
            case "dial":
                phone, code = self._phone(order, phones), _text(order, "code")
                return _shown(await phone.dial(code, within=_within(order)))
            case "reply":
                phone, text = self._phone(order, phones), _text(order, "text")
                return _shown(await phone.reply(text, within=_within(order)))
            case "abort":
                self._phone(order, phones).abort()
                return {}
            case "faults":
                switched = order.get("switch", {})
                if not isinstance(switched, dict):
                    raise WrongOrder("switch takes an object, fault by fault")
                for name, value in switched.items():
                    network.faults.switch(name, value)
                return asdict(network.faults)
            case "drop":
                network.drop()
                return {}
            case "garbage":
                octets = order.get("octets", 64)
                if not isinstance(octets, int) or not 0 < octets <= _GARBAGE:
                    raise WrongOrder(f"octets is a number from 1 to {_GARBAGE}")
                network.garbage(self._octets(octets))
                return {}
            case "state":
                return {"binds": network.binds, "counts": dict(network.counts)}
        raise WrongOrder(
            "do is one of text, message, dial, reply, abort, faults, drop, garbage, state"
        )

    def _phone(self, order: Order, phones: dict[str, Handset]) -> Handset:
        number = Msisdn.parse(_text(order, "msisdn")).digits
        if number not in phones:
            if len(phones) >= _HANDSETS:
                raise WrongOrder(f"a connection has {_HANDSETS} phones at most")
            phones[number] = self._network.handset(f"+{number}")
        return phones[number]


def _hung_up(reader: asyncio.StreamReader) -> bool:
    return reader.at_eof() or reader.exception() is not None


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel what still runs, and wait until nothing of it does."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _bound(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()  # left behind by one that was killed
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with addressable(path) as name:
            bound.bind(name)
        # Nobody can connect before it listens.
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound


def _shown(screen: Screen) -> Answer:
    return {"text": screen.text, "more": screen.more}


def _text(order: Order, name: str) -> str:
    value = order.get(name)
    if not isinstance(value, str):
        raise WrongOrder(f"{name} is missing, or is no text")
    try:
        value.encode("utf-16-be")
    except UnicodeEncodeError:
        raise WrongOrder(f"{name} is no text") from None
    return value


def _within(order: Order) -> float:
    value = order.get("within", NETWORK_TIMEOUT)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise WrongOrder("within is a number of seconds")
    return min(float(value), _LONGEST_WAIT)
