"""TLS for the HTTP port. Twisted does it with pyOpenSSL, which comes with `Twisted[tls]`."""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from config.errors import ConfigError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IOpenSSLContextFactory

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def server_context(certificate: Path, key: Path) -> "IOpenSSLContextFactory":
    """TLS 1.2 or later with a PEM certificate (its chain after it in the file) and its key.

    Raises ConfigError where a file can't be used, or pyOpenSSL isn't installed.
    """
    try:
        from twisted.internet import ssl
    except ImportError:
        raise ConfigError(
            "http.tls_certificate: TLS needs pyOpenSSL; install Twisted[tls]"
        ) from None

    written, secret = _read("http.tls_certificate", certificate), _read("http.tls_key", key)
    if b"ENCRYPTED" in secret:
        # OpenSSL would ask for the passphrase on the terminal, and wait there.
        raise ConfigError(f"http.tls_key: {key} is behind a passphrase; it must not be")
    pems = PEM.findall(written)
    if not pems:
        raise ConfigError(f"http.tls_certificate: {certificate} is no PEM certificate")
    try:
        leaf = ssl.PrivateCertificate.loadPEM(  # type: ignore[no-untyped-call]
            secret + b"\n" + pems[0]
        )
        options = ssl.CertificateOptions(
            privateKey=leaf.privateKey.original,
            certificate=leaf.original,
            extraCertChain=[ssl.Certificate.loadPEM(pem).original for pem in pems[1:]],
            raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
        )
        with warnings.catch_warnings():
            # Twisted hands pyOpenSSL objects of a kind that it would rather not see any more.
            warnings.simplefilter("ignore", DeprecationWarning)
            options.getContext().check_privatekey()
    except Exception as error:
        # OpenSSL's own text is left out: it may quote what it read.
        raise ConfigError(
            f"http.tls_key: {key} and {certificate} are no pair of PEM key and certificate "
            f"({type(error).__name__})"
        ) from None
    found: IOpenSSLContextFactory = options
    return found


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{setting}: {path} cannot be read: {error.strerror}") from None
