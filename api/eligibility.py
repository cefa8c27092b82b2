"""
The provider's endpoint, without HTTP: a request in, a reply out.

Every outcome class is a 200: a pharmacy that reads INVALID_ID or CANNOT_CHECK has its answer.
503 is for when not even that can be given, because the key cannot be checked.
"""

import json
import math
import re

import structlog

from api.exchange import ApiReply, ApiRequest, refusal
from api.keys import DETAILS, ELIGIBILITY, ApiKeys, Key
from eligibility.answer import Answer, Asker, Inquirer, OverBudget, RetryKeyReused
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash
from telecom.channel import Channel

RETRY_KEY = re.compile(r"[ -~]{1,255}")
RETRY_AFTER_FAULT = 5
"""Seconds after which a system may ask again when keys cannot be read."""

log = structlog.get_logger(__name__)


class BadRequest(ValueError):
    """The request is not the JSON object that the contract asks for; the text says why."""


class EligibilityApi:
    """`POST /v1/eligibility` for systems that hold a key."""

    def __init__(self, keys: ApiKeys, inquirer: Inquirer, keyed_hash: KeyedHash) -> None:
        self._keys = keys
        self._inquirer = inquirer
        self._keyed_hash = keyed_hash

    async def answer(self, request: ApiRequest) -> ApiReply:
        """Check the key, then the request, then ask. Raises only what the inquirer should not."""
        try:
            key = await self._keys.check(request.authorization)
        except (Unavailable, ReplyError) as error:
            log.error("api_keys_unreadable", error=type(error).__name__)
            return refusal(
                503,
                "unavailable",
                "Keys cannot be checked now; try again.",
                Retry_After=str(RETRY_AFTER_FAULT),
            )
        if key is None:
            return refusal(
                401, "unauthorized", "A valid API key is needed.", WWW_Authenticate="Bearer"
            )
        if key.revoked is not None:
            return refusal(403, "forbidden", "This API key has been revoked.")
        if ELIGIBILITY not in key.scopes:
            return refusal(403, "forbidden", "This API key may not ask for eligibility.")
        try:
            national_id = _national_id(request)
            retry_key = self._retry_key(request.idempotency_key, key)
        except BadRequest as error:
            return refusal(400, "bad_request", str(error))
        return await self._inquire(key, national_id, retry_key)

    async def _inquire(self, key: Key, national_id: str, retry_key: str | None) -> ApiReply:
        asker = Asker(self._keyed_hash.of("api_key", key.id), api_key=key.id)
        try:
            found = await self._inquirer.inquire(
                national_id, asker, Channel.API, retry_key=retry_key
            )
        except RetryKeyReused:
            return refusal(
                409, "idempotency_key_reused", "This Idempotency-Key was used for another request."
            )
        if isinstance(found, OverBudget):
            return refusal(
                429,
                "too_many_requests",
                "This API key has asked too often; wait before asking again.",
                Retry_After=str(max(1, math.ceil(found.retry_after))),
            )
        return ApiReply(200, _body(found, details=DETAILS in key.scopes))

    def _retry_key(self, given: str | None, key: Key) -> str | None:
        if given is None:
            return None
        if not RETRY_KEY.fullmatch(given):
            raise BadRequest("An Idempotency-Key is 1 to 255 printable ASCII characters.")
        return self._keyed_hash.of("retry_key", f"{key.id} {given}")


def _national_id(request: ApiRequest) -> str:
    try:
        sent = json.loads(
            request.body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refused
        )
    except (ValueError, RecursionError):
        # The cause quotes the body, which may hold an ID: it must not be chained or repeated.
        raise BadRequest("The body must be one JSON object in UTF-8, each name once.") from None
    national_id = sent.get("national_id") if isinstance(sent, dict) else None
    if not isinstance(national_id, str):
        raise BadRequest('The body must be a JSON object with a string "national_id".')
    # JSON can spell half a surrogate pair, which no encoding can carry further.
    if any("\ud800" <= character <= "\udfff" for character in national_id):
        raise BadRequest('"national_id" holds half a surrogate pair.')
    return national_id


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("a name occurs twice")
    return named


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _body(found: Answer, *, details: bool) -> dict[str, object]:
    verdict = found.verdict
    body: dict[str, object] = {
        "outcome": verdict.outcome.value,
        "valid_until": verdict.valid_until and verdict.valid_until.isoformat(),
        "not_covered_since": verdict.not_covered_since and verdict.not_covered_since.isoformat(),
        "as_of": verdict.as_of and verdict.as_of.isoformat(timespec="seconds"),
        "stale": verdict.stale,
        "source": verdict.source and verdict.source.value,
        "tracking_code": found.tracking_code,
    }
    if details:
        body["kind"] = verdict.kind and verdict.kind.value
        body["branch"] = verdict.branch
    return body
