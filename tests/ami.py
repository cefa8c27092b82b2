"""
A small AMI client: `Key: value` lines ended by CRLF, an empty line after each message.

Responses and events come mixed; a response is known by its ActionID.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable

Message = dict[str, str]


class AmiError(Exception):
    """The action was refused, or the connection is gone."""


class Ami:
    """One connection, logged in. Use `await Ami.connect(...)`, then `close()`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._responses: dict[str, asyncio.Future[Message]] = {}
        self._awaited: list[tuple[Callable[[Message], bool], asyncio.Future[Message]]] = []
        self.booted = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, port: int, secret: str, *, events: str = "on") -> "Ami":
        """Log in as `test`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        ami = cls(reader, writer)
        await ami.action("Login", Username="test", Secret=secret, Events=events)
        return ami

    async def action(self, action: str, **headers: str) -> Message:
        """Do something; the response. Raises AmiError if it was refused."""
        number = str(next(self._numbers))
        fields = {"Action": action, "ActionID": number} | headers
        if any(character in value for value in fields.values() for character in "\r\n"):
            raise AmiError("a line end in a value")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._responses[number] = answer
        text = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
        self._writer.write(text.encode() + b"\r\n")
        async with asyncio.timeout(10):
            response = await answer
        if response.get("Response") != "Success":
            raise AmiError(f"{action}: {response.get('Message')}")
        return response

    def expect(self, which: Callable[[Message], bool]) -> "asyncio.Future[Message]":
        """The next event that is wanted, as a future; ask before what causes it."""
        awaited = asyncio.get_running_loop().create_future()
        self._awaited.append((which, awaited))
        return awaited

    async def close(self) -> None:
        """Leave."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()

    async def _read(self) -> None:
        message: Message = {}
        try:
            while line := (await self._reader.readline()).decode("utf-8", "replace"):
                if line.strip():
                    key, _, value = line.strip().partition(":")
                    message.setdefault(key, value.strip())
                    continue
                self._take(message)
                message = {}
        finally:
            futures = [*self._responses.values(), *(future for _, future in self._awaited)]
            for future in futures:
                if not future.done():
                    future.cancel()

    def _take(self, message: Message) -> None:
        if "Event" not in message:  # OriginateResponse has a Response too
            answer = self._responses.pop(message.get("ActionID", ""), None)
            if answer is not None and not answer.done():
                answer.set_result(message)
            return
        if message.get("Event") == "FullyBooted":
            self.booted.set()
        for pair in list(self._awaited):
            which, awaited = pair
            if not awaited.done() and which(message):
                self._awaited.remove(pair)
                awaited.set_result(message)
