"""Where a bind connects to: an address or a name, with TLS or without."""

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from config.errors import ConfigError
from config.smpp_settings import SmppBind

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor
    from twisted.internet.interfaces import IOpenSSLClientConnectionCreator

CONNECT_TIMEOUT = 10.0
"""Seconds for a TCP connection; an SMSC that takes longer would not serve anybody."""


def is_loopback(host: str) -> bool:
    """Whether what goes there stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def endpoint_of(reactor: "AsyncioSelectorReactor", bind: SmppBind) -> IStreamClientEndpoint:
    """The endpoint of a bind. Raises ConfigError where TLS can't be had as it is set."""
    plain = _plain(reactor, bind)
    if not bind.tls:
        return plain
    return _Tls(plain, _verified(bind), reactor)


@implementer(IStreamClientEndpoint)
class _Tls:
    """TLS over an endpoint. Twisted's own wrapper would take its clock from the global reactor."""

    def __init__(
        self,
        plain: IStreamClientEndpoint,
        verified: "IOpenSSLClientConnectionCreator",
        clock: IReactorTime,
    ) -> None:
        self._plain = plain
        self._verified = verified
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Connect; the protocol is the one inside."""
        from twisted.protocols.tls import TLSMemoryBIOFactory

        wrapping = TLSMemoryBIOFactory(self._verified, True, protocolFactory, self._clock)
        connecting: Deferred[Any] = self._plain.connect(wrapping)
        return connecting.addCallback(lambda outer: outer.wrappedProtocol)


def _plain(reactor: "AsyncioSelectorReactor", bind: SmppBind) -> IStreamClientEndpoint:
    try:
        version = ip_address(bind.host).version
    except ValueError:
        named: IStreamClientEndpoint = HostnameEndpoint(
            reactor, bind.host, bind.port, timeout=CONNECT_TIMEOUT
        )
        return named
    # An address needs no resolver, and so no threads.
    kind = TCP4ClientEndpoint if version == 4 else TCP6ClientEndpoint
    numbered: IStreamClientEndpoint = kind(reactor, bind.host, bind.port, timeout=CONNECT_TIMEOUT)
    return numbered


def _verified(bind: SmppBind) -> "IOpenSSLClientConnectionCreator":
    """TLS that checks the certificate and its name."""
    setting = f"smpp.tls_authority of bind {bind.name}"
    try:
        from twisted.internet import ssl
    except ImportError:
        raise ConfigError(f"smpp.tls of bind {bind.name}: install Twisted[tls]") from None
    root = None
    if bind.tls_authority:
        try:
            pem = Path(bind.tls_authority).read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{setting}: {bind.tls_authority} cannot be read: {error.strerror}"
            ) from None
        try:
            root = ssl.Certificate.loadPEM(pem)
        except Exception:
            # OpenSSL's own text is left out: it says nothing to an operator.
            raise ConfigError(f"{setting}: {bind.tls_authority} is no PEM certificate") from None
    try:
        options: IOpenSSLClientConnectionCreator = ssl.optionsForClientTLS(
            bind.host, trustRoot=root
        )
    except Exception as error:
        raise ConfigError(f"smpp.tls of bind {bind.name}: {type(error).__name__}") from None
    return options
