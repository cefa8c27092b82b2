"""The journal that settings ask for: its keys, its database, and its way from Redis to SQL."""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from config.errors import ConfigError
from config.settings import Settings
from dargah.failures import Failure
from dargah.wiring import clock
from eligibility.journal import STREAM, Journal, Observer
from eligibility.journal_keys import JournalKeys
from eligibility.journal_sql import JournalTable
from eligibility.journal_writer import GROUP, JournalWriter
from eligibility.sql import BadUrl, Database
from state.link import Redis
from state.own_link import OwnLink
from state.store import open_own
from state.stores import Stores
from state.streams import Stream

CONNECTIONS = 3
READER_PATIENCE = 2.0
"""Seconds that a command of the stream's reader may take: it waits for entries."""


@dataclass(frozen=True, slots=True)
class Journalling:
    """The journal of a gateway, and what empties it into SQL."""

    journal: Journal
    writer: JournalWriter
    database: Database

    @property
    def ready(self) -> str:
        """ "ok", or why what is told does not reach SQL now."""
        return self.writer.ready

    def start(self) -> None:
        """Begin to empty it."""
        self.writer.start()

    async def close(self, within: float) -> None:
        """Stop, after `within` seconds at the most. What is in Redis stays for the next start."""
        await self.writer.close(within)
        await self.database.close()


def database_of(settings: Settings, *, timeout: float = 0.0) -> Database:
    """The journal's database; `timeout` (seconds) goes before the settings'.

    Raises ConfigError; Failure where there is no journal.
    """
    own = settings.journal
    if not own.url:
        raise Failure('there is no journal: journal.url is "" in the settings.')
    try:
        return Database(
            own.url.value,
            settings.data_folder,
            connections=CONNECTIONS,
            timeout=timeout or own.timeout,
        )
    except BadUrl as error:
        raise ConfigError(f"{settings.where('journal', 'url')}: journal.url: {error}.") from None


def prove_journal(settings: Settings) -> None:
    """Raises ConfigError for a journal that cannot be as it is set."""
    if settings.journal.url:
        database_of(settings)


def keys_folder(settings: Settings) -> Path:
    """Where the journal's keys lie."""
    own = settings.journal.keys
    return Path(own) if own else settings.data_folder / "secrets" / "journal"


def keys_of(settings: Settings) -> JournalKeys:
    """The journal's keys. Raises Failure where they cannot be read."""
    folder = keys_folder(settings)
    try:
        return JournalKeys(folder, secrets.token_bytes)
    except OSError as error:
        raise Failure(f"{folder} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise Failure(f"{error}.") from None


def journal_of(settings: Settings, stores: Stores, observer: Observer) -> Journalling | None:
    """The journal of a gateway, or None where the settings want none.

    Raises ConfigError, and Failure where it has no key and none can be made.
    """
    if not settings.journal.url:
        return None
    database = database_of(settings)
    keys = keys_of(settings)
    try:
        keys.required(clock())
    except OSError as error:
        raise Failure(f"{keys_folder(settings)} cannot be made ({error.strerror}).") from None
    token = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    journal = Journal(stores.state, keys, limit=settings.journal.limit, observer=observer)

    async def open_link() -> Redis | OwnLink:
        return await open_own(stores.state, name="dargah-journal", timeout=READER_PATIENCE)

    writer = JournalWriter(
        journal,
        Stream(stores.state, STREAM, group=GROUP, consumer=token, limit=settings.journal.limit),
        JournalTable(database),
        keys,
        stores.state,
        open_link,
        kept_for=timedelta(days=settings.journal.kept_for),
        clock=clock,
        token=token,
        observer=observer,
        patience=settings.journal.timeout,
    )
    return Journalling(journal, writer, database)
