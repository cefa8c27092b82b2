"""Requests, replies and routes, as the HTTP edge hands them about. No Twisted here."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from api.exchange import ApiReply, refusal

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer; the body is sent as it is."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    unwritten: Callable[[], object] | None = field(default=None, compare=False, repr=False)
    """Called where the caller has left before this could be written."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, whole. Its repr shows nothing: any part may hold an ID, a number or a key.

    `method`, `path` and the values of `headers` (names in lower case, the lines of one name
    joined by commas, as RFC 9110 5.3 has it) are latin-1; `peer` is the address at the other
    end of the connection.
    """

    method: str = field(repr=False)
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    peer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked: its name in metrics and logs, and who answers.

    `sorry` is sent when `answer` fails or is late, so it must be true whatever happened.
    """

    name: str
    method: str
    answer: Callable[[HttpRequest], Awaitable[Reply]]
    sorry: Reply
    plain: bool = False
    """Whether refusals are one sentence in plain text, and not JSON."""
    goes_on: bool = False
    """Whether the answer is still worked out, within a bound, for a caller who has left."""

    def refused(self, reply: Reply) -> Reply:
        """A refusal as this route words it."""
        return in_plain(reply) if self.plain else reply


@dataclass(frozen=True, slots=True)
class HttpEvents:
    """What the edge tells whoever counts: route name and status are ours, never a caller's."""

    answered: Callable[[str, int, float], None]
    """Route name, status, seconds."""

    refused: Callable[[str], None]
    """`connections`, `too_large`, `malformed` or `slow`: cut before there was a request."""

    connections: Callable[[int], None]
    """How many are open now."""


def as_http(reply: ApiReply) -> Reply:
    """A JSON reply as HTTP carries it."""
    return Reply(reply.status, reply.encoded(), JSON, reply.headers)


def in_plain(reply: Reply) -> Reply:
    """A JSON refusal's sentence, as plain text."""
    sentence: str = json.loads(reply.body)["error"]["message"]
    return replace(reply, body=sentence.encode(), content_type=PLAIN)


UNAVAILABLE = as_http(
    refusal(503, "unavailable", "This cannot be answered now; try again.", Retry_After="5")
)
NOT_FOUND = as_http(refusal(404, "not_found", "There is nothing at this address."))
MALFORMED = as_http(refusal(400, "bad_request", "This is not a well-formed HTTP request."))
REPEATED = as_http(refusal(400, "bad_request", "A header that may occur once occurs twice."))


def too_large(limit: int) -> Reply:
    """413 for a body of more than `limit` octets."""
    return as_http(refusal(413, "too_large", f"A body may have {limit} octets at most."))


def not_allowed(allow: str) -> Reply:
    """405; `allow` lists the methods that the address knows."""
    return as_http(
        refusal(405, "method_not_allowed", f"This address takes {allow} alone.", Allow=allow)
    )
