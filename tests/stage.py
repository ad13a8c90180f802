"""The app without its pages: a journal in a file, an engine and a desk, with one agent on stage."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from llama_index.core.llms import LLM
from llama_index.core.tools import BaseTool, FunctionTool

from hitl.agents import AgentConfig
from hitl.desk import Desk
from hitl.engine import Engine
from hitl.errors import NotFound
from hitl.journal import Approve, Journal, Reject, RunRecord, ToolRequest
from tests.scripted import DEADLINE, ScriptedModel

T = TypeVar("T")
BY = "Ada"


def agent(*tools: Callable[..., Any] | BaseTool, free: str = "", **fields: Any) -> AgentConfig:
    """An agent with these tools, all of which ask except those named in `free`."""
    made = [
        each if isinstance(each, BaseTool) else FunctionTool.from_defaults(each) for each in tools
    ]
    config = AgentConfig(name="Clerk", description="Does things.", tools=made, **fields)
    asking = [name for name in config.tool_names() if name not in free.split()]
    return config.model_copy(update={"tools_requiring_human_confirmation": asking})


class Till:
    """A tool whose effects can be counted: `pay` remembers every amount that it was paid."""

    def __init__(self) -> None:
        self.paid: list[int] = []

    def tool(self) -> FunctionTool:
        return FunctionTool.from_defaults(self.pay)

    def pay(self, amount: int) -> str:
        """Pay an amount."""
        self.paid.append(amount)
        return f"paid {amount}"


class OneAgent:
    """An `Agents` that knows one agent."""

    def __init__(self, agent: AgentConfig) -> None:
        self.agent = agent

    def names(self) -> list[str]:
        return [self.agent.name]

    def get(self, name: str, version: str | None = None) -> AgentConfig:
        if name != self.agent.name:
            raise NotFound(f"There is no agent {name!r}.")
        return self.agent


class Stage:
    """A desk with its engine, and the questions that tests ask it over and over.

    Args:
        url: where the journal is.
        starts: False leaves the engine off.
    """

    def __init__(self, url: str, agent: AgentConfig, llm: LLM, *, starts: bool = True) -> None:
        self.model, self.agents = llm, OneAgent(agent)
        self.journal = Journal(url)
        self.engine = Engine(self.journal, self.agents, lambda _: llm)
        self.desk = Desk(self.journal, self.engine, self.agents)
        self._changed = threading.Event()
        self.engine.bus.subscribe("", lambda *_: self._changed.set())
        if starts:
            self.engine.start()

    def close(self) -> None:
        self.engine.stop()
        self.journal.close()

    def until(self, condition: Callable[[], T], what: str = "", seconds: float = DEADLINE) -> T:
        """Wait until `condition` holds, and return what it returned."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, f"waited in vain for {what or condition}"
            self._changed.wait(0.02)
            self._changed.clear()
        return result

    def start(self, **changes: Any) -> str:
        return self.desk.start(self.agents.agent.name, changes=changes or None)

    def send(self, text: str, conversation: str | None = None) -> tuple[str, str]:
        """Send a message, by default in a new conversation; returns (conversation, run)."""
        conversation = conversation or self.start()
        return conversation, self.desk.send(conversation, text, by=BY)

    def run(self, run_id: str) -> RunRecord:
        return self.desk.record(run_id)

    def ended(self, run_id: str, status: str = "answered") -> RunRecord:
        """Wait until the run has ended, as it should."""
        record = self.until(
            lambda: (found := self.run(run_id)).run.has_ended and found, f"the end of {run_id}"
        )
        assert record.run.status == status, f"{record.run.status}: {record.run.error}"
        return record

    def waiting(self, run_id: str, count: int = 1) -> list[ToolRequest]:
        """Wait until the run is parked with that many requests; returns them, in order."""

        def parked() -> list[ToolRequest]:
            record = self.run(run_id)
            assert not record.run.has_ended, f"{record.run.status}: {record.run.error}"
            pending = [each for each in record.requests if each.status == "pending"]
            return pending if record.run.status == "waiting" and len(pending) == count else []

        return self.until(parked, f"{count} waiting requests of {run_id}")

    def waiting_in_doubt(self, run_id: str, count: int = 1) -> list[ToolRequest]:
        """Wait until the run is parked, with that many calls of which nobody knows the outcome."""

        def parked() -> list[ToolRequest]:
            record = self.run(run_id)
            assert not record.run.has_ended, f"{record.run.status}: {record.run.error}"
            doubtful = [each for each in record.requests if each.is_in_doubt]
            return doubtful if record.run.status == "waiting" and len(doubtful) == count else []

        return self.until(parked, f"{count} calls of {run_id} in doubt")

    def status(self, request: ToolRequest) -> str:
        found = self.desk.request(request.id)
        assert found is not None
        return found.status

    def approve(self, request: ToolRequest, arguments: dict[str, Any] | None = None) -> bool:
        return self.desk.decide(request.id, Approve(arguments), by=BY).accepted

    def reject(self, request: ToolRequest, reason: str = "") -> bool:
        return self.desk.decide(request.id, Reject(reason), by=BY).accepted

    def told(self) -> list[str]:
        """What the tools' messages said in the newest call of the model."""
        assert isinstance(self.model, ScriptedModel)
        return [str(each.content) for each in self.model.sent[-1] if each.role == "tool"]


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'hitl.sqlite'}"
