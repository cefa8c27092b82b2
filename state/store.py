"""
One role of Redis, whatever it runs on: opened by its URL, and asked for more than one key's worth.

    redis://, unix://            one server             Redis (state/link.py)
    redis+cluster://             a Cluster              Following what its nodes say
    redis+sentinel://            a master and copies    Following what the Sentinels say
"""

import random
from collections.abc import Callable, Mapping
from functools import partial

from config.redis_settings import CLUSTER, ManyServers, many_servers
from state.address import Address
from state.cluster import ClusterDiscovery
from state.commands import Commands
from state.following import Following
from state.link import Redis, connected, open_redis
from state.nodes import Nodes
from state.own_link import OwnLink
from state.sentinel import SentinelDiscovery
from state.topology import Discovery, Node

Store = Redis | Following

LOOK_PATIENCE = 1.0
"""Seconds to connect to a server that is only asked for the topology."""


async def open_store(
    address: Address,
    *,
    name: str,
    timeout: float = 0.2,  # noqa: ASYNC109  of each command; `deadline` bounds this call
    in_flight: int = 20_000,
    deadline: float = 5.0,
    refresh: float = 1.0,
    replicas: bool = False,
    behind: float = 3600.0,
    jitter: Callable[[], float] = random.random,
) -> Store:
    """Connect to one server or many, waiting at most `deadline` seconds for all of it.

    `refresh`, `replicas` and `behind` are for many, as in Following. Raises Unavailable with one
    sentence, ValueError for a URL that is none.
    """
    many = many_servers(address.url)
    if many is None:
        return await open_redis(
            address,
            name=name,
            timeout=timeout,
            in_flight=in_flight,
            deadline=deadline,
            jitter=jitter,
        )
    new_link = _links(many, name=name, timeout=timeout, in_flight=in_flight, jitter=jitter)
    store = Following(
        address,
        _discovery(many, name, timeout),
        new_link,
        timeout=timeout,
        refresh=refresh,
        replicas=replicas,
        behind=behind,
    )
    await connected(store, deadline)
    return store


async def open_own(store: Store, *, name: str, timeout: float) -> Redis | OwnLink:  # noqa: ASYNC109
    """A connection of a user's own beside a store's, for keys of one slot. Raises Unavailable.

    Its commands may take `timeout` seconds: they may wait on the server.
    """
    many = many_servers(store.address.url)
    if many is None or not isinstance(store, Following):
        return await open_redis(store.address, name=name, timeout=timeout)
    new_link = _links(many, name=name, timeout=timeout, in_flight=100, jitter=random.random)
    return OwnLink(store, new_link, patience=LOOK_PATIENCE)


def at(commands: Commands, key: bytes | str) -> Commands:
    """Where a key is, for commands that have none themselves and belong to it: WAIT, CLIENT."""
    return commands.at(key) if isinstance(commands, Nodes | OwnLink) else commands


def masters(commands: Commands) -> Mapping[str, Commands]:
    """Every server that is written to, by its address ("" where it is the only one): for INFO."""
    if isinstance(commands, Nodes):
        return commands.masters
    return {"": commands}


def replica(commands: Commands, key: bytes | str) -> Commands | None:
    """Who else may be asked for a key where its master does not answer; None: nobody."""
    return commands.replica(key) if isinstance(commands, Nodes) else None


def _links(
    many: ManyServers,
    *,
    name: str,
    timeout: float,
    in_flight: int,
    jitter: Callable[[], float],
) -> Callable[..., Redis]:
    def new_link(node: Node, **more: object) -> Redis:
        address = Address(many.url_of(node.host, node.port))
        make: Callable[..., Redis] = partial(Redis, address, name=name, timeout=timeout)
        return make(in_flight=in_flight, jitter=jitter, **more)

    return new_link


def _discovery(many: ManyServers, name: str, timeout: float) -> Discovery:
    async def connect(node: Node) -> Redis:
        return await open_redis(
            Address(many.url_of(node.host, node.port)),
            name=name,
            timeout=timeout,
            deadline=LOOK_PATIENCE,
        )

    def link_to_sentinel(node: Node) -> Redis:
        return Redis(
            Address(many.sentinel_url(node.host, node.port)),
            name=name,
            timeout=timeout,
            in_flight=100,
            jitter=random.random,
        )

    seeds = [Node(host, port) for host, port in many.hosts]
    if many.kind == CLUSTER:
        return ClusterDiscovery(seeds, connect)
    return SentinelDiscovery(seeds, many.name, link_to_sentinel, connect)
