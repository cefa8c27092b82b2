"""Where a bind connects to: TLS that checks whom it speaks to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import ConfigError
from dargah.smpp_endpoint import endpoint_of, is_loopback
from smpp.codec import decode, encode
from smpp.events import Answered
from smpp.framing import Framer
from smpp.pdu import Bind, BindResp, SubmitSm, SubmitSmResp, Unbind, UnbindResp
from state.link import Redis
from tests.redis_server import RunningRedis
from tests.smpp_gateway import BIND, SMS, gateway, play, until
from tests.smpp_service import loop_reactor
from tests.tls_pair import tls_pair

pytest.importorskip("OpenSSL", reason="Twisted's TLS needs pyOpenSSL")


@pytest.fixture(scope="module", name="pair")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    return tls_pair(tmp_path_factory.mktemp("tls"))


async def _smsc(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes every bind and every message."""
    framer = Framer()
    while data := await reader.read(4096):
        for frame in framer.frames(data):
            match decode(frame):
                case Bind(sequence, bind_type):
                    writer.write(encode(BindResp(sequence, bind_type, 0, "tls")))
                case SubmitSm(sequence):
                    writer.write(encode(SubmitSmResp(sequence, 0, "id")))
                case Unbind(sequence):
                    writer.write(encode(UnbindResp(sequence)))
    writer.close()


@asynccontextmanager
async def tls_smsc(pair: tuple[Path, Path]) -> AsyncIterator[int]:
    """An SMSC behind TLS; its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)
    server = await asyncio.start_server(_smsc, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_a_bind_over_tls(server: RunningRedis, pair: tuple[Path, Path]) -> None:
    """A bind holds over TLS with the operator's own authority, and messages pass."""

    async def scenario(redis: Redis) -> None:
        async with tls_smsc(pair) as port:
            bind = replace(BIND, port=port, tls=True, tls_authority=str(pair[0]))
            async with gateway(redis, bind) as ours:
                await ours.bound("a-1")
                outcome = await ours.binds.submit("a", SMS)
                assert isinstance(outcome, Answered)
                assert outcome.accepted

    play(server, scenario)


def test_a_stranger_gets_no_password(server: RunningRedis, pair: tuple[Path, Path]) -> None:
    """Whoever cannot prove to be the SMSC is not bound to."""

    async def scenario(redis: Redis) -> None:
        async with tls_smsc(pair) as port:
            unproven = replace(BIND, port=port, tls=True)
            async with gateway(redis, unproven) as ours:
                states: list[str] = []

                def refused() -> bool:
                    states.append(ours.binds.ready()["smpp a-1"])
                    return len(set(states)) > 1 and states[-1] == "not connected"

                await until(refused)
                assert "ok" not in states

    play(server, scenario)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    """An authority that is not there, or none, stops the start with a sentence."""

    async def scenario() -> None:
        wrong = tmp_path / "wrong.pem"
        wrong.write_text("no certificate")
        async with loop_reactor() as reactor:
            for path, said in ((tmp_path / "none.pem", "cannot be read"), (wrong, "is no PEM")):
                with pytest.raises(ConfigError, match=said):
                    endpoint_of(reactor, replace(BIND, tls=True, tls_authority=str(path)))
            endpoint_of(reactor, replace(BIND, host="smsc.example", port=2775))
            endpoint_of(reactor, replace(BIND, host="::1", port=2775))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a.b", False)],
)
def test_what_stays_on_this_machine(host: str, loopback: bool) -> None:
    """Only what leaves this machine without TLS is worth a warning."""
    assert is_loopback(host) is loopback
