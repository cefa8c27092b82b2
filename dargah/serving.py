"""A gateway that runs: Redis, what stands on it, and the ports; opened and closed in order."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from config.errors import ConfigError
from config.http_settings import HttpSettings, networks
from config.settings import Settings
from dargah.changing import changes_port
from dargah.guard import problems
from dargah.http import Listening, start_http
from dargah.http_routes import OK, Edges
from dargah.ivr_port import ivr_port, peers_of
from dargah.journal_of_settings import Journalling, journal_of
from dargah.loop import spare_the_collector
from dargah.metrics import Metrics
from dargah.redis_ready import AWAY, answers, people_answered
from dargah.running import Running, announced
from dargah.smpp_binds import SmppBinds
from dargah.smpp_port import smpp_port
from dargah.tls import server_context
from dargah.wiring import Gateway, gateway_of, required_folder, stores_of
from eligibility.change_feed import ChangeFeed
from eligibility.registry_breaker import BreakerState
from state.stores import Stores

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

log = structlog.get_logger("dargah")

PARTS = frozenset({"ussd", "sms", "ivr", "http"})
"""What `serve --only` may name: USSD (by aggregators and SMPP), SMS, the telephone, the API."""

WATCHED_EVERY = 1.0
"""Seconds between two looks at whether Redis answers."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway with its ports open. `http` and `metrics` are URLs without a path.

    `fastagi` is "host:port", empty where the telephone is not served.
    """

    stores: Stores
    gateway: Gateway
    http: str
    metrics: str
    fastagi: str
    binds: SmppBinds | None


@asynccontextmanager
async def serving(
    reactor: "AsyncioSelectorReactor",
    settings: Settings,
    parts: frozenset[str] = PARTS,
    carrier: str = "",
) -> AsyncIterator[Serving]:
    """Open everything, or these parts of it; close it in reverse order, draining first.

    `carrier` is the control socket of a carrier in a box beside it, for handsets to find. Raises
    ConfigError or Failure, with nothing left open.
    """
    view = http_settings(settings)
    peers_of(settings)
    required_folder(settings.data_folder)
    metrics = Metrics()
    async with AsyncExitStack() as opened:
        stores = await opened.enter_async_context(stores_of(settings))
        journal = journal_of(settings, stores, metrics.journal)
        if journal:
            journal.start()
            opened.push_async_callback(journal.close, settings.http.drain_timeout / 2)
        gateway = gateway_of(
            stores,
            settings,
            observer=metrics,
            turned=metrics.ussd_turn,
            journal=journal.journal if journal else None,
            in_service=metrics.dialogue_in_service,
            registry_events=metrics.registry,
            spoken="ivr" in parts,
        )
        if gateway.registry:
            opened.push_async_callback(gateway.registry.close)
        await gateway.cache.start()
        opened.push_async_callback(gateway.cache.close)
        await gateway.versions.start()
        opened.push_async_callback(gateway.versions.close)
        watch = asyncio.create_task(_watch(stores, metrics), name="watch redis")
        opened.callback(watch.cancel)
        feed = await opened.enter_async_context(
            changes_port(settings, stores, observer=metrics.changes)
        )
        binds = None
        if settings.smpp and parts & {"sms", "ussd"}:
            binds = await opened.enter_async_context(
                smpp_port(reactor, settings, parts, stores, gateway, metrics)
            )
        fastagi = ""
        if "ivr" in parts:
            fastagi = await opened.enter_async_context(
                ivr_port(reactor, settings, gateway, metrics, heard=not carrier)
            )
        edges = _edges(settings, stores, gateway, binds, journal, feed, parts)
        try:
            listening = await start_http(reactor, view, edges, metrics)
        except ConfigError as error:
            raise _placed(settings, str(error)) from None
        opened.push_async_callback(_stop, listening, settings.http.drain_timeout)
        http, scraped = _urls(listening, settings)
        running = Running(os.getpid(), http, scraped, fastagi, carrier)
        opened.enter_context(announced(settings.data_folder, running))
        spare_the_collector()
        log.info("serving", http=http, metrics=scraped, fastagi=fastagi, binds=len(settings.smpp))
        yield Serving(stores, gateway, http, scraped, fastagi, binds)


async def _stop(listening: Listening, within: float) -> None:
    late = await listening.stop(within)
    log.info("stopped", late=late)


def http_settings(settings: Settings) -> HttpSettings:
    """The HTTP edge's view of the settings.

    Raises ConfigError for what is no network, for a port that lacks its guard, and for a
    certificate that cannot be used.
    """
    http, ussd, metrics = settings.http, settings.ussd, settings.metrics
    view = HttpSettings(
        host=http.host,
        port=http.port,
        body_limit=http.body_limit,
        connections=http.connections,
        idle_timeout=http.idle_timeout,
        request_deadline=settings.dialogue.turn_timeout + 1.0,
        ussd_secret=ussd.secret.value,
        ussd_networks=networks(
            ussd.networks, f"{settings.where('ussd', 'networks')}: ussd.networks"
        ),
        behind_proxy=http.behind_proxy,
        tls_certificate=Path(http.tls_certificate) if http.tls_certificate else None,
        tls_key=Path(http.tls_key) if http.tls_key else None,
        metrics_host=metrics.host,
        metrics_port=metrics.port,
        metrics_networks=networks(
            metrics.networks, f"{settings.where('metrics', 'networks')}: metrics.networks"
        ),
    )
    for problem in problems(view):
        raise _placed(settings, problem)
    if view.tls_certificate and view.tls_key:
        try:
            server_context(view.tls_certificate, view.tls_key)
        except ConfigError as error:
            raise _placed(settings, str(error)) from None
    return view


def _placed(settings: Settings, problem: str) -> ConfigError:
    """A sentence that begins with its setting ("http.port: ..."), with file and line before it."""
    key = problem.partition(":")[0]
    return ConfigError(f"{settings.where(*key.split('.'))}: {problem}.")


def _urls(listening: Listening, settings: Settings) -> tuple[str, str]:
    """The public port's and the metrics', as this machine reaches them."""
    scheme = "https" if settings.http.tls_certificate else "http"
    return (
        f"{scheme}://{_reachable(settings.http.host)}:{listening.port}",
        f"http://{_reachable(settings.metrics.host)}:{listening.metrics_port}",
    )


def _reachable(host: str) -> str:
    """An address by which this machine reaches a port bound to `host`."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _edges(
    settings: Settings,
    stores: Stores,
    gateway: Gateway,
    binds: SmppBinds | None,
    journal: Journalling | None,
    feed: ChangeFeed,
    parts: frozenset[str],
) -> Edges:
    by_sms = settings.ussd.answers_by_sms
    untold = partial(binds.untold, by_sms) if binds is not None and by_sms else None

    async def ready() -> Mapping[str, str]:
        servers, state = await asyncio.gather(answers(stores.cache), answers(stores.state))
        cache = people_answered(stores.cache, servers)
        population = OK if gateway.cache.current else "no generation is loaded"
        components = {"cache": str(cache), "state": str(state), "population": population}
        if cache.word == OK and servers.word != OK:
            components["cache servers"] = str(servers)
        if gateway.registry:
            closed = gateway.registry.breaker is BreakerState.CLOSED
            components["registry"] = OK if closed else "fails, and is left alone"
        if journal:
            components["journal"] = journal.ready
        components["changes"] = feed.late or OK
        return components | dict(binds.ready() if binds else {})

    return Edges(
        ussd=gateway.aggregator.answer,
        ussd_sorry=gateway.ussd_sorry,
        api=gateway.api.answer,
        ready=ready,
        parts=parts,
        untold=untold,
    )


async def _watch(stores: Stores, metrics: Metrics) -> None:
    while True:
        for role, redis in (("cache", stores.cache), ("state", stores.state)):
            metrics.redis_up(role, up=(await answers(redis)).word != AWAY)
        await asyncio.sleep(WATCHED_EVERY)
