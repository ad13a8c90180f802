"""The systems that do the same job, and how each is started. Writes nothing into the project."""

import getpass
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"
STARTED_WITHIN = 120  # seconds


@dataclass(frozen=True)
class System:
    """An app under test.

    Args:
        command: how it is started; `{port}`, `{folder}` and `{python}` are filled in, as in `env`.
        box: the CSS selector of its message box.
        path: where one chats.
    """

    name: str
    command: tuple[str, ...]
    box: str
    path: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    peer: bool = False


OURS = System(
    name="this app",
    command=(
        *("{python}", "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", "{port}"),
        *("--server.address", "127.0.0.1", "--server.headless", "true"),
    ),
    box="textarea[placeholder^=Message]",
    path="/?agent=Addition%20Agent",
    env={"HITL_DATABASE_URL": "sqlite:///{folder}/bench.sqlite"},
)
GRADIO = System(
    name="Gradio",
    command=("{python}", str(PEERS / "gradio_app.py")),
    box="textarea[placeholder^=Message]",
    env={"PORT": "{port}", "GRADIO_ANALYTICS_ENABLED": "False"},
    peer=True,
)
CHAINLIT = System(
    name="Chainlit",
    command=(
        "{python}",
        "-m",
        "chainlit",
        "run",
        str(PEERS / "chainlit_app.py"),
        "--headless",
        "--port",
        "{port}",
    ),
    box="#chat-input",
    env={"CHAINLIT_APP_ROOT": "{folder}"},
    peer=True,
)


@dataclass(frozen=True)
class Server:
    """A started system: where it listens, and what its processes use."""

    system: System
    origin: str
    env: dict[str, str]
    process: psutil.Process

    @property
    def url(self) -> str:
        return self.origin + self.system.path

    def megabytes(self) -> float:
        """Resident memory of the process and all that it started."""
        return sum(process.memory_info().rss for process in self._tree()) / 1e6

    def cpu_seconds(self) -> float:
        """Processor time used so far by the process and all that it started."""
        return sum(sum(process.cpu_times()[:2]) for process in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def started(system: System, model_url: str) -> Iterator[Server]:
    """Run `system` in a new folder for the `with` block, which begins once it listens."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        python = peers_python() if system.peer else sys.executable
        fill = {"port": port, "folder": folder, "python": python}
        settings = model_settings(model_url) | {
            name: value.format(**fill) for name, value in system.env.items()
        }
        command = [part.format(**fill) for part in system.command]
        with running(command, port, settings) as process:
            yield Server(system, f"http://127.0.0.1:{port}", settings, psutil.Process(process.pid))


@contextmanager
def model_server() -> Iterator[str]:
    """The base URL of a local OpenAI-compatible server that answers at once."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "tests.openai_server",
        "--port",
        str(port),
        "--script",
        "addition",
    ]
    with running(command, port, {}):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def running(command: list[str], port: int, settings: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Run `command`, wait until it listens on `port`, and end it with all that it started."""
    env = os.environ | settings
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            if not _listens(process, port):
                log.seek(0)
                raise RuntimeError(
                    f"{' '.join(command)!r} did not start:\n{log.read().decode()[-4000:]}"
                )
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def model_settings(model_url: str) -> dict[str, str]:
    """The environment in which OpenAI's client talks to the local model server."""
    return {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": model_url}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def peers_python() -> str:
    """The interpreter of the peers' environment, built on first use and when their list changes."""
    wanted = (PEERS / "requirements.txt").read_bytes() + sys.version.encode()
    name = f"bench-peers-{getpass.getuser()}-{hashlib.sha256(wanted).hexdigest()[:12]}"
    folder = Path(tempfile.gettempdir()) / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"Installing the peers into {folder} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "-r", PEERS / "requirements.txt"], check=True
        )
        (folder / "complete").touch()
    return str(python)


def _listens(process: subprocess.Popen, port: int) -> bool:
    deadline = time.monotonic() + STARTED_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.01)
    return False
