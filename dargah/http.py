"""Opening and closing the HTTP and metrics ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorSSL, IReactorTCP, IReactorTime

from config.errors import ConfigError
from config.http_settings import HttpSettings
from dargah.bridge import Tasks, settled
from dargah.guard import problems
from dargah.http_channel import HttpFactory, Limits
from dargah.http_request import Route
from dargah.http_routes import Edges, metrics_routes, routes
from dargah.metrics import Metrics
from dargah.taken import cannot_listen
from dargah.tls import server_context

BACKLOG = 511


@dataclass(frozen=True, slots=True)
class Door:
    """A port that listens, and what it hands connections to."""

    listening: IListeningPort
    factory: HttpFactory

    @property
    def port(self) -> int:
        """The number that the system gave where 0 was asked for."""
        return int(self.listening.getHost().port)  # type: ignore[attr-defined]

    async def stop_listening(self) -> None:
        """Accept nobody any more."""
        await settled(self.listening.stopListening())


@dataclass(frozen=True, slots=True)
class Listening:
    """Both doors, open."""

    http: Door
    metrics: Door

    @property
    def port(self) -> int:
        """The HTTP port."""
        return self.http.port

    @property
    def metrics_port(self) -> int:
        """The metrics port."""
        return self.metrics.port

    async def stop(self, within: float = 10.0) -> int:
        """Accept nobody any more, then give the answers still owed `within` seconds.

        Those that are late even then get their sorry sentence; returns how many that were.
        The metrics stay readable until the end.
        """
        await self.http.stop_listening()
        late = await self.http.factory.finish(within)
        await self.metrics.stop_listening()
        await self.metrics.factory.finish(1.0)
        return late


async def start_http(
    reactor: IReactorTCP, settings: HttpSettings, edges: Edges, metrics: Metrics
) -> Listening:
    """Open both ports.

    Raises ConfigError, one sentence that names the setting, where a guard is missing, an address
    cannot be had or a certificate cannot be used; nothing is left open then.
    """
    if found := problems(settings):
        raise ConfigError(found[0])
    limits = Limits(
        settings.body_limit,
        settings.connections,
        settings.idle_timeout,
        settings.request_deadline,
    )

    def factory(by_path: Mapping[str, Route]) -> HttpFactory:
        clock = cast(IReactorTime, reactor)
        return HttpFactory(by_path, limits, clock, Tasks(), metrics.http_events())

    http = _open(reactor, settings, factory(routes(settings, edges)))
    try:
        scraped = _open_metrics(reactor, settings, factory(metrics_routes(settings, metrics)))
    except ConfigError:
        await http.stop_listening()
        raise
    return Listening(http, scraped)


def _open(reactor: IReactorTCP, settings: HttpSettings, factory: HttpFactory) -> Door:
    port, host = settings.port, settings.host
    try:
        if settings.tls_certificate is not None and settings.tls_key is not None:
            context = server_context(settings.tls_certificate, settings.tls_key)
            tls = cast(IReactorSSL, reactor)
            return Door(tls.listenSSL(port, factory, context, BACKLOG, host), factory)
        return Door(reactor.listenTCP(port, factory, BACKLOG, host), factory)
    except CannotListenError as error:
        raise ConfigError(cannot_listen("http.port", host, port, error)) from None


def _open_metrics(reactor: IReactorTCP, settings: HttpSettings, factory: HttpFactory) -> Door:
    port, host = settings.metrics_port, settings.metrics_host
    try:
        return Door(reactor.listenTCP(port, factory, BACKLOG, host), factory)
    except CannotListenError as error:
        raise ConfigError(cannot_listen("metrics.port", host, port, error)) from None
