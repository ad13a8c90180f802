"""Still valid at dispatch: whether what was decided about is what would run at this moment."""

from dataclasses import replace
from typing import Any, Protocol

from hitl.agents import AgentConfig
from hitl.errors import NotFound
from hitl.fingerprints import fingerprint, what_differs
from hitl.journal.dispatch import Dispatch
from hitl.journal.values import Run, ToolCall, ToolRequest
from hitl.rules import Policy
from hitl.toolcalls import InvalidArguments, checked_call

STRICTER = "ask: it asked before its rule changed"


class Agents(Protocol):
    """Where agents are found: a folder of files, or the one agent of a notebook."""

    def names(self) -> list[str]: ...

    def get(self, name: str, version: str | None = None) -> AgentConfig: ...


def present_agent(
    agents: Agents, run: Run, agent: AgentConfig, changes: dict[str, Any]
) -> AgentConfig:
    """A run's agent with the tools that it has now, and never laxer rules than it had.

    Args:
        agent: as the run began with it.
        changes: what differs from the agent's file in the run's conversation now.
    """
    try:
        latest = agents.get(run.agent)
    except NotFound:  # its file is broken just now: what is known of it still holds
        return agent
    present = agent.with_present_tools(latest.changed(changes))
    return present.model_copy(update={"file_rules": latest.snapshot()["tools"]})


def dispatch_of(agent: AgentConfig, request: ToolRequest) -> Dispatch:
    """What would run if a request started now, and what of that changed since it was asked.

    Args:
        agent: as it is now; its rules are the stricter of those now and when the run began.
    """
    tool = agent.tool(request.tool)
    return Dispatch(
        arguments=request.final_arguments,
        fingerprint=fingerprint(tool) if tool else "",
        changed=what_changed(agent, request),
        anew=_anew(agent, request),
    )


def what_changed(agent: AgentConfig, request: ToolRequest) -> str | None:
    """What changed of a request's tool or rule since it was asked, in words; None if nothing."""
    if not request.fingerprint:  # asked before this was remembered
        return None
    tool = agent.tool(request.tool)
    if tool is None:
        return "The tool is gone."
    parts = what_differs(request.fingerprint, fingerprint(tool))
    said = [f"The tool's {_listed(parts)} changed."] if parts else []
    remembered, present = request.policy or {}, agent.rules_of(request.tool)
    for which in ("file", "holds"):
        before, now = Policy.from_data(remembered.get(which)), Policy.from_data(present[which])
        if before != now:
            said.append(f"Its rule was “{before.words}”, and is “{now.words}” now.")
            break
    return " ".join(said) or None


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _anew(agent: AgentConfig, request: ToolRequest) -> ToolCall:
    """The call as it would be asked now; never freely where it asked before."""
    given: dict[str, Any] = request.final_arguments
    known = None if request.edited is not None else lambda *_: request.origins or {}
    try:
        call = checked_call(agent, request.tool, given, request.provider_id, known)
    except InvalidArguments as error:
        problem = f"Not executed: the tool changed after this was asked. {error}"
        return ToolCall(request.tool, given, request.provider_id, asks=False, problem=problem)
    if request.asks and not call.asks and not call.denied:
        return replace(call, asks=True, rule=STRICTER)
    return call
