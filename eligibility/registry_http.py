"""
A registry that is asked by JSON over HTTP (docs/registry.md).

    POST URL  {"national_id": "0012345679"}     Authorization: Bearer SECRET
    200       {"national_id": "...", "status": ..., "valid_until": ..., "kind": ..., "branch": ...,
               "updated_at": ...}
    404       {"national_id": "...", "error": "unknown person"}

The ID is in no URL. An answer repeats it, so that no mixed-up answer is ever believed; and a 404
says whose it is, for a proxy's own says nothing about a person. Everything else is a fault.
"""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from eligibility.national_id import NationalId
from eligibility.registry import FaultKind, RegistryFault
from eligibility.registry_record import record_of
from eligibility.verdict import Record

MAX_ANSWER: Final = 16_384
"""Octets of an answer; a real one has some two hundred."""

UNKNOWN: Final = "unknown person"

_IDLE: Final = 4.0
"""Seconds for which an idle connection is kept: less than the five after which some servers end
theirs, perhaps at the moment of our next question."""

_NOBODY: Final = "0" * 10
"""Ten equal digits are no national ID, so this is never a person's."""


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """Where and how to ask. `authority` is a PEM file to trust instead of the system's."""

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    authority: Path | None = None


class HttpRegistry:
    """A `Registry` over HTTP; `connections` at once at the most. `clock` gives aware moments."""

    def __init__(
        self, place: HttpPlace, *, connections: int, clock: Callable[[], datetime]
    ) -> None:
        """Raises OSError, or ssl.SSLError among them, where the authority cannot be used."""
        self._url = place.url
        self._clock = clock
        self._connections = connections
        self._tls = ssl.create_default_context(cafile=place.authority)
        self._headers = {
            "Accept": "application/json",
            # What is packed could grow without bound when it is unpacked.
            "Accept-Encoding": "identity",
        }
        if place.secret:
            self._headers["Authorization"] = f"Bearer {place.secret}"
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        """The address, without what follows it."""
        scheme, _, rest = self._url.partition("://")
        return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"

    async def person(self, person: NationalId) -> Record | None:
        """As Registry.person."""
        asked_at = self._clock()
        found = await self._ask(person.digits)
        return None if found is None else record_of(found, asked_at)

    async def prove(self) -> None:
        """See that it knows the protocol: nobody is unknown to it."""
        if await self._ask(_NOBODY) is not None:
            raise RegistryFault(FaultKind.STRANGE, "the registry knows 0000000000, who is nobody")

    async def close(self) -> None:
        """As Registry.close."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, digits: str) -> dict[str, Any] | None:
        if self._session is None:
            self._session = self._opened()
        try:
            async with self._session.post(
                self._url, json={"national_id": digits}, allow_redirects=False
            ) as answer:
                if answer.status not in (200, 404):
                    kind = FaultKind.AWAY if answer.status >= 500 else FaultKind.STRANGE
                    raise RegistryFault(kind, f"the registry answered with {answer.status}")
                told = _told(await _body(answer), digits)
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # Its text may quote what was sent.
            raise RegistryFault(
                FaultKind.AWAY, f"the registry failed ({type(error).__name__})"
            ) from None
        if status == 200:
            return told
        if told.get("error") != UNKNOWN:
            raise RegistryFault(FaultKind.STRANGE, f'a 404 that does not say "{UNKNOWN}"')
        return None

    def _opened(self) -> aiohttp.ClientSession:
        """Made where a loop runs, which is not yet so when the gateway is wired."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, ssl=self._tls, keepalive_timeout=_IDLE
            ),
            headers=self._headers,
            # Whoever asks bounds the whole question.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    whole = bytearray()
    async for piece in answer.content.iter_any():
        whole += piece
        if len(whole) > MAX_ANSWER:
            raise RegistryFault(FaultKind.STRANGE, f"an answer of more than {MAX_ANSWER} octets")
    return bytes(whole)


def _told(body: bytes, digits: str) -> dict[str, Any]:
    """The object in an answer, which must be about this ID."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise RegistryFault(FaultKind.STRANGE, "an answer that is no JSON") from None
    if not isinstance(told, dict) or told.get("national_id") != digits:
        raise RegistryFault(FaultKind.STRANGE, "an answer that is not about the one asked for")
    return told
