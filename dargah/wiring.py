"""From settings to objects: the one place where the parts of the house meet."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import structlog

from api.eligibility import EligibilityApi
from api.keys import ApiKeys
from config.errors import ConfigError
from config.redis_settings import RedisSettings
from config.settings import Settings
from dargah.failures import Failure
from dialogue.phrases import Phrases, load_phrases
from dialogue.tree import Tree
from dialogue.tree_file import load_tree
from eligibility.cache import Cache
from eligibility.freshness import Freshness
from eligibility.generation import Generation
from eligibility.inquiry import Inquiries, InquirySettings, Observer
from eligibility.ledger import Budget, Ledger
from state.errors import ReplyError, Unavailable
from state.keyed_hash import KeyedHash, load_or_create_key
from state.sessions import SessionStore
from state.stores import Stores, open_stores
from telecom.channel import Channel
from ussd.aggregator import Aggregator
from ussd.conversation import UssdConversations
from ussd.sessions import UssdSessions

log = structlog.get_logger("dargah")


def clock() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@asynccontextmanager
async def stores_of(settings: Settings) -> AsyncIterator[Stores]:
    """Both roles of Redis, opened and closed.

    Raises Failure where Redis cannot be had, and for what it refuses inside the block.
    """
    redis = settings.redis
    try:
        stores = await open_stores(
            RedisSettings(
                cache_url=redis.cache_url.value,
                state_url=redis.state_url.value,
                timeout=redis.timeout,
                in_flight=redis.in_flight,
                start_deadline=redis.start_deadline,
            ),
            settings.data_folder,
        )
    except Unavailable as error:
        raise Failure(str(error)) from None
    try:
        yield stores
    except (Unavailable, ReplyError) as error:
        raise Failure(f"Redis did not do its part: {error}; try again.") from None
    finally:
        await stores.close()


def hashes_of(settings: Settings) -> KeyedHash:
    """The keyed hash under which people and askers are known in Redis."""
    path = settings.data_folder / "secrets" / "hash.key"
    try:
        return KeyedHash(load_or_create_key(path))
    except OSError as error:
        raise Failure(f"{path} cannot be read or made ({error.strerror}).") from None


def cache_of(stores: Stores, settings: Settings) -> Cache:
    """Who looks people up."""
    eligibility = settings.eligibility
    freshness = Freshness(
        fresh_for=timedelta(hours=eligibility.fresh_for),
        usable_for=timedelta(days=eligibility.usable_for),
    )
    return Cache(stores.cache, stores.state, freshness, noticed=_noticed)


def ledger_of(stores: Stores, settings: Settings) -> Ledger:
    """Budgets, repeats and tracking codes."""
    eligibility = settings.eligibility
    return Ledger(
        stores.state,
        repeat_for=timedelta(minutes=eligibility.repeat_for),
        retry_for=timedelta(hours=eligibility.retry_for),
        keep_for=timedelta(days=eligibility.codes_kept_for),
    )


def dialogue_of(settings: Settings) -> tuple[Tree, Phrases]:
    """The tree and the phrases. Raises ConfigError."""
    own = settings.dialogue
    tree = Path(own.tree) if own.tree else files("config") / "dialogue" / "tree.toml"
    phrases = Path(own.phrases) if own.phrases else files("config") / "phrases"
    return load_tree(tree), load_phrases(phrases)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the edges stand on."""

    cache: Cache
    inquiries: Inquiries
    aggregator: Aggregator
    api: EligibilityApi


def gateway_of(
    stores: Stores,
    settings: Settings,
    observer: Observer | None = None,
) -> Gateway:
    """Everything behind the ports. Raises ConfigError for a tree or phrases that do not hold."""
    tree, phrases = dialogue_of(settings)
    hashes = hashes_of(settings)
    cache = cache_of(stores, settings)
    own = settings.eligibility
    phone = Budget(own.phone_burst, own.phone_per_minute)
    budgets = {channel: phone for channel in Channel} | {
        Channel.API: Budget(own.api_burst, own.api_per_minute)
    }
    inquiries = Inquiries(
        cache,
        ledger_of(stores, settings),
        InquirySettings(own.lookup_timeout, budgets),
        hashes,
        clock=clock,
        below=secrets.randbelow,
        observer=observer,
    )
    conversations = UssdConversations(
        tree,
        phrases,
        inquiries,
        UssdSessions(SessionStore(stores.state), hashes),
        turn_seconds=settings.dialogue.turn_timeout,
    )
    return Gateway(
        cache=cache,
        inquiries=inquiries,
        aggregator=Aggregator(conversations, operator=settings.ussd.operator),
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
