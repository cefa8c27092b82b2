"""What the HTTP port answers, seen by a client that is not ours."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import pytest

from tests.http_server import CANARY, SORRY, Server, http_server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "a-secret-of-some-length"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the settings as shipped."""
    with http_server() as running:
        yield running


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | str = b"",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """One request on a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request(method, path, body, dict(headers or {}))
    answer = client.getresponse()
    read = answer.read()
    client.close()
    return answer.status, answer.headers, read


def test_an_aggregator_reads_plain_text_in_utf8(server: Server) -> None:
    """A turn comes as a form in UTF-8 and is answered as text in UTF-8."""
    status, headers, body = ask(
        server.port, "POST", "/ussd", urlencode({"text": "سلام 1*2", "sessionId": "7"}), FORM
    )
    assert (status, body.decode()) == (200, "CON سلام 1*2")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("text=1", {"Content-Type": "application/json"}),
        ("text=1", {}),
        ("text=%ff%fe", FORM),
        (b"text=\xff", FORM),
        ("text=1&text=2", FORM),
        ("&".join(f"f{n}=1" for n in range(40)), FORM),
    ],
)
def test_what_is_no_form_is_refused(
    server: Server, body: str | bytes, headers: Mapping[str, str]
) -> None:
    """A body that could be read in two ways, or in none, starts no session."""
    status, told, answer = ask(server.port, "POST", "/ussd", body, headers)
    assert (status, told["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert answer.startswith(b"The body must be ")


def test_a_provider_reaches_the_api_with_its_headers(server: Server) -> None:
    """The key, the retry key and the body arrive as they were sent."""
    headers = {
        "Authorization": "Bearer x",
        "Idempotency-Key": "k",
        "Content-Type": "application/json",
    }
    status, _, body = ask(server.port, "POST", "/v1/eligibility", b"{}", headers)
    assert status == 200
    assert json.loads(body) == {
        "authorization": "Bearer x",
        "idempotency_key": "k",
        "octets": 2,
    }


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Content-Type"])
def test_a_header_that_may_occur_once_is_refused_twice(server: Server, name: str) -> None:
    """Of two keys nobody could say which is meant, so neither is used."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for path, media_type in (("/v1/eligibility", "application/json"), ("/ussd", "text/plain")):
        client.putrequest("POST", path)
        client.putheader(name, "a")
        client.putheader(name.lower(), "b")
        client.endheaders()
        answer = client.getresponse()
        assert (answer.status, answer.headers.get_content_type()) == (400, media_type)
        answer.read()
    client.close()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/ussd", "POST"),
        ("DELETE", "/v1/eligibility", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PUT", "/readyz", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    server: Server, method: str, path: str, allow: str
) -> None:
    """405 names what the address takes, to an aggregator in plain text."""
    status, headers, body = ask(server.port, method, path)
    assert (status, headers["Allow"]) == (405, allow)
    if path == "/ussd":
        assert body == b"This address takes POST alone."
    else:
        assert json.loads(body)["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/ussd/", "/metrics", f"/v1/eligibility/{CANARY}"])
def test_an_unknown_address_is_404_and_not_repeated(server: Server, path: str) -> None:
    """Nothing is served elsewhere, metrics not on this port, and the answer quotes no address."""
    status, headers, body = ask(server.port, "GET", path)
    assert (status, json.loads(body)["error"]["code"]) == (404, "not_found")
    assert CANARY not in body.decode()
    assert "Server" not in headers


def test_health_is_told_with_and_without_a_body(server: Server) -> None:
    """A balancer may ask with GET or HEAD."""
    assert ask(server.port, "GET", "/healthz")[::2] == (200, b'{"status": "ok"}')
    assert ask(server.port, "HEAD", "/healthz")[::2] == (200, b"")


def test_a_component_that_is_down_makes_the_gateway_unready() -> None:
    """The balancer takes a gateway out whose Redis is away, and the operator reads which."""
    with http_server() as server:
        assert ask(server.port, "GET", "/readyz")[0] == 200
        ask(server.port, "POST", "/ussd", "text=down", FORM)
        status, _, body = ask(server.port, "GET", "/readyz")
    assert status == 503
    assert json.loads(body) == {
        "ready": False,
        "components": {"state": "ok", "cache": "no answer"},
    }


def test_a_fault_of_ours_is_an_honest_sentence_and_one_line_in_the_log() -> None:
    """Whatever breaks inside, nobody reads a traceback, and the log repeats no ID."""
    with http_server() as server:
        assert ask(server.port, "POST", "/ussd", "text=boom", FORM)[::2] == (200, SORRY.encode())
        status, headers, body = ask(
            server.port, "POST", "/v1/eligibility", b"", {"Authorization": "boom"}
        )
        assert (status, json.loads(body)["error"]["code"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) > 0
        server.process.terminate()
        code, _, log = server.ended()
    assert code == 0
    assert log.count("request_failed") == 2
    assert CANARY not in log
    assert "127.0.0.1" not in log


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({"ussd_secret": SECRET}, {}, 403),
        ({"ussd_secret": SECRET}, {"X-Dargah-Secret": SECRET[:-1]}, 403),
        ({"ussd_secret": SECRET}, {"X-Dargah-Secret": SECRET}, 200),
        ({"ussd_networks": ["10.0.0.0/8"]}, {}, 403),
        ({"ussd_networks": ["10.0.0.0/8"]}, {"X-Forwarded-For": "10.1.2.3"}, 403),
        ({"ussd_networks": ["127.0.0.0/8"]}, {}, 200),
        ({"behind_proxy": True, "ussd_networks": ["10.0.0.0/8"]}, {}, 403),
        (
            {"behind_proxy": True, "ussd_networks": ["10.0.0.0/8"]},
            {"X-Forwarded-For": "10.1.2.3, 192.0.2.1"},
            403,
        ),
        (
            {"behind_proxy": True, "ussd_networks": ["10.0.0.0/8"]},
            {"X-Forwarded-For": "192.0.2.1, 10.1.2.3"},
            200,
        ),
    ],
)
def test_only_the_aggregator_reaches_ussd(
    settings: dict[str, object], headers: dict[str, str], status: int
) -> None:
    """Who lacks the secret or the address starts no session; the API is open to keys as ever."""
    with http_server(**settings) as server:
        assert ask(server.port, "POST", "/ussd", "text=1", FORM | headers)[0] == status
        assert ask(server.port, "POST", "/v1/eligibility", b"{}", headers)[0] == 200
        server.process.terminate()
        _, _, log = server.ended()
    assert SECRET not in log


def test_metrics_are_for_the_listed_addresses_and_name_no_path() -> None:
    """Metrics are read from where the setting says, and hold nothing that a caller wrote."""
    with http_server() as server:
        ask(server.port, "GET", f"/{CANARY}")
        ask(server.port, "POST", "/ussd", f"text={CANARY}", FORM)
        status, headers, body = ask(server.metrics_port, "GET", "/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert CANARY not in body.decode()
        assert b'dargah_http_requests_total{route="other",status="404"} 1.0' in body
        assert b'dargah_http_requests_total{route="ussd",status="200"} 1.0' in body
        assert b'dargah_http_seconds_count{route="ussd"} 1.0' in body
    with http_server(metrics_networks=["10.0.0.0/8"]) as server:
        assert ask(server.metrics_port, "GET", "/metrics")[0] == 403


def test_a_drain_finishes_what_was_begun() -> None:
    """At SIGTERM a turn under way is answered, a late one gets its sentence, nobody new comes."""
    turn = b"POST /ussd HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with http_server() as server:
        address = ("127.0.0.1", server.port)
        begun = []
        for text in (b"until_stop", b"never"):
            sock = socket.create_connection(address, timeout=10)
            body = b"text=" + text
            sock.sendall(turn + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            begun.append(sock)
        silent = socket.create_connection(address, timeout=10)
        for _ in range(1000):
            if ask(server.port, "POST", "/ussd", "text=tasks", FORM)[2] == b"CON 4":
                break
        else:
            pytest.fail("the turns were not begun")
        server.process.terminate()
        assert silent.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)
        answers = [sock.makefile("rb").read() for sock in begun]
        for sock in (*begun, silent):
            sock.close()
        code, out, _ = server.ended()
    assert answers[0].endswith(b"CON until_stop")
    assert answers[1].endswith(SORRY.encode())
    assert b"Connection: close" in answers[1]
    assert (code, out) == (0, "1\n")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "ussd.secret"),
        ({"host": "0.0.0.0", "ussd_secret": SECRET}, "behind_proxy"),
        ({"metrics_host": "0.0.0.0"}, "metrics.networks"),
        ({"host": "nowhere.invalid"}, "http.host"),
        ({"ussd_secret": "short"}, "ussd.secret"),
        ({"tls_certificate": "/nowhere.pem"}, "http.tls_key"),
    ],
)
def test_an_unguarded_door_is_not_opened(settings: dict[str, object], said: str) -> None:
    """A gateway that would face the world without a guard does not start, and says which."""
    with pytest.raises(AssertionError, match=said), http_server(**settings):
        pass


@pytest.mark.parametrize("key", ["port", "metrics_port"])
def test_a_busy_port_is_named(key: str) -> None:
    """A port that another process holds stops the start with a sentence that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        named = {"port": "http.port", "metrics_port": "metrics.port"}[key]
        said = f"{named}: cannot listen on 127.0.0.1 port {port}: Address already in use"
        with pytest.raises(AssertionError, match=said), http_server(**{key: port}):
            pass
