"""A whole gateway when Redis fails, call by call; and when anything at all is sent to it."""

import asyncio
import json
import random
import secrets
import socket
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlencode, urlsplit

import pytest

from api.exchange import ApiRequest
from api.keys import SCOPES, ApiKeys
from config.redis_settings import RedisSettings
from config.settings import Settings, read_settings
from dargah.dialogue_of_settings import own_version
from dargah.metrics import Metrics
from dargah.screen_reader import read_back
from dargah.wiring import Gateway, clock, gateway_of
from eligibility.load import LoadOptions, load
from eligibility.tracking_code import is_code
from eligibility.verdict import Outcome
from state.commands import Commands
from state.link import Redis, open_redis
from state.stores import Stores, open_stores
from tests.gateway_process import GatewayProcess, running_gateway
from tests.redis_server import FailsAt, RunningRedis

COVERED = "0012345679"
GONE = "1234567891"
UNKNOWN = "0076229645"
TRUTH = {
    COVERED: Outcome.COVERED,
    GONE: Outcome.NOT_COVERED,
    UNKNOWN: Outcome.NOT_FOUND,
}
PEOPLE = f"""national_id,status,valid_until,kind,branch,updated_at
{COVERED},active,2090-03-20,main,7,2026-01-01T00:00:00+03:30
{GONE},inactive,2020-03-20,main,7,2026-01-01T00:00:00+03:30
"""
NO_VERDICT = ("سامانه اکنون پاسخگو نیست", "پاسخ آماده نشد", "زمان این گفت‌وگو به پایان رسید")
"""What may be told besides an outcome when Redis fails: try again."""


async def loaded(server: RunningRedis, folder: Path) -> Redis:
    """An emptied Redis with the people in it."""
    redis = await open_redis(server.address, name="test", timeout=5)
    await redis.send("FLUSHALL")
    csv = folder / "people.csv"
    csv.write_text(PEOPLE)
    options = LoadOptions(as_of=clock() - timedelta(seconds=1))
    await load(csv, redis, redis, folder / "spool", clock=clock, options=options)
    return redis


def gateway_over(commands: Commands, settings: Settings) -> Gateway:
    """A gateway as it is wired for service, both roles on these commands."""
    stores = cast("Stores", SimpleNamespace(cache=commands, state=commands))
    metrics = Metrics()
    return gateway_of(
        stores,
        settings,
        observer=metrics,
        turned=metrics.ussd_turn,
        registry_events=metrics.registry,
    )


def settings_in(folder: Path) -> Settings:
    """The defaults, with a data folder of the test's."""
    return replace(read_settings(None, {}), data_folder=folder)


@pytest.mark.parametrize("person", TRUTH)
def test_whichever_call_fails_a_phone_is_told_the_truth(
    server: RunningRedis, tmp_path: Path, person: str
) -> None:
    """Whichever call to Redis fails, the caller reads the right outcome or to try again."""
    settings = settings_in(tmp_path)
    version = own_version(settings)
    tree, phrases = version.tree, version.phrases

    async def dial(commands: Commands) -> list[str]:
        """Every screen of one call, by menu, each sent as a network does."""
        gateway = gateway_over(commands, settings)
        session, screens = secrets.token_hex(4), []
        for text in ("", "1", f"1*{person}"):
            form = {
                "sessionId": session,
                "serviceCode": "*4*1420#",
                "phoneNumber": "+989120000001",
                "text": text,
            }
            status, screen, _ = await gateway.aggregator.answer(form)
            assert status == 200
            screens.append(screen)
            if screen.startswith("END"):
                break
        return screens

    async def run() -> int:
        redis = await loaded(server, tmp_path)
        try:
            for n in count(1):
                failing = FailsAt(redis, n)
                last = (await dial(failing))[-1]
                seen = read_back(tree, phrases, last[4:])
                if seen is None:
                    assert any(words in last for words in NO_VERDICT), last
                    assert failing.tripped
                else:
                    assert seen.outcome in (TRUTH[person], Outcome.CANNOT_CHECK), last
                    assert seen.code is not None
                    assert is_code(seen.code)
                    assert failing.tripped or seen.outcome is TRUTH[person]
                if not failing.tripped:
                    return n
        finally:
            await redis.close()
        raise AssertionError

    assert asyncio.run(run()) > 6


@pytest.mark.parametrize("person", TRUTH)
def test_whichever_call_fails_a_provider_is_told_the_truth(
    server: RunningRedis, tmp_path: Path, person: str
) -> None:
    """Whichever call to Redis fails, a provider reads the right outcome, CANNOT_CHECK or 503."""
    settings = settings_in(tmp_path)

    async def run() -> int:
        redis = await loaded(server, tmp_path)
        try:
            key = await ApiKeys(redis).create("test", SCOPES, secrets.token_bytes, clock())
            body = json.dumps({"national_id": person}).encode()
            request = ApiRequest(f"Bearer {key}", None, body)
            for n in count(1):
                failing = FailsAt(redis, n)
                reply = await gateway_over(failing, settings).api.answer(request)
                if reply.status == 503:
                    assert failing.tripped
                else:
                    assert reply.status == 200
                    assert reply.body["outcome"] in (TRUTH[person], Outcome.CANNOT_CHECK)
                    assert is_code(str(reply.body["tracking_code"]))
                    assert failing.tripped or reply.body["outcome"] == TRUTH[person]
                if not failing.tripped:
                    return n
        finally:
            await redis.close()
        raise AssertionError

    assert asyncio.run(run()) > 3


def test_anything_may_be_sent_and_nothing_leaks(tmp_path: Path) -> None:
    """Random octets and random forms leave no descriptor open and no session without an end."""
    draw = random.Random(1420)
    csv = tmp_path / "people.csv"
    csv.write_text(PEOPLE)
    with running_gateway() as gateway:
        assert gateway.run("load", str(csv)).returncode == 0
        before = descriptors(gateway)
        place = urlsplit(gateway.http)
        address = (place.hostname or "", place.port or 0)
        for n in range(2000):
            if n % 2:
                with socket.create_connection(address, timeout=20) as peer:
                    peer.sendall(draw.randbytes(draw.randrange(1, 300)))
            else:
                post_form(gateway, draw)
        done = gateway.run("dial", f"*4*1420*1*{COVERED}#")
        assert "برقرار است" in done.stdout
        # Closed sockets are noticed when the loop next looks; a request later they are gone.
        assert any(descriptors(gateway) <= before + 2 for _ in range(100))
        ttls = asyncio.run(session_ttls(gateway.folder))
        assert ttls
        assert all(0 < ttl <= 180_000 for ttl in ttls)


def descriptors(gateway: GatewayProcess) -> int:
    """How many descriptors the gateway has open."""
    return len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))


def post_form(gateway: GatewayProcess, draw: random.Random) -> None:
    """A USSD request with some fields right and others not."""
    alphabet = "0123456789*#۰۹ab \u200f\x00é"
    fields = {
        name: draw.choice(
            (right, "".join(draw.choices(alphabet, k=draw.randrange(40))), right * 400)
        )
        for name, right in (
            ("sessionId", "a1"),
            ("serviceCode", "*4*1420#"),
            ("phoneNumber", "+989120000001"),
            ("text", f"1*{COVERED}"),
        )
    }
    place = urlsplit(gateway.http)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=20)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/ussd", urlencode(fields), headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 400, 413)
        assert answer.status != 200 or body[:4] in (b"CON ", b"END ")
    except (HTTPException, ConnectionError):
        pytest.fail("a form was not answered")
    finally:
        connection.close()


async def session_ttls(folder: Path) -> list[int]:
    """Milliseconds that each USSD session is still kept."""

    stores = await open_stores(RedisSettings(), folder)
    try:
        keys = await stores.state.send("KEYS", "ussd:*")
        return [await stores.state.send("PTTL", key) for key in keys]
    finally:
        await stores.close()
