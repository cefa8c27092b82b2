"""TLS on the HTTP port."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from config.errors import ConfigError
from dargah.tls import server_context
from tests.http_server import http_server
from tests.tls_pair import tls_pair

pytest.importorskip("OpenSSL", reason="Twisted's TLS needs pyOpenSSL")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    return tls_pair(tmp_path_factory.mktemp("tls"))


def test_the_port_speaks_tls_and_nothing_less(pair: tuple[Path, Path]) -> None:
    """With a certificate the API is read over TLS alone, refusals of its bounds included."""
    certificate, key = pair
    context = ssl.create_default_context(cafile=str(certificate))
    with http_server(tls_certificate=str(certificate), tls_key=str(key)) as server:
        address = ("127.0.0.1", server.port)
        for sent, status in (
            (b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", b"200"),
            (
                b"POST /v1/eligibility HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"x" * 9999,
                b"413",
            ),
            (b"nonsense\r\n\r\n", b"400"),
        ):
            with (
                socket.create_connection(address, timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
            ):
                sock.sendall(sent)
                with sock.makefile("rb") as answer:
                    assert answer.read().startswith(b"HTTP/1.1 " + status)
        with socket.create_connection(address, timeout=10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in plain.recv(4096)


def test_what_is_no_pair_is_named(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """A wrong file stops the start with a sentence, and OpenSSL asks nobody for a passphrase."""
    certificate, key = pair
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    for files, said in (
        ((tmp_path / "none.pem", key), r"tls_certificate: .* cannot be read"),
        ((key, key), r"tls_certificate: .* is no PEM certificate"),
        ((certificate, certificate), "tls_key: .* no pair"),
        ((certificate, locked), "tls_key: .* passphrase"),
    ):
        with pytest.raises(ConfigError, match=said):
            server_context(*files)
    server_context(certificate, key)
