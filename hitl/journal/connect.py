"""Opens the database: SQLite in a file or in memory, or Postgres."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from hitl.errors import JournalUnavailable

MEMORY = "sqlite://"
LOCK_WAIT_SECONDS = 10
POOL: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 8, "max_overflow": 24}
PSYCOPG = "postgresql+psycopg"
# A server that is gone is noticed within seconds; one that only freezes can't hold a row for ever.
POSTGRES_ARGUMENTS = {
    "application_name": "you-decide",
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "options": "-c lock_timeout=5s -c statement_timeout=30s "
    "-c idle_in_transaction_session_timeout=60s",
}


def connect(url: str) -> Engine:
    """An engine for that URL.

    Raises:
        JournalUnavailable: if the URL can't be understood, or its folder can't be made.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return _connect_server(parsed)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise JournalUnavailable(f"HITL_DATABASE_URL can't be used: {error}") from None
    except ValueError:  # its text may quote a part of the password
        raise JournalUnavailable("HITL_DATABASE_URL can't be used: it is no address.") from None
    engine = _connect_sqlite(parsed)
    event.listen(engine, "connect", _prepare_connection(parsed))
    event.listen(engine, "begin", _begin)
    return engine


def _as_json(value: Any) -> str:
    """A user state may hold anything; what is not JSON is kept as it prints."""
    return json.dumps(value, default=str)


# What was written, and to whom, is for no log and no message to read in an error's text.
EVERY_ENGINE: dict[str, Any] = {"json_serializer": _as_json, "hide_parameters": True}


def _connect_server(url: URL) -> Engine:
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername=PSYCOPG)
    arguments: dict[str, Any] = {}
    if url.drivername == PSYCOPG:
        # Conditional updates have to see what was committed while they waited for their row.
        arguments["isolation_level"] = "READ COMMITTED"
        given = {**POSTGRES_ARGUMENTS, **url.query}
        arguments["connect_args"] = {name: given[name] for name in POSTGRES_ARGUMENTS}
    return create_engine(url, pool_pre_ping=True, **EVERY_ENGINE, **POOL, **arguments)


def _connect_sqlite(url: URL) -> Engine:
    # Autocommit at the driver's level: our "begin" decides when a transaction starts, and how.
    arguments: dict[str, Any] = {
        **EVERY_ENGINE,
        "connect_args": {
            "timeout": LOCK_WAIT_SECONDS,
            "check_same_thread": False,
            "isolation_level": None,
        },
    }
    if url.database in (None, "", ":memory:"):
        # A second connection would see another, empty database.
        return create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, **arguments)
    if not url.database.startswith("file:"):
        _make_private_file(Path(url.database))
    return create_engine(url, **POOL, **arguments)


def _make_private_file(path: Path) -> None:
    """The journal holds what was said in clear: its file is its owner's alone, from the start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        if path.stat().st_uid == os.getuid():
            path.chmod(0o600)
    except OSError as error:
        raise JournalUnavailable(
            f"The database file {str(path)!r} can't be written ({error.strerror}). "
            "Make its folder writable, or set HITL_DATABASE_URL to another place."
        ) from None


def _prepare_connection(url: URL) -> Callable[[Any, Any], None]:
    in_file = url.database not in (None, "", ":memory:")

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        if in_file:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    return prepare


def _begin(connection: Any) -> None:
    # A deferred transaction that reads and then writes fails at once with "database is locked"
    # when somebody else wrote in between; an immediate one waits for its turn.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
