"""What an operator may set about the HTTP edge. `dargah/guard.py` says which sets are refused."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from config.errors import ConfigError

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """The HTTP and metrics ports, their bounds and their guards.

    Octets for sizes, seconds for times. An empty `ussd_secret` means that none is asked for;
    an empty network list admits loopback alone. With `behind_proxy` a caller's address is the
    last one in X-Forwarded-For, and the proxy does TLS.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    body_limit: int = 16_384
    connections: int = 1_000
    idle_timeout: float = 30.0
    request_deadline: float = 6.0
    ussd_secret: str = field(default="", repr=False)
    ussd_networks: tuple[Network, ...] = ()
    behind_proxy: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9420
    metrics_networks: tuple[Network, ...] = ()


def networks(written: Iterable[str], key: str) -> tuple[Network, ...]:
    """The address list of a setting: "10.1.0.0/16", "2001:db8::/32" or single addresses.

    Raises ConfigError naming `key` and the entry that is no network.
    """
    found = []
    for entry in written:
        try:
            found.append(ip_network(entry.strip()))
        except ValueError:
            raise ConfigError(f"{key}: {entry!r} is not a network; {_remedy(entry)}.") from None
    return tuple(found)


def _remedy(entry: str) -> str:
    try:
        meant = ip_network(entry.strip(), strict=False)
    except ValueError:
        return "write one such as 10.1.0.0/16 or 2001:db8::/32, or a single address"
    return f"write {meant} for the whole of it, or {entry.partition('/')[0]} for one address"
