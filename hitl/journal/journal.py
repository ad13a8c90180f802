"""One journal: transactions from any thread or loop, and word of what they changed."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, TimeoutError

from hitl.errors import JournalUnavailable
from hitl.journal import tables
from hitl.journal.connect import MEMORY, connect
from hitl.journal.rows import now

P = ParamSpec("P")
T = TypeVar("T")
Listener = Callable[[set[str]], None]
logger = logging.getLogger("hitl.journal")
CLOCK_SLACK_SECONDS = 60


class Journal:
    """The database, behind two verbs: `write` and `read`, each for one whole transaction.

    Args:
        url: an SQLAlchemy URL; the default lives in memory, on one connection behind one thread.

    Raises:
        JournalUnavailable: if the database can't be reached or its tables can't be made.
    """

    def __init__(self, url: str = MEMORY) -> None:
        self.engine = connect(url)
        sqlite = self.engine.dialect.name == "sqlite"
        self.in_memory = sqlite and self.engine.url.database in (None, "", ":memory:")
        self._threads = ThreadPoolExecutor(1 if self.in_memory else 8, thread_name_prefix="journal")
        self._listeners: list[Listener] = []
        with self._explained(), self.engine.execution_options(writes=True).begin() as tx:
            tables.metadata.create_all(tx)

    def write(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `action(connection, …)` in one writing transaction; tell listeners what it touched.

        Raises:
            JournalUnavailable: if the database can't be reached or written.
        """
        with self._explained(), self.engine.execution_options(writes=True).begin() as tx:
            touched: set[str] = set()
            tx.info["touched"] = touched
            result = action(tx, *args, **kwargs)
        if touched:
            self._tell(touched)
        return result

    def read(
        self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `action(connection, …)` in one reading transaction.

        Raises:
            JournalUnavailable: if the database can't be reached.
        """
        with self._explained(), self.engine.begin() as tx:
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

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (DBAPIError, TimeoutError) as error:
            cause = getattr(error, "orig", error)
            logger.error("database: %s", cause)
            raise JournalUnavailable(
                f"The database {self.engine.url.render_as_string()} can't be used: {cause}. "
                "Check HITL_DATABASE_URL and that the file or server can be written."
            ) from error


class Watcher:
    """Notices what other processes, and other connections, committed.

    On SQLite `PRAGMA data_version` changes with each foreign commit and costs nothing to ask;
    elsewhere the newest conversation is asked for. Not safe for two threads at once.
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
            JournalUnavailable: if the database can't be reached.
        """
        if not self._something_happened():
            return set()
        return self._journal.read(self._changed_conversations)

    def _something_happened(self) -> bool:
        if self._journal.in_memory:
            return False
        if self._journal.engine.dialect.name != "sqlite":
            return True
        try:
            if self._connection is None:
                self._connection = self._journal.engine.connect()
            mark = self._connection.exec_driver_sql("PRAGMA data_version").scalar()
            self._connection.rollback()
        except SQLAlchemyError as error:
            self._connection = None
            raise JournalUnavailable(f"The database can't be read: {error}") from error
        happened, self._mark = mark != self._mark, mark
        return happened

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
