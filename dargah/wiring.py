"""From settings to objects: the one place where the parts of the house meet."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from api.eligibility import EligibilityApi
from api.keys import ApiKeys
from config.errors import ConfigError
from config.redis_settings import RedisSettings
from config.settings import Settings
from dargah.dialogue_of_settings import building, own_version
from dargah.failures import Failure
from dargah.registry_of_settings import guarded_registry, people_of
from dialogue.advance import leave
from dialogue.live import LiveVersions
from dialogue.phrases import Phrases
from dialogue.preferences import Preferences
from dialogue.published import Published
from dialogue.state import EXPIRED
from dialogue.tree import Tree
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.generation import Generation
from eligibility.inquiry import Inquiries, InquirySettings, Observer
from eligibility.journal import Journal
from eligibility.ledger import Budget, Ledger
from eligibility.registry_guard import GuardedRegistry, RegistryEvents
from ivr.version import SpokenVersion
from state.commands import Commands
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash, load_or_create_key
from state.sessions import SessionStore
from state.store import masters, replica
from state.stores import Stores, open_stores
from telecom.channel import Channel
from ussd.aggregator import Aggregator
from ussd.conversation import UssdConversations, UssdTimes
from ussd.rendering import render

log = structlog.get_logger("dargah")


def clock() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@asynccontextmanager
async def stores_of(
    settings: Settings,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - a setting that is handed on
) -> AsyncIterator[Stores]:
    """Both roles of Redis, opened and closed; `timeout` (seconds) goes before the settings'.

    Raises Failure where Redis cannot be had, and for what it refuses inside the block.
    """
    redis = settings.redis
    try:
        stores = await open_stores(
            RedisSettings(
                cache_url=redis.cache_url.value,
                state_url=redis.state_url.value,
                timeout=timeout or redis.timeout,
                in_flight=redis.in_flight,
                start_deadline=redis.start_deadline,
                refresh=redis.refresh,
                cache_replicas=settings.eligibility.replica_answers,
                behind=settings.eligibility.replica_behind,
            ),
            settings.data_folder,
        )
    except Unavailable as error:
        raise Failure(str(error)) from None
    try:
        yield stores
    except ReplyError as error:
        raise Failure(f"{error.remedy}{place_of(settings, error)}.") from None
    except Unavailable as error:
        raise Failure(f"Redis did not do its part: {error}; try again.") from None
    finally:
        await stores.close()


def place_of(settings: Settings, error: ReplyError) -> str:
    """Where the disk is that an embedded Redis cannot write to: "; it writes to ...", or ""."""
    redis = settings.redis
    if error.code != "MISCONF" or (redis.cache_url and redis.state_url):
        return ""
    return f"; it writes to {settings.data_folder / 'redis'}"


async def proven_kept(state: Commands) -> None:
    """See that what was just written reached the disk. Raises ReplyError where it did not.

    With its files synced every second, Redis takes the write that finds the disk full, and refuses
    only the next one.
    """
    for server in masters(state).values():
        try:
            info: bytes = await server.send("INFO", "persistence")
        except ReplyError:
            continue  # a server that keeps its state to itself
        if b"aof_last_write_status:err" in info:
            raise ReplyError("MISCONF in answer to what was written")


def hashes_of(settings: Settings) -> KeyedHash:
    """The keyed hash under which people and askers are known in Redis."""
    path = settings.data_folder / "secrets" / "hash.key"
    try:
        return KeyedHash(load_or_create_key(path))
    except OSError as error:
        raise Failure(f"{path} cannot be read or made ({error.strerror}).") from None


def cache_of(
    stores: Stores,
    settings: Settings,
    noticed: Callable[[Generation], None] | None = None,
) -> Cache:
    """Who looks people up; `noticed` is told of each generation that begins to answer."""
    return Cache(
        stores.cache,
        stores.state,
        freshness_of(settings),
        noticed=noticed,
        copy_of=partial(replica, stores.cache),
    )


def freshness_of(settings: Settings) -> Freshness:
    """How old an answer may be."""
    eligibility = settings.eligibility
    return Freshness(
        fresh_for=timedelta(hours=eligibility.fresh_for),
        usable_for=timedelta(days=eligibility.usable_for),
    )


def ledger_of(stores: Stores, settings: Settings) -> Ledger:
    """Budgets, repeats and tracking codes."""
    eligibility = settings.eligibility
    return Ledger(
        stores.state,
        repeat_for=timedelta(minutes=eligibility.repeat_for),
        retry_for=timedelta(hours=eligibility.retry_for),
        keep_for=timedelta(days=eligibility.codes_kept_for),
    )


def dialogue_folders(settings: Settings) -> tuple[Path | None, Path | None]:
    """Where the operator's own tree and phrases lie; None: those that come with Dargah."""
    own = settings.dialogue
    return Path(own.tree) if own.tree else None, Path(own.phrases) if own.phrases else None


def guide_folder(settings: Settings) -> Path | None:
    """Where the operator's own guide to services lies; None: the one that comes with Dargah."""
    return Path(settings.dialogue.guide) if settings.dialogue.guide else None


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the edges stand on."""

    versions: LiveVersions[SpokenVersion]
    preferences: Preferences
    hashes: KeyedHash
    cache: Cache
    registry: GuardedRegistry | None
    inquiries: Inquiries
    conversations: UssdConversations
    aggregator: Aggregator
    ussd_sorry: str
    api: EligibilityApi

    @property
    def tree(self) -> Tree:
        """Of the version in service."""
        return self.versions.current.tree

    @property
    def phrases(self) -> Phrases:
        """Of the version in service."""
        return self.versions.current.phrases


def gateway_of(
    stores: Stores,
    settings: Settings,
    *,
    observer: Observer,
    turned: Callable[[str], None],
    journal: Journal | None = None,
    registry_events: RegistryEvents,
    in_service: Callable[[str], None] = lambda _: None,
    spoken: bool = True,
) -> Gateway:
    """Everything behind the ports, which must be opened: `cache` and `versions` start and close,
    `registry` is closed.

    `in_service` is told the version of the dialogue, at first and whenever it changes;
    `spoken`: the telephone is served too. Raises ConfigError for a dialogue that does not hold,
    and for a registry that cannot be as it is set.
    """
    own_dialogue = own_version(settings, spoken=spoken)
    tree, phrases = own_dialogue.tree, own_dialogue.phrases
    versions = LiveVersions(
        own_dialogue,
        Published(stores.state),
        building(settings),
        clock=clock,
        noticed=lambda version: in_service(version.digest),
    )
    in_service(own_dialogue.digest)
    preferences = Preferences(
        stores.state, kept_for=timedelta(days=settings.dialogue.preferences_kept_for)
    )
    hashes = hashes_of(settings)
    cache = cache_of(stores, settings, _noticed)
    registry = guarded_registry(settings, stores, cache, registry_events, clock)
    own = settings.eligibility
    phone = Budget(own.phone_burst, own.phone_per_minute)
    budgets = dict.fromkeys(Channel, phone) | {
        Channel.API: Budget(own.api_burst, own.api_per_minute)
    }
    inquiries = Inquiries(
        people_of(settings, cache, registry, freshness_of(settings)),
        ledger_of(stores, settings),
        InquirySettings(
            own.lookup_timeout, budgets, Budget(own.withheld_burst, own.withheld_per_minute)
        ),
        hashes,
        clock=clock,
        below=secrets.randbelow,
        observer=observer,
        journal=journal,
    )
    conversations = UssdConversations(
        versions,
        inquiries,
        SessionStore(stores.state),
        hashes,
        times=UssdTimes(
            session=settings.ussd.session_ttl,
            ended=settings.ussd.ended_ttl,
            turn=settings.dialogue.turn_timeout,
            resume=settings.ussd.resume_for,
        ),
        preferences=preferences,
        turned=turned,
    )
    busy = tree.exits.busy
    _, sorry = leave(tree, replace(EXPIRED, language=tree.languages[0]), busy)
    return Gateway(
        versions=versions,
        preferences=preferences,
        hashes=hashes,
        cache=cache,
        registry=registry,
        inquiries=inquiries,
        conversations=conversations,
        aggregator=Aggregator(conversations, operator=settings.ussd.operator),
        ussd_sorry=f"END {render(phrases, sorry)[0]}",
        api=EligibilityApi(ApiKeys(stores.state), inquiries, hashes),
    )


def _noticed(generation: Generation) -> None:
    log.info(
        "generation_in_service",
        generation=generation.number,
        people=str(generation.people),
        as_of=generation.as_of.isoformat(timespec="seconds"),
    )


def required_folder(path: Path) -> Path:
    """The data folder, made if it is missing, for its owner alone. Raises ConfigError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the data folder {path} cannot be made ({error.strerror}).") from None
    return path
