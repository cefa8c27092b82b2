"""What a provider's system sends and reads: JSON, and one shape for all that is no answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What of an HTTP request matters here. Headers are None where absent."""

    authorization: str | None = field(repr=False)
    idempotency_key: str | None = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiReply:
    """A status, a JSON object and the headers that go with it."""

    status: int
    body: Mapping[str, object] = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        """The body as UTF-8 JSON."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


def refusal(status: int, code: str, message: str, **headers: str) -> ApiReply:
    """`{"error": {"code", "message"}}`; headers are named with underscores: `Retry_After="1"`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return ApiReply(status, {"error": {"code": code, "message": message}}, named)
