"""One journal: transactions from any thread or loop, and word of what they changed."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Transaction, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, TimeoutError

from hitl.errors import JournalUnavailable
from hitl.journal import audit, tables
from hitl.journal.conflicts import is_conflict, is_lost_connection
from hitl.journal.connect import MEMORY, connect
from hitl.journal.migrations import bring_up_to_date, create
from hitl.journal.rows import now
from hitl.memory import recall

P = ParamSpec("P")
T = TypeVar("T")
Listener = Callable[[set[str]], None]
audit_logger = logging.getLogger("hitl.audit")
CLOCK_SLACK_SECONDS = 60
TRIES = 10
PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.02


class CommitInDoubt(JournalUnavailable):
    """Raised when the connection was lost during COMMIT: the change may have been made."""


class Journal:
    """The database, behind two verbs: `write` and `read`, each for one whole transaction.

    Args:
        url: an SQLAlchemy URL; the default lives in memory, on one connection behind one thread.
        signing_key: makes the audit's chain an HMAC, whose head goes to the log.

    Raises:
        JournalUnavailable: if the database can't be reached, its tables can't be made or brought
            up to date, or a newer version of the app wrote it.
    """

    def __init__(self, url: str = MEMORY, *, signing_key: str | None = None) -> None:
        self.engine, self.signing_key = connect(url), signing_key
        sqlite = self.engine.dialect.name == "sqlite"
        self.in_memory = sqlite and self.engine.url.database in (None, "", ":memory:")
        self._writing = self.engine.execution_options(writes=True)
        # What one transaction reads is one state of the journal, on SQLite by itself.
        self._reading = (
            self.engine
            if sqlite
            else self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )
        self._threads = ThreadPoolExecutor(1 if self.in_memory else 8, thread_name_prefix="journal")
        self._listeners: list[Listener] = []
        self.write(create if self.in_memory else bring_up_to_date)

    def write(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `action(connection, …)` in one writing transaction; tell listeners what it touched.

        The action is run again, from its beginning, if another transaction was in its way.

        Raises:
            JournalUnavailable: if the database can't be reached or written.
            CommitInDoubt: if that happened during COMMIT.
        """
        result, touched = self._insistently(lambda: self._write_once(action, *args, **kwargs))
        if touched:
            self._tell(touched)
        return result

    def _write_once(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[T, set[str]]:
        with self._writing.connect() as tx, tx.begin() as transaction:
            touched: set[str] = set()
            # The connection is used again by others, and keeps what it was told.
            tx.info["touched"], tx.info["audit"] = touched, []
            result = action(tx, *args, **kwargs)
            head = audit.append(tx, self.signing_key)
            self._commit(transaction)
        if head is not None and self.signing_key is not None:
            audit_logger.info("audit head %s", head)
        return result, touched

    def _commit(self, transaction: Transaction) -> None:
        try:
            transaction.commit()
        except DBAPIError as error:
            if not is_lost_connection(error):
                raise
            raise CommitInDoubt(
                "The connection to the database was lost at the last moment: look whether this "
                "was done before you do it again."
            ) from error

    def read(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `action(connection, …)` in one reading transaction.

        Raises:
            JournalUnavailable: if the database can't be reached.
        """
        question = (action, args, tuple(kwargs.items()))
        return recall(
            question,
            lambda: self._insistently(lambda: self._read_once(action, *args, **kwargs)),
        )

    def _read_once(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with self._reading.begin() as tx:
            return action(tx, *args, **kwargs)

    async def awrite(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write`, without blocking the loop."""
        return await self._in_thread(partial(self.write, action, *args, **kwargs))

    async def aread(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`read`, without blocking the loop."""
        return await self._in_thread(partial(self.read, action, *args, **kwargs))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def listen(self, listener: Listener) -> None:
        """Call `listener(conversation ids)` after each commit, in the thread that committed."""
        self._listeners.append(listener)

    def _tell(self, touched: set[str]) -> None:
        for listener in self._listeners:
            listener(touched)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False)
        self.engine.dispose()

    def _insistently(self, once: Callable[[], T]) -> T:
        """One transaction: again after a conflict, for a while; after a lost connection, once."""
        until, lost = time.monotonic() + PATIENCE_SECONDS, False
        with self._explained():
            for attempt in range(1, TRIES):
                try:
                    return once()
                except DBAPIError as error:
                    just_lost = is_lost_connection(error)
                    again = is_conflict(error) or (just_lost and not lost)
                    if not again or time.monotonic() > until:
                        raise
                    lost = lost or just_lost
                time.sleep(random.uniform(0, PAUSE_SECONDS * attempt))
            return once()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (DBAPIError, TimeoutError) as error:
            raise JournalUnavailable(
                f"The database {_place(self.engine.url)} can't be used: {self._said(error)}. "
                "Check HITL_DATABASE_URL and that the file or server can be written."
            ) from error

    def _said(self, error: SQLAlchemyError) -> str:
        """What a driver says of an error, in one line and without the password."""
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        password = self.engine.url.password
        return cause.replace(password, "***") if password else cause


def _place(url: URL) -> str:
    """A database's URL without its password, wherever in it that is."""
    return url.set(query={}).render_as_string()


class Watcher:
    """Notices what other processes, and other connections, committed.

    On SQLite `PRAGMA data_version` changes with each foreign commit and costs nothing to ask;
    elsewhere the newest conversations are asked for. Not safe for two threads at once.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._connection: Connection | None = None
        self._mark: object = None
        self._versions: dict[str, int] = {}
        self._since = 0.0

    def changed(self) -> set[str]:
        """The conversations that changed since the last call.

        Raises:
            JournalUnavailable: if the database can't be reached; the next call tells what is
                missed now.
        """
        if self._journal.in_memory:
            return set()
        if self._journal.engine.dialect.name != "sqlite":
            return self._journal.read(self._changed_conversations)
        mark = self._data_version()
        if mark == self._mark:
            return set()
        changed = self._journal.read(self._changed_conversations)
        self._mark = mark
        return changed

    def _data_version(self) -> object:
        try:
            if self._connection is None:
                self._connection = self._journal.engine.connect()
            mark = self._connection.exec_driver_sql("PRAGMA data_version").scalar()
            self._connection.rollback()
        except SQLAlchemyError as error:
            self._let_go()
            raise JournalUnavailable(f"The database can't be read: {error}") from error
        return mark

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
        self._connection = None

    def _changed_conversations(self, tx: Connection) -> set[str]:
        conversation = tables.conversation.c
        rows = tx.execute(
            select(conversation.id, conversation.version, conversation.updated_at).where(
                conversation.updated_at >= self._since
            )
        ).all()
        changed = {row.id for row in rows if self._versions.get(row.id) != row.version}
        self._versions = {row.id: row.version for row in rows}
        # Clocks of two processes differ a little, and a slow commit may carry an older time. A
        # time in the future, of a clock that was wrong once, must not hide what comes after it.
        newest = max((row.updated_at for row in rows), default=self._since + CLOCK_SLACK_SECONDS)
        self._since = min(newest, now()) - CLOCK_SLACK_SECONDS
        return changed
