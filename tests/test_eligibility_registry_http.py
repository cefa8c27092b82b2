"""The registry over HTTP, before a server of the standard library that a test can predict."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from eligibility.national_id import NationalId
from eligibility.registry import FaultKind, RegistryFault
from eligibility.registry_http import MAX_ANSWER, HttpPlace, HttpRegistry
from eligibility.verdict import Record
from tests.loading import NOW, national
from tests.registry_stub import GIVEN, RECORD
from tests.tls_pair import tls_pair

SOMEBODY, NOBODY = NationalId.parse(national(1)), NationalId.parse(national(2))
SECRET = "canary-of-the-registry-31"
PERSON = {"national_id": SOMEBODY.digits, **GIVEN}
UNKNOWN = {"national_id": SOMEBODY.digits, "error": "unknown person"}
Answer = tuple[int, bytes, dict[str, str]]


class Server(ThreadingHTTPServer):
    """Answers each request with what `answer` makes of it; keeps what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[bytes], Answer] = lambda _: (500, b"", {})
        self.cut: int | None = None
        self.connections = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away makes no noise."""

    def told(self, status: int, told: object, **headers: str) -> None:
        """From now on answer so."""
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.answer = lambda _: (status, body, headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, dict(self.headers), body))
        status, answer, headers = self.server.answer(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(answer[: self.server.cut])
        if self.server.cut is not None:
            self.close_connection = True

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """It keeps quiet."""


@contextmanager
def serving(tls: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """A server in a thread; with a certificate and its key, over TLS."""
    server = Server()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    return tls_pair(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests here."""
    with serving() as running:
        yield running


def place(server: Server, scheme: str = "http") -> HttpPlace:
    """Where it is."""
    return HttpPlace(f"{scheme}://127.0.0.1:{server.server_port}/people", SECRET)


def asked(
    play: Callable[[HttpRegistry], Coroutine[Any, Any, Any]],
    where: HttpPlace,
    connections: int = 2,
) -> Any:
    """What comes of asking a registry."""

    async def run() -> Any:
        registry = HttpRegistry(where, connections=connections, clock=lambda: NOW)
        try:
            async with asyncio.timeout(20):
                return await play(registry)
        finally:
            await registry.close()

    return asyncio.run(run())


async def somebody(registry: HttpRegistry) -> Record | None:
    """Ask about one person."""
    return await registry.person(SOMEBODY)


def test_asked_and_answered(server: Server) -> None:
    """A person is found or unknown; the ID is in the body alone, and the secret in its header."""
    server.came.clear()
    server.told(200, PERSON | {"more": "is passed over"})
    assert asked(somebody, place(server)) == RECORD
    server.told(404, UNKNOWN)
    assert asked(somebody, place(server)) is None
    (path, headers, body), _ = server.came
    assert path == "/people"
    assert json.loads(body) == {"national_id": SOMEBODY.digits}
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"
    assert SOMEBODY.digits not in str(headers)


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (404, b"<html>Not Found</html>", FaultKind.STRANGE),
        (404, {"error": "not found"}, FaultKind.STRANGE),
        (404, {"error": "unknown person"}, FaultKind.STRANGE),
        (404, UNKNOWN | {"national_id": NOBODY.digits}, FaultKind.STRANGE),
        (404, PERSON, FaultKind.STRANGE),
        (404, b"", FaultKind.STRANGE),
        (200, UNKNOWN, FaultKind.UNREADABLE),
        (200, PERSON | {"national_id": NOBODY.digits}, FaultKind.STRANGE),
        (200, b"<html>Please log in</html>", FaultKind.STRANGE),
        (200, b"", FaultKind.STRANGE),
        (200, b"null", FaultKind.STRANGE),
        (200, b"[" * 10_000, FaultKind.STRANGE),
        (200, b" " * MAX_ANSWER + json.dumps(PERSON).encode(), FaultKind.STRANGE),
        (200, PERSON | {"status": "unknown"}, FaultKind.UNREADABLE),
        (200, {k: v for k, v in PERSON.items() if k != "valid_until"}, FaultKind.UNREADABLE),
        (204, b"", FaultKind.STRANGE),
        (401, {"error": "unknown person"}, FaultKind.STRANGE),
        (410, UNKNOWN, FaultKind.STRANGE),
        (429, UNKNOWN, FaultKind.STRANGE),
        (500, PERSON, FaultKind.AWAY),
        (503, UNKNOWN, FaultKind.AWAY),
    ],
)
def test_everything_else_is_a_fault(
    server: Server, status: int, told: object, kind: FaultKind
) -> None:
    """Only a registry's own word makes somebody unknown: no proxy's page, no wrong key."""
    server.told(status, told)
    with pytest.raises(RegistryFault) as caught:
        asked(somebody, place(server))
    assert caught.value.kind is kind
    for canary in (SECRET, SOMEBODY.digits, NOBODY.digits):
        assert canary not in repr(caught.value)


def test_no_redirect_is_followed(server: Server) -> None:
    """The ID and the secret go nowhere but to the address that is set."""
    with serving() as other:
        other.told(404, UNKNOWN)
        for status in (301, 302, 307, 308):
            server.told(status, b"", Location=f"http://127.0.0.1:{other.server_port}/people")
            with pytest.raises(RegistryFault) as caught:
                asked(somebody, place(server))
            assert caught.value.kind is FaultKind.STRANGE
        assert other.came == []


def test_what_is_packed_is_not_unpacked(server: Server) -> None:
    """A small answer cannot grow to fill the memory."""
    server.told(200, PERSON, Content_Encoding="gzip")
    assert asked(somebody, place(server)) == RECORD


def test_cut_short_and_away(server: Server) -> None:
    """An answer cut short and a server that is not there are faults."""
    server.told(404, UNKNOWN)
    for cut in (0, 10, len(json.dumps(UNKNOWN)) - 1):
        server.cut = cut
        with pytest.raises(RegistryFault) as caught:
            asked(somebody, place(server))
        assert caught.value.kind is FaultKind.AWAY
    server.cut = None
    nowhere = replace(place(server), url="http://127.0.0.1:1/people")
    with pytest.raises(RegistryFault, match="ClientConnectorError"):
        asked(somebody, nowhere)


@given(st.binary(max_size=60))
@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_is_answered(server: Server, body: bytes) -> None:
    """Whatever a 200 or 404 holds, nobody is unknown by it who was not said to be."""
    for status in (200, 404):
        server.told(status, body)
        with pytest.raises(RegistryFault):
            asked(somebody, place(server))


def test_few_connections(server: Server) -> None:
    """Many questions share the connections that are allowed, which stay open for the next."""
    server.connections = 0
    server.told(200, PERSON)

    async def play(registry: HttpRegistry) -> None:
        for _ in range(3):
            await asyncio.gather(*(registry.person(SOMEBODY) for _ in range(8)))

    asked(play, place(server), connections=2)
    assert 1 <= server.connections <= 2


def test_tls(pair: tuple[Path, Path]) -> None:
    """A certificate that nobody vouches for is refused, and so is one of another name."""
    with serving(pair) as server:
        server.told(200, PERSON)
        where = place(server, "https")
        trusted = replace(where, authority=pair[0])
        assert asked(somebody, trusted) == RECORD
        elsewhere = replace(trusted, url=where.url.replace("127.0.0.1", "localhost"))
        for wrong in (where, elsewhere):
            with pytest.raises(RegistryFault, match="Certificate"):
                asked(somebody, wrong)
        assert len(server.came) == 1


def test_proved_by_asking_about_nobody(server: Server) -> None:
    """A check asks for 0000000000, which is no ID, and a registry must not know it."""

    async def prove(registry: HttpRegistry) -> None:
        await registry.prove()

    nobody = UNKNOWN | {"national_id": "0000000000"}
    server.told(404, nobody)
    asked(prove, place(server))
    for status, told in ((200, PERSON | {"national_id": "0000000000"}), (404, b"no"), (500, b"")):
        server.told(status, told)
        with pytest.raises(RegistryFault):
            asked(prove, place(server))


def test_its_name_holds_no_secret() -> None:
    """What is shown of an address is where it is."""
    registry = HttpRegistry(
        HttpPlace(f"https://registry.example:8443/{SECRET}?k={SECRET}", SECRET),
        connections=1,
        clock=lambda: NOW,
    )
    assert registry.name == "https://registry.example:8443"
    assert SECRET not in repr(HttpPlace(f"https://registry.example/?k={SECRET}", SECRET))
