"""
Which Redis to use, and how patient to be with it.

    redis://[USER:PASSWORD@]HOST:PORT[/DB]             one server; rediss:// is the same over TLS
    unix:///PATH                                       one server on this machine
    redis+cluster://[...@]HOST:PORT,HOST:PORT          a Cluster, by some of its nodes
    redis+sentinel://[...@]HOST:PORT,HOST:PORT/NAME    the master that Sentinels watch as NAME

User and password are those of the data servers. Sentinels with a password of their own get it by
`?sentinel_username=...&sentinel_password=...`. `rediss+cluster://` and `rediss+sentinel://` speak
TLS to every server; `?ssl_ca_certs=/PATH` names what their certificates are proved by.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

SCHEMES = (
    *("redis", "rediss", "unix"),
    *("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"),
)
CLUSTER, SENTINEL = "cluster", "sentinel"
DEFAULT_PORTS = {CLUSTER: 6379, SENTINEL: 26379}

_HOST = re.compile(r"\[[0-9A-Fa-f:.%]+\]|[^\[\]:/,@\s]+")
_SENTINEL_OWN = {"sentinel_username", "sentinel_password"}
_OURS = {SENTINEL: {"db", *_SENTINEL_OWN}, CLUSTER: set[str]()}
_TLS = {
    *("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"),
    "ssl_check_hostname",
}


@dataclass(frozen=True, slots=True)
class ManyServers:
    """A URL of several servers, taken apart. `kind` is CLUSTER or SENTINEL.

    `name` is the master's, with Sentinel alone. What may hold a secret is not in the repr.
    """

    kind: str
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    name: str = ""
    login: str = field(default="", repr=False)
    query: str = field(default="", repr=False)
    sentinel_login: str = field(default="", repr=False)

    def url_of(self, host: str, port: int) -> str:
        """The URL of one data server, with login and TLS as they were given."""
        return self._url(host, port, self.login, self.query)

    def sentinel_url(self, host: str, port: int) -> str:
        """The URL of one Sentinel."""
        options = [(name, value) for name, value in parse_qsl(self.query) if name != "db"]
        return self._url(host, port, self.sentinel_login, urlencode(options))

    def _url(self, host: str, port: int, login: str, query: str) -> str:
        place = f"[{host}]" if ":" in host else host
        user = f"{login}@" if login else ""
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{user}{place}:{port}" + (f"?{query}" if query else "")


def many_servers(url: str) -> ManyServers | None:
    """A URL of several servers, taken apart; None for the URL of one.

    Raises ValueError with a sentence that quotes nothing of the URL.
    """
    scheme = url.partition("://")[0]
    base, _, kind = scheme.partition("+")
    if kind not in _OURS or base not in ("redis", "rediss"):
        return None
    parts = urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls = base == "rediss"
    for key in query:
        if key not in _OURS[kind] and not (tls and key in _TLS):
            raise ValueError(_unknown(kind, tls))
    if kind == SENTINEL and not query.get("db", "0").isdecimal():
        raise ValueError("db is a number, as in ?db=1.")
    sentinel_login = ""
    if query.get("sentinel_password"):
        whole = SplitResult("redis", "", "", parts.query, "")
        own = dict(pair.partition("=")[::2] for pair in whole.query.split("&"))
        # As they were written: with what a URL escapes still escaped.
        sentinel_login = f"{own.get('sentinel_username', '')}:{own['sentinel_password']}"
    return ManyServers(
        kind=kind,
        tls=tls,
        hosts=tuple(_host(place, DEFAULT_PORTS[kind]) for place in places.split(",")),
        name=_name(kind, parts.path),
        login=login,
        query=urlencode({k: v for k, v in query.items() if k not in _SENTINEL_OWN}),
        sentinel_login=sentinel_login,
    )


def _unknown(kind: str, tls: bool) -> str:
    known = sorted(_OURS[kind] | (_TLS if tls else set()))
    after = f"what may stand after its ? is {', '.join(known)}" if known else "nothing follows a ?"
    return f"it says something that is not known: in a URL of this scheme {after}."


def _host(place: str, default: int) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, str(default)
    if not _HOST.fullmatch(host):
        raise ValueError("servers are named HOST:PORT, one after the other with commas between.")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("a port is a number from 1 to 65535.")
    return host.strip("[]"), int(port)


def _name(kind: str, path: str) -> str:
    name = path.removeprefix("/")
    if kind == CLUSTER and name:
        raise ValueError("a Cluster has one database: nothing follows its servers.")
    if kind == SENTINEL and not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise ValueError(
            "the name under which the Sentinels watch the master is needed, as in "
            "redis+sentinel://HOST:26379/mymaster."
        )
    return name


def url_mistake(url: str) -> str:
    """What is wrong with the URL of Redis, in a sentence that quotes nothing of it; or ""."""
    try:
        many_servers(url)
    except ValueError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The settings of Redis. An empty URL means the embedded server of the data folder.

    `timeout` is in seconds a command, `in_flight` commands a connection, `start_deadline` in
    seconds for Redis to answer at the start, the loading of its data included. `refresh` is in
    seconds between two looks at which server is the master of what. `cache_replicas`: replicas of
    the people's servers may be asked where a master does not answer, if they lag by `behind`
    seconds at most. URLs may hold a password, so they are not in the repr.
    """

    cache_url: str = ""
    state_url: str = ""
    timeout: float = 0.2
    in_flight: int = 20_000
    start_deadline: float = 60.0
    refresh: float = 1.0
    cache_replicas: bool = False
    behind: float = 3600.0

    def __repr__(self) -> str:
        cache, state = ("set" if url else "embedded" for url in (self.cache_url, self.state_url))
        return f"RedisSettings(cache {cache}, state {state}, timeout {self.timeout:g} s)"
