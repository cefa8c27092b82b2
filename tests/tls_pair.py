"""A certificate for tests of TLS, signed by itself."""

import subprocess
from pathlib import Path


def tls_pair(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key, made in this folder."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    return certificate, key
