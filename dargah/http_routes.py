"""
What can be asked over HTTP, and by whom.

    POST /ussd             an aggregator's form, answered in plain text
    POST /v1/eligibility   a provider's system, in JSON
    GET  /healthz          this process is alive
    GET  /readyz           each component's state
    GET  /metrics          on a port of its own
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import parse_qsl

from api.exchange import ApiReply, ApiRequest, refusal
from config.http_settings import HttpSettings
from dargah.guard import address_of, admitted, caller, ussd_admitted
from dargah.http_request import (
    PLAIN,
    UNAVAILABLE,
    HttpRequest,
    Reply,
    Route,
    as_http,
    in_plain,
)
from dargah.metrics import CONTENT_TYPE, Metrics
from telecom.msisdn import Msisdn
from ussd.aggregator import Body
from ussd.sessions import Told

OK = "ok"
READY_WITHOUT = frozenset({"cache servers", "registry", "journal", "changes"})
"""Components that are shown and do not count: people are answered all the same, and all gateways
lack them at once, so that there is no better one to send people to."""

FORM = "application/x-www-form-urlencoded"
FIELDS = 32

FORBIDDEN = as_http(refusal(403, "forbidden", "This address is not for you."))
NOT_A_FORM = as_http(
    refusal(400, "bad_request", f"The body must be {FORM} in UTF-8, each field once.")
)


@dataclass(frozen=True, slots=True)
class Edges:
    """What stands behind the HTTP port.

    `ussd` takes a form's fields and gives status and text; `ussd_sorry` is what is read on the
    phone when it fails or is late ("END ..."). `untold`, if given, takes an answer for which
    nobody waits any more, and whose it is. `ready` gives each component's state: "ok", or
    why not.
    """

    ussd: Callable[[Mapping[str, str]], Awaitable[Body]]
    ussd_sorry: str
    api: Callable[[ApiRequest], Awaitable[ApiReply]]
    ready: Callable[[], Awaitable[Mapping[str, str]]]
    parts: frozenset[str] = frozenset({"ussd", "http"})
    """Which of /ussd ("ussd") and the provider API ("http") are served here."""
    untold: Callable[[Msisdn, Told], object] | None = None


def routes(settings: HttpSettings, edges: Edges) -> dict[str, Route]:
    """The public port's routes, by path."""

    async def ussd(request: HttpRequest) -> Reply:
        address = caller(
            request.peer,
            request.headers.get("x-forwarded-for"),
            behind_proxy=settings.behind_proxy,
        )
        if not ussd_admitted(settings, address, request.headers.get("x-dargah-secret")):
            return in_plain(FORBIDDEN)
        fields = form(request)
        if fields is None:
            return in_plain(NOT_A_FORM)
        body = await edges.ussd(fields)
        reply = Reply(body.status, body.text.encode(), PLAIN)
        if edges.untold is None or body.told is None:
            return reply
        return replace(reply, unwritten=partial(edges.untold, *body.told))

    async def eligibility(request: HttpRequest) -> Reply:
        headers = request.headers
        asked = ApiRequest(
            authorization=headers.get("authorization"),
            idempotency_key=headers.get("idempotency-key"),
            body=request.body,
        )
        return as_http(await edges.api(asked))

    async def healthz(_: HttpRequest) -> Reply:
        return _json(200, {"status": OK})

    async def readyz(_: HttpRequest) -> Reply:
        components = dict(await edges.ready())
        ready = all(state == OK for name, state in components.items() if name not in READY_WITHOUT)
        return _json(200 if ready else 503, {"ready": ready, "components": components})

    sorry = Reply(200, edges.ussd_sorry.encode(), PLAIN)
    served = {
        "/healthz": Route("healthz", "GET", healthz, UNAVAILABLE),
        "/readyz": Route("readyz", "GET", readyz, UNAVAILABLE),
    }
    if "ussd" in edges.parts:
        served["/ussd"] = Route(
            "ussd", "POST", ussd, sorry, plain=True, goes_on=edges.untold is not None
        )
    if "http" in edges.parts:
        served["/v1/eligibility"] = Route("eligibility", "POST", eligibility, UNAVAILABLE)
    return served


def metrics_routes(settings: HttpSettings, metrics: Metrics) -> dict[str, Route]:
    """The metrics port's only route, by path."""

    async def scrape(request: HttpRequest) -> Reply:
        if not admitted(address_of(request.peer), settings.metrics_networks):
            return FORBIDDEN
        return Reply(200, metrics.render(), CONTENT_TYPE)

    return {"/metrics": Route("metrics", "GET", scrape, UNAVAILABLE)}


def form(request: HttpRequest) -> dict[str, str] | None:
    """The fields of a URL-encoded form, or None for anything else.

    At most FIELDS of them, each once: of two sessionIds nobody could say which is meant.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        return None
    try:
        pairs = parse_qsl(
            request.body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FIELDS,
        )
    except ValueError:
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


def _json(status: int, body: Mapping[str, object]) -> Reply:
    return Reply(status, json.dumps(body, ensure_ascii=False).encode())
