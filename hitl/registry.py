"""All agents of a folder, read again whenever a file changes."""

import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from hitl.agent_files import AgentFileError
from hitl.agent_reading import AgentRead, agent_files, read_agent
from hitl.agents import AgentConfig
from hitl.errors import NotFound
from hitl.tool_modules import ToolModules, files_below

logger = logging.getLogger("hitl.agents")

SETTLES_NS = 100_000_000
Stamp = dict[Path, tuple[int, int]]


@dataclass(frozen=True)
class _Reading:
    """The folder as it was at one moment.

    Args:
        stamp: what the files looked like: a difference means that they are read again.
        modules: the tools' modules, kept while no Python file changes.
        agents: those that can be used, by name.
        files: the files of these, by the agent's name.
        errors: what is wrong with the others.
    """

    stamp: Stamp = field(default_factory=dict)
    modules: ToolModules | None = None
    agents: dict[str, AgentConfig] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    errors: list[AgentFileError] = field(default_factory=list)


class Registry:
    """The agents of a folder. Safe to use from any thread.

    An agent whose file is broken is an error: its last good version serves only those who ask
    for exactly that version, which are the runs that started with it.

    Args:
        folder: where the agent files and their tools' modules are.
        look_every: seconds between two looks at the files.
    """

    def __init__(self, folder: Path, look_every: float = 0.5) -> None:
        self._folder = folder.absolute()
        self._look_every = look_every
        self._lock = threading.RLock()
        self._looked: float | None = None
        self._reading: _Reading | None = None
        self._versions: dict[tuple[str, str], AgentConfig] = {}

    def agents(self) -> dict[str, AgentConfig]:
        """The agents that can be used, by name, in the order of their files."""
        return dict(self._current().agents)

    def files(self) -> dict[str, str]:
        """Where these agents are from: name → `agents/shop.yaml`."""
        return dict(self._current().files)

    def errors(self) -> list[AgentFileError]:
        """Everything that is wrong with the other files."""
        return list(self._current().errors)

    def names(self) -> list[str]:
        """The agents that `get` knows: also one with a broken file, for the runs that it has."""
        current = self._current().agents
        return list(dict.fromkeys([*current, *(name for name, _ in list(self._versions))]))

    def get(self, name: str, version: str | None = None) -> AgentConfig:
        """The agent: exactly this version if it is still in memory, else as its file is now.

        Raises:
            NotFound: if no file that can be read holds such an agent; says what is wrong with
                the others, as a broken file may have been the one.
        """
        reading = self._current()
        agent = self._versions.get((name, version or "")) or reading.agents.get(name)
        if agent is None:
            known = ", ".join(map(repr, reading.agents)) or "none"
            broken = "".join(f"\n{error}" for error in reading.errors)
            raise NotFound(f"no agent {name!r}; there are: {known}{broken}")
        return agent

    def _current(self) -> _Reading:
        with self._lock:
            reading, now = self._reading, time.monotonic()
            if reading and self._looked and now - self._looked < self._look_every:
                return reading
            stamp = _stamp(self._folder)
            if reading is None or stamp != reading.stamp:
                reading = self._reading = self._read_again(stamp, reading)
            if reading.stamp == stamp:
                self._looked = time.monotonic()
            return reading

    def _read_again(self, stamp: Stamp, before: _Reading | None) -> _Reading:
        """The folder as it is now; as it was before, while somebody writes to it.

        Half of a file could allow what the whole file asks for.
        """
        if before and _is_fresh(stamp, before.stamp):
            return before
        reading = self._read(stamp, before or _Reading())
        if before and _stamp(self._folder) != stamp:
            return before
        _log(reading.errors, before.errors if before else [])
        self._versions |= {(name, it.version): it for name, it in reading.agents.items()}
        return reading

    def _read(self, stamp: Stamp, before: _Reading) -> _Reading:
        modules = before.modules
        if modules is None or _python(stamp) != _python(before.stamp):
            modules = ToolModules(self._folder)
        reads = [read_agent(path, modules) for path in agent_files(modules)]
        errors = [error for read in reads for error in read.errors] + _namesakes(reads)
        if not self._folder.is_dir():
            errors.append(AgentFileError(str(self._folder), None, None, "there is no such folder"))
        agents, files = {}, {}
        for read in reads:
            if read.config and not any(error.file == read.file for error in errors):
                # The same object for the same version: what its tools hold in memory stays.
                key = (read.config.name, read.config.version)
                agents[read.config.name] = self._versions.get(key, read.config)
                files[read.config.name] = read.file
        return _Reading(stamp, modules, agents, files, errors)


def _stamp(folder: Path) -> Stamp:
    stamp = {}
    for path in files_below(folder, ".yaml", ".yml", ".py"):
        try:
            status = path.stat()
        except OSError:  # just removed, or a link to nowhere: reading it says more
            stamp[path] = (0, 0)
        else:
            stamp[path] = (status.st_mtime_ns, status.st_size)
    return stamp


def _is_fresh(stamp: Stamp, before: Stamp) -> bool:
    """Whether a file changed in this very moment, so that more may follow."""
    changed = [mtime_ns for _, (mtime_ns, _) in stamp.items() - before.items()]
    return any(0 <= time.time_ns() - mtime_ns < SETTLES_NS for mtime_ns in changed)


def _python(stamp: Stamp) -> Stamp:
    return {path: seen for path, seen in stamp.items() if path.suffix == ".py"}


def _namesakes(reads: list[AgentRead]) -> list[AgentFileError]:
    """An error for each of several agents of one name: which one is meant is not ours to guess."""
    by_name = defaultdict(list)
    for read in reads:
        if read.config:
            by_name[read.config.name].append(read)
    return [
        AgentFileError(
            read.file,
            read.line,
            "name",
            f"{name!r} is also the name of the agent in "
            + ", ".join(other.file for other in same if other is not read)
            + "; rename one of them",
        )
        for name, same in by_name.items()
        if len(same) > 1
        for read in same
    ]


def _log(errors: list[AgentFileError], before: list[AgentFileError]) -> None:
    known = set(map(str, before))
    for error in errors:
        if str(error) not in known:
            logger.error("%s", error)
