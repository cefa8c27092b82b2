"""
Who may knock, and whether a door may be opened at all.

Pure rules: settings and addresses in, a sentence or a yes out. An edge that faces more than this
machine needs its guard: `/ussd` a shared secret or an address list, the API TLS or a proxy that
does it, metrics an address list.
"""

import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address

from config.http_settings import HttpSettings, Network

Address = IPv4Address | IPv6Address

SHORTEST_SECRET = 16


def address_of(text: str) -> Address | None:
    """An IP address, or None. An IPv4 address that a socket shows as IPv6 is the IPv4 one."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def problems(settings: HttpSettings) -> list[str]:
    """Why these settings must not be served, one sentence each; empty when they may."""
    found = []
    for key, host in (("http.host", settings.host), ("metrics.host", settings.metrics_host)):
        if address_of(host) is None:
            found.append(f"{key}: {host!r} is not an IP address")
    if found:
        return found
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        found.append("http.tls_certificate and http.tls_key go together: one of them is missing")
    if settings.ussd_secret and len(settings.ussd_secret) < SHORTEST_SECRET:
        found.append(f"ussd.secret: at least {SHORTEST_SECRET} characters are needed")
    if not _is_loopback(settings.host):
        if not settings.ussd_secret and not settings.ussd_networks:
            found.append(f"http.host: /ussd on {settings.host} needs ussd.secret or ussd.networks")
        if settings.tls_certificate is None and not settings.behind_proxy:
            found.append(
                f"http.host: the API on {settings.host} needs http.tls_certificate and "
                "http.tls_key, or http.behind_proxy = true where a proxy does TLS"
            )
    if not _is_loopback(settings.metrics_host) and not settings.metrics_networks:
        found.append(f"metrics.host: metrics on {settings.metrics_host} need metrics.networks")
    return found


def caller(peer: str, forwarded: str | None, *, behind_proxy: bool) -> Address | None:
    """Whose request it is, or None where that cannot be known.

    `forwarded` is X-Forwarded-For, which anyone can write: only behind our own proxy is its last
    entry believed, since the proxy added that one. A proxy that adds none leaves nobody known.
    """
    if not behind_proxy:
        return address_of(peer)
    return address_of((forwarded or "").rpartition(",")[2])


def admitted(address: Address | None, networks: tuple[Network, ...]) -> bool:
    """Whether an address is on a list; on an empty list stands loopback alone."""
    if address is None:
        return False
    if not networks:
        return address.is_loopback
    return any(address in network for network in networks)


def ussd_admitted(settings: HttpSettings, address: Address | None, secret: str | None) -> bool:
    """Whether `/ussd` may be served: each guard that is set must be met.

    `secret` is the X-Dargah-Secret header.
    """
    if settings.ussd_secret:
        # As octets: compare_digest takes no text beyond ASCII.
        given, expected = (secret or "").encode(), settings.ussd_secret.encode()
        if not hmac.compare_digest(given, expected):
            return False
        if not settings.ussd_networks:
            return True
    return admitted(address, settings.ussd_networks)


def _is_loopback(host: str) -> bool:
    address = address_of(host)
    return address is not None and address.is_loopback
