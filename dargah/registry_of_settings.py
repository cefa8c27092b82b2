"""From the settings to the registry behind the cache, guarded."""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.errors import ConfigError
from config.settings import Settings
from dargah.smpp_endpoint import is_loopback
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.people import AskAfter, CacheThenRegistry, keeping
from eligibility.registry import Registry
from eligibility.registry_breaker import BreakerSettings
from eligibility.registry_budget import RegistryBudget
from eligibility.registry_guard import GuardedRegistry, GuardSettings, RegistryEvents
from state.errors import Unavailable
from state.stores import Stores

if TYPE_CHECKING:
    from eligibility.registry_sql import PeopleTable
    from eligibility.sql import Database

# SQLAlchemy and aiohttp take some tenths of a second to import: only where there is such a
# registry.

PATIENCE = 10.0
"""Seconds for a registry to answer when nobody is waiting on a phone."""


def registry_of(settings: Settings, clock: Callable[[], datetime]) -> Registry | None:
    """The registry, None where there is none; it is connected to when first asked.

    Raises ConfigError.
    """
    if not settings.registry.url:
        return None
    if settings.registry.url.value.startswith("http"):
        return _over_http(settings, clock)
    return _in_sql(settings, clock)


def database_of(
    settings: Settings,
    *,
    connections: int,
    timeout: float,
    make: bool = False,
) -> "Database":
    """The database of a registry in SQL. Raises ConfigError.

    `make`: a SQLite file that is missing is made; else it is a fault.
    """
    from eligibility.sql import BadUrl, Database

    try:
        return Database(
            settings.registry.url.value,
            settings.data_folder,
            connections=connections,
            timeout=timeout,
            make=make,
        )
    except BadUrl as error:
        raise _wrong(settings, "url", str(error)) from None


def table_of(settings: Settings) -> "PeopleTable":
    """Where the people are in the database."""
    from eligibility.registry_sql import PeopleTable

    own = settings.registry
    return PeopleTable(
        own.table, "number" if own.id_type == "number" else "text", asdict(own.columns)
    )


async def complaint(registry: Registry) -> str | None:
    """Why the registry cannot be asked, a sentence without its stop; None where it answers.

    It is closed afterwards.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            await registry.prove()
    except TimeoutError:
        return f"the registry {registry.name} did not answer within {PATIENCE:g} seconds"
    except Unavailable as error:
        return f"the registry {registry.name} cannot be asked: {error}"
    finally:
        await registry.close()
    return None


def guarded_registry(
    settings: Settings,
    stores: Stores,
    cache: Cache,
    events: RegistryEvents,
    clock: Callable[[], datetime],
) -> GuardedRegistry | None:
    """The registry with all that spares it, None where there is none. Raises ConfigError."""
    registry = registry_of(settings, clock)
    if registry is None:
        return None
    own = settings.registry
    return GuardedRegistry(
        registry,
        RegistryBudget(stores.state, own.per_second, seconds=time.monotonic),
        GuardSettings(
            timeout=own.timeout,
            at_once=own.at_once,
            remembered_for=own.remembered_for,
            breaker=BreakerSettings(own.faults, own.pause, own.longest_pause),
        ),
        keep=keeping(stores.cache, cache),
        events=events,
        clock=clock,
        seconds=time.monotonic,
        random=random.random,
    )


def people_of(
    settings: Settings, cache: Cache, registry: GuardedRegistry | None, freshness: Freshness
) -> Cache | CacheThenRegistry:
    """Who looks people up: the cache, with the registry behind it where there is one."""
    if registry is None:
        return cache
    own = settings.registry
    ask_after = AskAfter(timedelta(hours=own.ask_after), timedelta(minutes=own.pending_after))
    return CacheThenRegistry(cache, registry, freshness, ask_after)


def _in_sql(settings: Settings, clock: Callable[[], datetime]) -> Registry:
    from eligibility.registry_sql import SqlRegistry

    own = settings.registry
    database = database_of(settings, connections=own.at_once, timeout=own.timeout)
    return SqlRegistry(database, table_of(settings), clock=clock)


def _over_http(settings: Settings, clock: Callable[[], datetime]) -> Registry:
    from eligibility.registry_http import HttpPlace, HttpRegistry

    own = settings.registry
    host = _host(own.url.value)
    if not host:
        raise _wrong(settings, "url", "is no address such as https://registry.example/people")
    if own.url.value.startswith("http://") and not is_loopback(host):
        raise _wrong(settings, "url", "https:// is needed: national IDs would travel in clear")
    authority = Path(own.authority) if own.authority else None
    try:
        return HttpRegistry(
            HttpPlace(own.url.value, own.secret.value, authority),
            connections=own.at_once,
            clock=clock,
        )
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or type(error).__name__
        raise _wrong(settings, "authority", f"{authority} cannot be used ({why})") from None


def _host(url: str) -> str | None:
    """The host of an address, None where there is none, or more than an address."""
    try:
        place = urlsplit(url)
        _ = place.port
    except ValueError:
        return None
    return None if place.fragment or place.username is not None else place.hostname


def _wrong(settings: Settings, key: str, sentence: str) -> ConfigError:
    return ConfigError(f"{settings.where('registry', key)}: registry.{key}: {sentence}.")
