"""The telephone's door: the FastAGI port, its guard, and the calls behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from config.errors import ConfigError
from config.http_settings import Network, networks
from config.settings import Settings
from dargah.bridge import settled
from dargah.guard import address_of
from dargah.metrics import Metrics
from dargah.wiring import Gateway, guide_folder
from dialogue.guide import load_guide
from dialogue.phrases import Phrases
from dialogue.tree import Tree
from ivr.build_prompts import missing
from ivr.call import Calls, CallTimes
from ivr.server import CallLimits, FastAgiServer
from ivr.voices import Voices, load_voices, voice_findings

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

log = structlog.get_logger("ivr")

BACKLOG = 511
"""A surge of calls connects at once; with 50, a hundred of them took a second."""

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


def prompts_folder(settings: Settings) -> Path:
    """Where recordings lie; Asterisk's `sounds/dargah` is a link to it."""
    return settings.data_folder / "prompts"


def voices_of(settings: Settings) -> Voices:
    """What the voices say. Raises ConfigError."""
    own = settings.ivr.voices
    return load_voices(Path(own) if own else None, load_guide(guide_folder(settings)))


def peers_of(settings: Settings) -> tuple[Network, ...]:
    """Who may connect. Raises ConfigError where the port lacks its guard."""
    ivr = settings.ivr
    address = address_of(ivr.host)
    if address is None:
        raise ConfigError(f"{settings.where('ivr', 'host')}: ivr.host: {ivr.host!r} is no address.")
    named = networks(ivr.networks, f"{settings.where('ivr', 'networks')}: ivr.networks")
    if not named and not address.is_loopback:
        raise ConfigError(
            f"{settings.where('ivr', 'host')}: ivr.host: FastAGI on {ivr.host} needs ivr.networks."
        )
    return named or LOOPBACK


def proven_voices(settings: Settings, tree: Tree, phrases: Phrases) -> Voices:
    """The voices, able to say all that the tree may. Raises ConfigError with the first finding."""
    voices = voices_of(settings)
    for finding in voice_findings(voices, tree, phrases):
        raise ConfigError(str(finding))
    if settings.ivr.entry not in tree.entries:
        raise ConfigError(
            f"{settings.where('ivr', 'entry')}: ivr.entry: the tree has no entry "
            f"{settings.ivr.entry!r}; it has {', '.join(sorted(tree.entries))}."
        )
    return voices


@asynccontextmanager
async def ivr_port(
    reactor: "AsyncioSelectorReactor",
    settings: Settings,
    gateway: Gateway,
    metrics: Metrics,
    *,
    heard: bool,
) -> AsyncIterator[str]:
    """Open the port ("host:port"); drain the calls at the end. Raises ConfigError.

    `heard`: people listen, so that recordings must be there; a demo's prompts are only named.
    """
    ivr = settings.ivr
    peers = peers_of(settings)
    voices = proven_voices(settings, gateway.tree, gateway.phrases)
    lacking = missing(voices, prompts_folder(settings))
    if lacking and heard:
        log.warning("recordings_missing", count=len(lacking), remedy="dargah prompts --build")
    calls = Calls(
        gateway.tree,
        gateway.phrases,
        voices,
        gateway.inquiries,
        gateway.hashes,
        entry=ivr.entry,
        times=CallTimes(digit=ivr.digit, turn=settings.dialogue.turn_timeout),
    )
    server = FastAgiServer(
        calls.take,
        peers=peers,
        limits=CallLimits(calls=ivr.calls, call_seconds=ivr.call_seconds),
    )
    try:
        listening: IListeningPort = reactor.listenTCP(  # type: ignore[no-untyped-call]
            ivr.port, server, BACKLOG, ivr.host
        )
    except CannotListenError as error:
        reason = getattr(error.socketError, "strerror", None) or "it cannot be opened"
        raise ConfigError(
            f"{settings.where('ivr', 'port')}: ivr.port: cannot listen on {ivr.host} port "
            f"{ivr.port}: {reason}."
        ) from None
    metrics.watch_calls(lambda: server.calls, server.ended)
    try:
        yield f"{ivr.host}:{listening.getHost().port}"  # type: ignore[attr-defined]
    finally:
        await settled(listening.stopListening())
        await server.drain(settings.http.drain_timeout)
