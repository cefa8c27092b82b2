"""
The door to SQL engines: SQLite where nothing else is asked for, PostgreSQL for real.

    sqlite:///registry.sqlite3      a file, relative to the data folder
    postgresql://user:pw@host/db    anything that SQLAlchemy's psycopg dialect takes

A URL may hold a password, so it is in no text here: `Database.name` is what may be shown.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from state.errors import Unavailable

_WORKERS_END_WITHIN = 0.2
"""Seconds. They take some microseconds, but for a machine that has much else to do."""

_ABOUT_THE_DATABASE = ("28", "3D", "42")
"""Classes of SQLSTATE: who may come in, what the database is called, what is in it."""

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


class BadUrl(ValueError):
    """A URL of no database that is known here; the text does not quote it."""


class Database:
    """One database, connected to when it is first asked.

    `connections` at once at the most, each waited for `timeout` seconds; a statement of
    PostgreSQL is given up by the server after the same time.
    """

    def __init__(
        self, url: str, folder: Path, *, connections: int, timeout: float, make: bool = True
    ) -> None:
        """Raises BadUrl. `folder` is where a relative SQLite file lies; `make` it if missing."""
        place = _place(url, folder)
        kind = place.get_backend_name()
        self.name = place.set(drivername=kind).render_as_string(hide_password=True)
        self.is_sqlite = kind == "sqlite"
        self._needed = Path(str(place.database)) if self.is_sqlite and not make else None
        self._password = str(place.password or "")
        self._engine = _engine(place, connections, timeout)

    def __repr__(self) -> str:
        return f"Database({self.name})"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction. Raises Unavailable, with one sentence, for whatever SQL fails at."""
        if self._needed is not None and not self._needed.exists():
            raise Unavailable(f"the file {self._needed} does not exist")
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            why = _why(error, self._password)
            raise Unavailable(f"the database {self.name} failed ({why})") from None

    async def close(self) -> None:
        """End all connections. Harmless twice."""
        await self._engine.dispose()
        if self.is_sqlite:
            await asyncio.to_thread(_let_workers_end)


def _place(url: str, folder: Path) -> URL:
    try:
        place = make_url(url)
        driver = _DRIVERS[place.drivername]
    except (ArgumentError, KeyError, ValueError):
        raise BadUrl("is no database URL: sqlite:///FILE or postgresql://...") from None
    if place.drivername == "sqlite":
        if place.database in (None, "", ":memory:"):
            raise BadUrl("names no file: sqlite:///FILE")
        place = place.set(database=str(folder / str(place.database)))
    return place.set(drivername=driver)


def _engine(place: URL, connections: int, timeout: float) -> AsyncEngine:
    if place.get_backend_name() == "sqlite":
        engine = create_async_engine(
            place,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=timeout,
            connect_args={"timeout": timeout},
        )
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        return engine
    milliseconds = max(1, int(timeout * 1000))
    return create_async_engine(
        place,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout,
        pool_pre_ping=True,
        pool_recycle=600,
        connect_args={
            "connect_timeout": max(1, round(timeout)),
            "options": f"-c statement_timeout={milliseconds}",
        },
    )


def _set_up_sqlite(connection: Any, _: object) -> None:
    """Readers and one writer side by side, and a commit that a power cut does not undo."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _let_workers_end() -> None:
    """Wait for aiosqlite's threads, which speak to the loop once more at their end.

    One that failed to connect is waited for by nobody else, and complains on standard error where
    the loop has been closed before it. Those of another database that is open go on.
    """
    until = time.monotonic() + _WORKERS_END_WITHIN
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(max(0.0, until - time.monotonic()))


def _why(error: BaseException, password: str) -> str:
    """The fault's name, and its text where that is about the database and not about a row.

    Other texts of drivers quote statements and what was in them.
    """
    cause = getattr(error, "orig", None) or error
    name, text = type(cause).__name__, ""
    state = getattr(cause, "sqlstate", None)
    if type(cause) in (sqlite3.OperationalError, sqlite3.DatabaseError):
        text = str(cause)
    elif state is not None and state[:2] in _ABOUT_THE_DATABASE:
        text = getattr(getattr(cause, "diag", None), "message_primary", None) or ""
    elif state is None and name == "OperationalError":  # no connection
        text = next(iter(str(cause).splitlines()), "")
    if password:
        text = text.replace(password, "***")
    return f"{name}: {text}" if text else name
