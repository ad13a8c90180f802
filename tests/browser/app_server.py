"""The real server as a process: started, killed and started again on the same port and data."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from llama_index.core.llms import LLM

from hitl.agents import AgentConfig
from hitl.desk import Desk
from hitl.engine import Engine
from hitl.journal import Journal
from hitl.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
TEST_AGENTS = Path(__file__).parent / "agents"
START_SECONDS = 40
DEADLINE = 25


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait until `condition` holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return result


class AppServer:
    """`python -m streamlit run app.py` with a port, a data folder and an environment of its own.

    Args:
        folder: holds its data, its log and the effects of the test agents' tools.
        env: settings, such as `OPENAI_BASE_URL`.
        options: more of the command line, such as `--server.address`.
        before: is called in the new process before it becomes the server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        env: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
        before: Callable[[], None] | None = None,
    ) -> None:
        self.folder, self.port, self.options, self.before = folder, free_port(), options, before
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {**_clean_environment(), **_own_environment(folder), **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    # The process

    def start(self) -> "AppServer":
        """Start it and wait until agents can run."""
        return self.launch().ready()

    def ready(self) -> "AppServer":
        """Wait until agents can run."""
        until(self._is_ready, "GET /healthz to answer 200", START_SECONDS)
        return self

    def launch(self) -> "AppServer":
        """Start it without waiting."""
        self.folder.mkdir(parents=True, exist_ok=True)
        run = (sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port))
        with self._log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*run, *self.options],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=self.before,
            )
        return self

    def kill(self) -> None:
        """Pull the plug."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait until it ends by itself."""
        assert self.process is not None
        return self.process.wait(START_SECONDS)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(DEADLINE)
            raise

    def _is_ready(self) -> bool:
        assert self.process is not None
        ended = self.process.poll()
        assert ended is None, f"the server ended with exit code {ended}:\n{self.log()}"
        return self.health()[0] == 200

    # What it says

    def health(self) -> tuple[int, Any]:
        """Status and body of GET /healthz; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except OSError:
            return 0, None

    def log(self) -> str:
        """What it wrote to the terminal."""
        return self._log_file.read_text() if self._log_file.exists() else ""

    @property
    def _log_file(self) -> Path:
        return self.folder / "terminal.log"

    # What its tools did

    def effects(self) -> list[str]:
        """A line for each time that a test agent's tool ran."""
        file = self.folder / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def let_go(self) -> None:
        """Let the tool `dig`, which waits for this, come to its end."""
        (self.folder / "effects.go").touch()

    # Somebody else, on the same journal

    @property
    def database(self) -> Path:
        return self.folder / "data" / "hitl.sqlite"

    @cached_property
    def desk(self) -> Desk:
        """A desk in this process: decides like another person on another server."""
        journal = Journal(f"sqlite:///{self.database}")
        agents = Registry(Path(self.env.get("HITL_AGENTS_DIR", ROOT / "agents")))
        return Desk(journal, Engine(journal, agents, choose_llm=_no_model), agents)

    def clear(self) -> None:
        """Stop whatever a test left waiting or working."""
        busy = {each.id for each in self.desk.recent()[:5] if self.desk.is_busy(each.id)}
        for conversation in busy | {request.conversation_id for request in self.desk.pending()}:
            self.desk.stop(conversation, by="the test's end")


def _no_model(agent: AgentConfig) -> LLM:
    raise AssertionError("this desk has no engine running, and no model")


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[AppServer]:
    """A server for the `with` block, ready from its beginning."""
    server = AppServer(folder, **options)
    try:
        yield server.start()
    finally:
        server.kill()


def _clean_environment() -> dict[str, str]:
    mine = ("OPENAI_", "HITL_", "STREAMLIT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


def _own_environment(folder: Path) -> dict[str, str]:
    return {
        "HITL_DATA_DIR": str(folder / "data"),
        "TEST_EFFECTS": str(folder / "effects"),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }
