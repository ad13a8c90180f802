"""What every test gets: no real model, no internet; and the stage for those that ask for it."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.postgres import Line, Postgres

REAL_CONNECT, REAL_CONNECT_EX = socket.socket.connect, socket.socket.connect_ex
REAL_GETADDRINFO = socket.getaddrinfo


# They start processes from a fork server, which wants to be the first thing that a worker does.
FIRST = ("tests/test_restart.py", "tests/test_races.py", "tests/crash/")
BROWSER = "tests/browser/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (not item.nodeid.startswith(BROWSER), not _is_first(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One worker has the browser for itself, the other runs the rest, file by file."""
    from xdist.scheduler import LoadScopeScheduling

    class OneBrowser(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]

    return OneBrowser(config, log)


def _is_first(item: pytest.Item) -> bool:
    return item.nodeid.startswith(FIRST)


class RealConnection(AssertionError):
    """Raised when a test tries to leave this machine."""


def _refuse_the_world(host: Any) -> None:
    host = host.decode() if isinstance(host, bytes) else host
    try:
        stays_here = not host or ipaddress.ip_address(host).is_loopback
    except ValueError:
        stays_here = host == "localhost"
    if not stays_here:
        raise RealConnection(f"No test may connect to {host!r}: use tests/openai_server.py.")


def _connect(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        _refuse_the_world(address[0])
    REAL_CONNECT(sock, address)


def _connect_ex(sock: socket.socket, address: Any) -> int:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        _refuse_the_world(address[0])
    return REAL_CONNECT_EX(sock, address)


def _getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    if host not in ("0.0.0.0", "::"):  # where a server listens
        _refuse_the_world(host)
    return REAL_GETADDRINFO(host, *args, **kwargs)


@pytest.fixture(scope="session", autouse=True)
def no_real_model() -> Iterator[None]:
    """Whatever keys the developer has, no test can spend their money."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("OPENAI_", "HITL_"))]:
            patch.delenv(name)
        patch.setattr(socket.socket, "connect", _connect)
        patch.setattr(socket.socket, "connect_ex", _connect_ex)
        patch.setattr(socket, "getaddrinfo", _getaddrinfo)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator["Postgres"]:
    """The one Postgres of all tests."""
    from tests.postgres import running

    with running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: "Postgres") -> Iterator[str]:
    """A journal of one's own on Postgres."""
    url = postgres.new_journal()
    yield url
    postgres.drop(url)


@pytest.fixture
def line(postgres: "Postgres") -> Iterator["Line"]:
    """A line to the Postgres, which can be cut and restored."""
    from tests.postgres import Line

    line = Line(postgres.socket)
    yield line
    line.cut()


@pytest.fixture(params=["sqlite", "postgres"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a journal of one's own is; the test is run once for each database."""
    from tests.stage import sqlite_url

    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def play(journal_url: str) -> Iterator[Callable[..., Any]]:
    """`play(agent, *replies)`: a stage with a scripted model, ended and checked after the test."""
    from tests.scripted import ScriptedModel
    from tests.stage import Stage

    stages: list[Stage] = []

    def start(agent: Any, *replies: Any, starts: bool = True, **fields: Any) -> Stage:
        stages.append(Stage(journal_url, agent, ScriptedModel(*replies, **fields), starts=starts))
        return stages[-1]

    yield start
    for stage in stages:
        with suppress(AssertionError):  # which `check` says better
            stage.until(lambda stage=stage: stage.model.has_said_all)
        stage.close()
    for stage in stages:
        stage.model.check()


@pytest.fixture
def till() -> Any:
    """A tool whose effects can be counted."""
    from tests.stage import Till

    return Till()
