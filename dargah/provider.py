"""A provider's system, as small as can be: asks `POST /v1/eligibility` over HTTP."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dargah.failures import Failure

TIMEOUT = 10.0
"""Seconds that a provider waits."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One system with its key. `gateway` is a URL without a path."""

    gateway: str
    key: str = field(repr=False)

    def ask(self, national_id: str) -> dict[str, Any]:
        """The answer's JSON. Raises Failure for anything but a 200 with an object."""
        url = urlsplit(self.gateway)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            body = json.dumps({"national_id": national_id})
            connection.request("POST", "/v1/eligibility", body, headers)
            reply = connection.getresponse()
            answer = json.loads(reply.read(64 * 1024))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Failure(f"the API at {self.gateway} does not answer: {error}.") from None
        finally:
            connection.close()
        if reply.status != 200 or not isinstance(answer, dict):
            raise Failure(f"the API refused ({reply.status}).")
        return answer
