"""The provider's endpoint: real keys in a real Redis, and answers that the test decides."""

import asyncio
import json
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.eligibility import EligibilityApi
from api.exchange import ApiReply, ApiRequest
from api.keys import DETAILS, ELIGIBILITY, ApiKeys, Key
from eligibility.answer import Answer, Asker, OverBudget, RetryKeyReused
from eligibility.verdict import CANNOT_CHECK, INVALID_ID, Kind, Outcome, Source, Verdict
from state.keyed_hash import KeyedHash
from state.link import open_redis
from telecom.channel import Channel
from tests.redis_server import FailsAt, RunningRedis

PERSON = "0012345679"
CODE = "48305172606"
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=3, minutes=30)))
COVERED = Verdict(
    Outcome.COVERED,
    as_of=NOON,
    source=Source.CACHE,
    valid_until=date(2027, 3, 20),
    kind=Kind.PENSIONER,
    branch=12,
)
FOUND = Answer(COVERED, CODE)
KEY = Key("00000000", "Pharmacy", frozenset({ELIGIBILITY}), NOON, None)
REQUEST = ApiRequest(
    authorization=None,
    idempotency_key=None,
    body=json.dumps({"national_id": PERSON}).encode(),
)


@dataclass
class Inquiries:
    """An Inquirer that says what it was told to, and keeps what it was asked."""

    says: Answer | OverBudget | Exception = FOUND
    asked: list[tuple[str, Asker, Channel, str | None]] = field(default_factory=list)

    async def inquire(
        self, national_id: str, asker: Asker, channel: Channel, *, retry_key: str | None = None
    ) -> Answer | OverBudget:
        """As Inquirer.inquire."""
        self.asked.append((national_id, asker, channel, retry_key))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class OneKey(ApiKeys):
    """Keys of which one is always shown."""

    def __init__(self, key: Key | None) -> None:
        self._key = key

    async def check(self, authorization: str | None) -> Key | None:
        """As ApiKeys.check."""
        return self._key


def ask(
    request: ApiRequest = REQUEST, key: Key | None = KEY, inquiries: Inquiries | None = None
) -> ApiReply:
    """One request, by who holds this key."""
    api = EligibilityApi(OneKey(key), inquiries or Inquiries(), KeyedHash(b"k" * 32))
    return asyncio.run(api.answer(request))


def code_of(reply: ApiReply) -> str:
    """The code of an error, once its shape is found right."""
    body = json.loads(reply.encoded())
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    return str(body["error"]["code"])


PLAIN = {
    "outcome": "COVERED",
    "valid_until": "2027-03-20",
    "not_covered_since": None,
    "as_of": "2026-11-21T12:00:00+03:30",
    "stale": False,
    "source": "cache",
    "tracking_code": CODE,
}
NOTHING = dict.fromkeys(PLAIN) | {"stale": False}


@pytest.mark.parametrize(
    ("verdict", "code", "expected"),
    [
        (COVERED, CODE, PLAIN),
        (replace(COVERED, stale=True), CODE, PLAIN | {"stale": True}),
        (replace(COVERED, valid_until=None), CODE, PLAIN | {"valid_until": None}),
        (
            replace(
                COVERED,
                outcome=Outcome.NOT_COVERED,
                valid_until=None,
                not_covered_since=date(2026, 1, 1),
                source=Source.REGISTRY,
            ),
            CODE,
            PLAIN
            | {
                "outcome": "NOT_COVERED",
                "valid_until": None,
                "not_covered_since": "2026-01-01",
                "source": "registry",
            },
        ),
        (
            Verdict(Outcome.PENDING_PAYMENT, NOON, Source.CACHE),
            CODE,
            PLAIN | {"outcome": "PENDING_PAYMENT", "valid_until": None},
        ),
        (
            Verdict(Outcome.NOT_FOUND, NOON, Source.CACHE),
            CODE,
            PLAIN | {"outcome": "NOT_FOUND", "valid_until": None},
        ),
        (INVALID_ID, None, NOTHING | {"outcome": "INVALID_ID"}),
        (CANNOT_CHECK, CODE, NOTHING | {"outcome": "CANNOT_CHECK", "tracking_code": CODE}),
    ],
)
def test_every_outcome_is_an_answer(
    verdict: Verdict, code: str | None, expected: dict[str, object]
) -> None:
    """All six outcome classes are a 200, with the contract's seven keys and no others."""
    reply = ask(inquiries=Inquiries(Answer(verdict, code)))
    assert reply.status == 200
    assert json.loads(reply.encoded()) == expected


@pytest.mark.parametrize(("kind", "branch"), [(Kind.PENSIONER, 12), (None, None)])
def test_details_go_to_keys_with_the_scope(kind: Kind | None, branch: int | None) -> None:
    """Kind of insurance and branch are told to those who may know them, and to nobody else."""
    inquiries = Inquiries(Answer(replace(COVERED, kind=kind, branch=branch), CODE))
    scoped = replace(KEY, scopes=frozenset({ELIGIBILITY, DETAILS}))
    reply = ask(key=scoped, inquiries=inquiries)
    assert json.loads(reply.encoded()) == PLAIN | {"kind": kind and kind.value, "branch": branch}
    assert json.loads(ask(inquiries=inquiries).encoded()) == PLAIN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"0012345679"',
        b"{}",
        b'{"national_id": null}',
        b'{"national_id": 12345679}',
        b'{"national_id": ["0012345679"]}',
        b'{"national_id": "0012345679"',
        b'{"national_id": "0012345679"} x',
        b'{"national_id": "0012345679", "x": NaN}',
        b'{"national_id": "0012345679", "x": -Infinity}',
        b'{"national_id": "0012345679", "national_id": "1234567891"}',
        b'{"national_id": "\\ud800"}',
        b'{"national_id": "\xff"}',
        b'\xef\xbb\xbf{"national_id": "0012345679"}',
        '{"national_id": "0012345679"}'.encode("utf-16"),
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b"9" * 16_000,
    ],
)
def test_what_is_not_such_an_object_is_refused(body: bytes) -> None:
    """What could be misread is not read, and the refusal repeats nothing of it."""
    inquiries = Inquiries()
    reply = ask(replace(REQUEST, body=body), inquiries=inquiries)
    assert (reply.status, code_of(reply)) == (400, "bad_request")
    assert PERSON not in reply.encoded().decode()
    assert not inquiries.asked


def test_the_id_is_passed_on_as_it_was_sent() -> None:
    """Persian digits, dashes and nonsense are for the inquiry to judge; extra names are ignored."""
    for typed in ("۰۰۱۲۳۴۵۶۷۹", "001-234567-9", "", "x" * 10_000):
        inquiries = Inquiries()
        body = json.dumps({"national_id": typed, "ward": {"bed": 3}}).encode()
        assert ask(replace(REQUEST, body=body), inquiries=inquiries).status == 200
        assert [asked[0] for asked in inquiries.asked] == [typed]
        assert inquiries.asked[0][2] is Channel.API


def test_the_asker_is_a_hash_of_the_key() -> None:
    """Below the edge nobody learns the key's ID, and each key has a budget of its own."""
    inquiries = Inquiries()
    ask(inquiries=inquiries)
    ask(inquiries=inquiries, key=replace(KEY, name="renamed"))
    ask(inquiries=inquiries, key=replace(KEY, id="11111111"))
    first, again, other = (asked[1] for asked in inquiries.asked)
    assert first == again != other
    assert KEY.id not in first.token


def test_a_retry_is_known_by_its_key_and_its_asker() -> None:
    """The same Idempotency-Key is the same retry to one asker, and another's to another."""
    inquiries = Inquiries()
    request = replace(REQUEST, idempotency_key="order 7 of 0012345679")
    ask(request, inquiries=inquiries)
    ask(request, inquiries=inquiries)
    ask(request, inquiries=inquiries, key=replace(KEY, id="11111111"))
    ask(inquiries=inquiries)
    first, again, other, without = (asked[3] for asked in inquiries.asked)
    assert first is not None
    assert first == again != other
    assert without is None
    assert PERSON not in first


@pytest.mark.parametrize(
    ("value", "status"),
    [("k", 200), ("~" * 255, 200), ("", 400), ("~" * 256, 400), ("a\tb", 400), ("\xe9", 400)],
)
def test_an_idempotency_key_is_bounded(value: str, status: int) -> None:
    """1 to 255 printable ASCII characters; anything else is refused, not cut short."""
    assert ask(replace(REQUEST, idempotency_key=value)).status == status


def test_refusals_have_their_own_status() -> None:
    """Each reason for no answer is told apart, and says when to come back where that helps."""
    reply = ask(key=None)
    assert (reply.status, code_of(reply)) == (401, "unauthorized")
    assert dict(reply.headers) == {"WWW-Authenticate": "Bearer"}
    reply = ask(key=replace(KEY, revoked=NOON))
    assert (reply.status, code_of(reply)) == (403, "forbidden")
    reply = ask(key=replace(KEY, scopes=frozenset({DETAILS})))
    assert (reply.status, code_of(reply)) == (403, "forbidden")
    reply = ask(inquiries=Inquiries(RetryKeyReused()))
    assert (reply.status, code_of(reply)) == (409, "idempotency_key_reused")
    for seconds, said in ((0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (59.5, "60")):
        reply = ask(inquiries=Inquiries(OverBudget(seconds)))
        assert (reply.status, code_of(reply)) == (429, "too_many_requests")
        assert dict(reply.headers) == {"Retry-After": said}


def test_a_stranger_learns_nothing_of_what_is_wrong_with_the_rest() -> None:
    """Without a key, a broken body is a 401 like any other."""
    assert ask(replace(REQUEST, body=b"{", idempotency_key=""), key=None).status == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["national_id", "a"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(
    st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    st.none() | st.text(max_size=300),
)
def test_any_request_is_answered(body: bytes, idempotency_key: str | None) -> None:
    """Whatever a system with a key sends, it gets an answer or a 400, and never a fault of ours."""
    inquiries = Inquiries()
    request = ApiRequest("Bearer x", idempotency_key, body)
    reply = ask(request, inquiries=inquiries)
    assert reply.status in {200, 400}
    assert (reply.status == 200) == bool(inquiries.asked)
    json.loads(reply.encoded())
    for national_id, *_ in inquiries.asked:
        national_id.encode()


def test_with_real_keys(server: RunningRedis) -> None:
    """A key that was made opens, a wrong or revoked one does not, and without Redis it is a 503."""

    async def main() -> None:
        link = await open_redis(server.address, name="test")
        keys = ApiKeys(link)
        hashes = KeyedHash(b"k" * 32)
        token = await keys.create("Pharmacy", [ELIGIBILITY], secrets.token_bytes, datetime.now(UTC))
        request = replace(REQUEST, authorization=f"Bearer {token}")
        assert (await EligibilityApi(keys, Inquiries(), hashes).answer(request)).status == 200
        failing = EligibilityApi(ApiKeys(FailsAt(link, 1)), Inquiries(), hashes)
        reply = await failing.answer(request)
        assert (reply.status, code_of(reply)) == (503, "unavailable")
        assert int(dict(reply.headers)["Retry-After"]) > 0
        assert (await failing.answer(request)).status == 200
        await keys.revoke(token[3:11], datetime.now(UTC))
        api = EligibilityApi(keys, Inquiries(), hashes)
        assert (await api.answer(request)).status == 403
        wrong = replace(request, authorization=f"Bearer {token[:-1]}!")
        assert (await api.answer(wrong)).status == 401
        assert (await api.answer(REQUEST)).status == 401
        await link.close()

    asyncio.run(main())


def test_a_request_and_a_reply_show_nothing() -> None:
    """Neither a key nor an ID nor a verdict is shown where a request or a reply is logged."""
    request = replace(REQUEST, authorization="Bearer dg_secret", idempotency_key=PERSON)
    shown = repr((request, ask(request)))
    assert not re.search(f"dg_secret|{PERSON}|COVERED", shown)
