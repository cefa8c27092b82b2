"""The feed of changes in a process: a gateway's part of the group, or a command's."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from config.settings import Settings
from dargah.wiring import clock
from eligibility.change_feed import ChangeFeed, ChangeObserver, ChangeSettings
from eligibility.change_stream import ChangeStream
from state.link import Redis
from state.own_link import OwnLink
from state.store import open_own
from state.stores import Stores

log = structlog.get_logger("dargah")

READER_PATIENCE = 2.0
"""Seconds that a command of the stream's reader may take: it waits for entries."""


def change_stream(settings: Settings, stores: Stores) -> ChangeStream:
    """The stream, through the eyes of this process."""
    return ChangeStream(
        stores.state,
        consumer=f"{socket.gethostname()}-{os.getpid()}",
        bad_kept=settings.changes.bad_kept,
    )


@asynccontextmanager
async def changes_port(
    settings: Settings, stores: Stores, *, observer: ChangeObserver
) -> AsyncIterator[ChangeFeed]:
    """Take changes for as long as the block runs; then end what is under way."""
    own = settings.changes

    async def open_link() -> Redis | OwnLink:
        return await open_own(stores.state, name="dargah-changes", timeout=READER_PATIENCE)

    feed = ChangeFeed(
        change_stream(settings, stores),
        stores.cache,
        stores.state,
        ChangeSettings(
            kept_for=timedelta(hours=own.kept_for),
            limit=own.limit,
            late_after=timedelta(seconds=own.late_after),
            margin=timedelta(hours=own.margin),
        ),
        open_link=open_link,
        clock=clock,
        observer=observer,
    )
    feed.start()
    try:
        yield feed
    finally:
        left = await feed.finish(asyncio.get_running_loop().time() + settings.http.drain_timeout)
        if left:
            log.info("changes_left", left=left)
