"""
A handset for the terminal: speaks the aggregator's side of `POST /ussd`.

Knows nothing of the gateway but its address, as an aggregator does.
"""

import http.client
import secrets
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from dargah.failures import Failure

NETWORK_TIMEOUT = 25.0
"""Seconds that a network waits for a gateway's answer (RestComm's dialogtimeout)."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What the phone shows, and whether it takes an answer."""

    text: str
    more: bool


@dataclass(slots=True)
class Handset:
    """One phone. `gateway` is a URL without a path, `secret` what the aggregator shows it."""

    gateway: str
    msisdn: str = field(repr=False)
    secret: str = field(default="", repr=False)
    _session: str = ""
    _code: str = field(default="", repr=False)
    _typed: list[str] = field(default_factory=list, repr=False)

    def dial(self, code: str) -> Screen:
        """Dial a code; a new session. Raises Failure where the gateway does not answer."""
        self._session, self._code, self._typed = secrets.token_hex(8), code, []
        return self._send()

    def reply(self, text: str) -> Screen:
        """Answer the screen."""
        self._typed.append(text)
        return self._send()

    def again(self) -> Screen:
        """Send the last request once more, as a network does that saw no answer."""
        return self._send()

    def _send(self) -> Screen:
        form = {
            "sessionId": self._session,
            "serviceCode": self._code,
            "phoneNumber": self.msisdn,
            "text": "*".join(self._typed),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self.secret:
            headers["X-Dargah-Secret"] = self.secret
        connection = _connection(self.gateway)
        try:
            connection.request("POST", "/ussd", urlencode(form), headers)
            answer = connection.getresponse()
            body = answer.read(64 * 1024).decode("utf-8")
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"the gateway at {self.gateway} does not answer: {error}.") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise Failure(f"the gateway refused ({answer.status}): {body.strip()[:300]}")
        word, _, text = body.partition(" ")
        if word not in ("CON", "END"):
            raise Failure("the gateway's answer begins with neither CON nor END.")
        return Screen(text, more=word == "CON")


def _connection(gateway: str) -> http.client.HTTPConnection:
    url = urlsplit(gateway)
    host, port = url.hostname or "127.0.0.1", url.port
    if url.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=NETWORK_TIMEOUT)
    # The gateway on this machine, found by its own file: its certificate names its public host.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=NETWORK_TIMEOUT, context=context)
