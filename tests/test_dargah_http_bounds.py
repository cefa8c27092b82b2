"""The HTTP port under callers who mean no good, or know no better."""

import http.client
import json
import random
import re
import select
import socket
from collections.abc import Iterator

import pytest

from tests.http_server import SORRY, Server, http_server

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
LIMIT = 16_384
SEEDS = (
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /ussd HTTP/1.1\r\n" + FORM.encode() + b"Content-Length: 6\r\n\r\ntext=1",
    b"POST /ussd HTTP/1.1\r\n"
    + FORM.encode()
    + b"Transfer-Encoding: chunked\r\n\r\n6\r\ntext=1\r\n0\r\n\r\n",
    b'POST /v1/eligibility HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n{"a"}',
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the settings as shipped."""
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """A server of little patience."""
    with http_server(idle_timeout=0.3, request_deadline=0.2) as running:
        yield running


def connect(port: int) -> socket.socket:
    """A connection whose every wait is bounded."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def read_to_end(sock: socket.socket) -> bytes:
    """All that comes until the server closes; a reset ends it too."""
    received = b""
    try:
        while piece := sock.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def post_ussd(port: int, text: str) -> tuple[int, str]:
    """One turn by a client that is not ours."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request(
        "POST", "/ussd", f"text={text}", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    answer = client.getresponse()
    body = answer.read().decode()
    client.close()
    return answer.status, body


def metric(server: Server, name: str) -> float:
    """One sample from the metrics port; 0 where it was never counted."""
    client = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=10)
    client.request("GET", "/metrics")
    text = client.getresponse().read().decode()
    client.close()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def until_alone(server: Server) -> None:
    """Wait until the server has noticed that everybody has left; its answers tell."""
    for _ in range(2000):
        # The connection that scrapes is the metrics port's own, and is counted there.
        if metric(server, "dargah_http_connections") <= 1:
            return
    pytest.fail("connections are left over")


def noise(source: random.Random) -> bytes:
    """Random octets, or a request that was nearly right."""
    if source.random() < 0.4:
        return source.randbytes(source.randrange(1, 400))
    seed = bytearray(source.choice(SEEDS) * source.randrange(1, 4))
    for _ in range(source.randrange(1, 6)):
        where = source.randrange(len(seed))
        match source.randrange(3):
            case 0:
                seed[where] = source.randrange(256)
            case 1:
                del seed[where : where + source.randrange(1, 20)]
            case _:
                seed[where:where] = source.randbytes(source.randrange(1, 20))
        if not seed:
            return b"\r\n"
    return bytes(seed)


def test_ten_thousand_random_byte_strings(server: Server) -> None:
    """Whatever bytes come in, the port gives an answer or hangs up, and nothing is left behind."""
    source = random.Random(1420)
    descriptors = metric(server, "dargah_process_open_fds")
    for _ in range(10_000):
        with connect(server.port) as sock:
            try:
                sock.sendall(noise(source))
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # the server has already hung up
            answer = read_to_end(sock)
            assert not answer or answer.startswith(b"HTTP/1."), answer[:80]
            assert b"Traceback" not in answer
    until_alone(server)
    # The task that answers this very question, and the one that waits for SIGTERM.
    assert post_ussd(server.port, "tasks") == (200, "CON 2")
    assert metric(server, "dargah_process_open_fds") <= descriptors + 2
    assert "failed" not in server.log.read_text(encoding="utf-8")


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    """An aggregator that sends on without waiting reads its answers in the order it asked."""
    turns = [
        f"POST /ussd HTTP/1.1\r\n{FORM}Content-Length: {len(body)}\r\n\r\n{body}"
        for body in (f"text={n}" for n in range(2000))
    ]
    last = "GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n"
    with connect(server.port) as sock:
        answer = b""
        left = ("".join(turns) + last).encode()
        while left:
            readable, writable, _ = select.select([sock], [sock], [], 10)
            assert readable or writable
            if writable:
                left = left[sock.send(left[:65536]) :]
            if readable:
                answer += sock.recv(65536)
        answer += read_to_end(sock)
    assert re.findall(rb"CON (\d+)", answer) == [b"%d" % n for n in range(2000)]
    assert b"HTTP/1.1 404" in answer


@pytest.mark.parametrize(
    "head",
    [
        f"Content-Length: {LIMIT + 1}\r\n\r\n",
        f"Content-Length: {10**30}\r\n\r\n",
        f"Content-Length: {LIMIT + 1}\r\nExpect: 100-continue\r\n\r\n",
    ],
)
def test_a_body_announced_too_long_is_refused_before_it_is_sent(server: Server, head: str) -> None:
    """Who announces more than the limit is told so at once, with nothing of it read."""
    with connect(server.port) as sock:
        sock.sendall(f"POST /v1/eligibility HTTP/1.1\r\n{head}".encode())
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_large"


def test_an_aggregator_is_refused_in_plain_text(server: Server) -> None:
    """A form over the limit is refused in a sentence, as every other refusal on /ussd."""
    with connect(server.port) as sock:
        sock.sendall(f"POST /ussd HTTP/1.1\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"octets at most.")
    assert b"text/plain" in answer


def test_a_body_sent_regardless_does_not_lose_the_refusal(server: Server) -> None:
    """A system that has already sent half a megabyte still reads why it was refused."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("POST", "/v1/eligibility", b"x" * 500_000)
    assert client.getresponse().status == 413
    client.close()


def test_a_chunked_body_is_refused_when_it_outgrows_the_limit(server: Server) -> None:
    """A body that does not say how long it will be is cut at the limit, even if it then ends."""
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    head = b"POST /v1/eligibility HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for end in (b"", b"0\r\n\r\n", b"nonsense\r\n"):
        with connect(server.port) as sock:
            sock.sendall(head + chunk * 5 + end)
            answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(("length", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_is_exact(server: Server, length: int, status: int, chunked: bool) -> None:
    """A body of exactly the limit is taken, one octet more is not, however it is sent."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    body = b"x" * length
    if chunked:
        pieces = iter([body[:5000], body[5000:]])
        client.request("POST", "/v1/eligibility", pieces, encode_chunked=True)
    else:
        client.request("POST", "/v1/eligibility", body)
    answer = client.getresponse()
    assert answer.status == status
    if status == 200:
        assert json.load(answer)["octets"] == length
    client.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"G" * 40_000,
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 5_000,
        b"GET / HTTP/1.1\r\nno colon\r\nno colon\r\n\r\n",
        b"POST /ussd HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /ussd HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_refused_in_a_sentence(server: Server, sent: bytes) -> None:
    """Endless lines, endless headers and malformed requests get one 400 and the end."""
    with connect(server.port) as sock:
        sock.sendall(sent)
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"


@pytest.mark.parametrize("sent", [b"", b"POST /ussd HT", b"POST /ussd HTTP/1.1\r\nX: "])
def test_a_caller_who_drips_is_cut(hasty: Server, sent: bytes) -> None:
    """An octet now and then does not hold a connection: a request has its time to arrive."""
    before = metric(hasty, 'dargah_http_refused_total{reason="slow"}')
    with connect(hasty.port) as sock:
        sock.sendall(sent)
        for _ in range(1000):
            if select.select([sock], [], [], 0.02)[0]:
                break
            if sent:
                try:
                    sock.sendall(b"a")
                except OSError:
                    break
        else:
            pytest.fail("the server kept a dripping caller for twenty seconds")
        assert read_to_end(sock) == b""
    slow = metric(hasty, 'dargah_http_refused_total{reason="slow"}') - before
    assert slow == (1 if sent else 0)


def test_a_kept_connection_is_cut_when_it_says_nothing(hasty: Server) -> None:
    """After its answer, a silent connection is closed."""
    with connect(hasty.port) as sock:
        sock.sendall(SEEDS[0])
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_connections_beyond_the_bound_are_closed_and_the_others_served() -> None:
    """A crowd at the door does not keep out those who are already in."""
    with http_server(connections=4) as server:
        inside = [connect(server.port) for _ in range(4)]
        for sock in inside:
            sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        # Connections are accepted in their order: the four are in when the fifth is turned away.
        with connect(server.port) as fifth:
            assert read_to_end(fifth) == b""
        assert metric(server, 'dargah_http_refused_total{reason="connections"}') == 1
        for sock in inside:
            sock.sendall(b"Connection: close\r\n\r\n")
            assert read_to_end(sock).startswith(b"HTTP/1.1 200 ")
            sock.close()
        until_alone(server)
        assert post_ussd(server.port, "1") == (200, "CON 1")


def test_what_takes_too_long_gets_a_true_sentence(hasty: Server) -> None:
    """When an answer does not come in time, the phone reads a sentence and a system gets 503."""
    assert post_ussd(hasty.port, "never") == (200, SORRY)
    client = http.client.HTTPConnection("127.0.0.1", hasty.port, timeout=10)
    client.request("POST", "/v1/eligibility", b"", {"Authorization": "never"})
    answer = client.getresponse()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert json.load(answer)["error"]["code"] == "unavailable"
    client.close()


def test_an_answer_for_a_caller_who_has_left() -> None:
    """Where answers follow by SMS, the turn of whoever leaves is finished and handed on."""
    with http_server(outlives=True) as server:
        turn = f"POST /ussd HTTP/1.1\r\n{FORM}Content-Length: 9\r\n\r\ntext=told"
        with connect(server.port) as sock:
            sock.sendall(turn.encode())
            tasks_are(server, 3)
        until_alone(server)
        assert post_ussd(server.port, "release") == (200, "CON release")
        tasks_are(server, 2)
        assert ready(server)["state"] == "untold 48305172606 98912*****67"
        # Whoever waits for it reads it, and it is not handed on.
        assert post_ussd(server.port, "told") == (200, "END told")
        tasks_are(server, 2)
        assert ready(server)["state"] == "untold 48305172606 98912*****67"


def test_work_for_who_has_left_is_bounded() -> None:
    """Answers for callers who have left are no more than there may be connections."""
    turn = f"POST /ussd HTTP/1.1\r\n{FORM}Content-Length: 9\r\n\r\ntext=told"
    with http_server(outlives=True, connections=4, request_deadline=60.0) as server:
        for number in range(1, 9):
            with connect(server.port) as sock:
                sock.sendall(turn.encode())
                tasks_are(server, 2 + min(number, 5))
            until_alone(server)
        tasks_are(server, 2 + 4)


def tasks_are(server: Server, number: int) -> None:
    """Wait until the server has so many tasks, the one that tells this among them."""
    for _ in range(2000):
        if post_ussd(server.port, "tasks") == (200, f"CON {number}"):
            return
    pytest.fail("the tasks are others")


def ready(server: Server) -> dict[str, str]:
    """What /readyz says of each component."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("GET", "/readyz")
    told = json.load(client.getresponse())
    client.close()
    return dict(told["components"])


def test_a_caller_who_leaves_ends_the_work_for_them(server: Server) -> None:
    """A turn whose asker has hung up is not carried on."""
    with connect(server.port) as sock:
        turn = f"POST /ussd HTTP/1.1\r\n{FORM}Content-Length: 10\r\n\r\ntext=never"
        sock.sendall(turn.encode())
        for _ in range(1000):
            if post_ussd(server.port, "tasks") == (200, "CON 3"):
                break
        else:
            pytest.fail("the turn was not begun")
    for _ in range(1000):
        if post_ussd(server.port, "tasks") == (200, "CON 2"):
            return
    pytest.fail("the turn goes on for nobody")
