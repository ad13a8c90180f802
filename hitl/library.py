"""The workflow without an app: a run on a journal in memory, decided by events."""

import secrets
from collections.abc import Sequence

from llama_index.core.llms import LLM, ChatMessage, MessageRole
from llama_index.core.workflow import StartEvent

from hitl.agents import AgentConfig
from hitl.edits import edited
from hitl.events import ToolApprovedEvent
from hitl.journal import (
    Decision,
    Journal,
    Reject,
    conversations,
    decisions,
    requests,
    runs,
)
from hitl.journal.tables import readable
from hitl.segment import Segment
from hitl.toolcalls import InvalidArguments

BY = "Library"
FOREVER = 10 * 365 * 24 * 3600.0


async def start_in_memory(ev: StartEvent) -> Segment:
    """A new run for the arguments of `HITLAgent.run(…)`, in a journal of its own.

    Raises:
        ValueError: if something required is None, or the LLM can't call functions.
    """
    agent: AgentConfig | None = ev.get("agent_config")
    user_msg: str | None = ev.get("user_msg")
    chat_history: Sequence[ChatMessage] | None = ev.get("chat_history", [])
    llm: LLM | None = ev.get("llm") if "llm" in ev else _default_llm()
    if user_msg is None or llm is None or chat_history is None:
        raise ValueError("User message, llm, and chat_history are required!")
    if not llm.metadata.is_function_calling_model:
        raise ValueError("LLM must be a function calling model!")
    if agent is None:
        raise ValueError("agent_config is required!")
    agent = agent.model_copy(update={"state": dict(ev.get("initial_state", {}) or {})})
    return await _new_segment(agent, user_msg, llm, list(chat_history))


def _default_llm() -> LLM:
    from llama_index.llms.openai import OpenAI  # three seconds that only this default costs

    return OpenAI(model="gpt-4o", temperature=0.3)


async def _new_segment(
    agent: AgentConfig, user_msg: str, llm: LLM, history: list[ChatMessage]
) -> Segment:
    journal, owner = Journal(), f"library-{secrets.token_hex(4)}"
    conversation_id = await journal.awrite(conversations.create, agent.name, kind="library")
    run_id = await journal.awrite(
        runs.add,
        conversation_id,
        agent.name,
        user_msg,
        by=BY,
        config=agent.snapshot(),
        said=ChatMessage(role=MessageRole.USER, content=readable(user_msg)),  # even if it is empty
    )
    await journal.awrite(runs.acquire, run_id, owner, FOREVER)
    return Segment(journal, run_id, owner, agent, llm, history)


async def decide(segment: Segment, ev: ToolApprovedEvent) -> str | None:
    """Put an approval event to the journal. Returns why it was refused, None if it counts."""
    request = await segment.journal.aread(requests.get, ev.tool_id)
    if request is None or request.run_id != segment.run_id:
        return f"there is no request {ev.tool_id!r} in this run."
    if request.tool != ev.tool_name:
        return f"request {ev.tool_id!r} is for tool {request.tool!r}, not {ev.tool_name!r}."
    decision: Decision = Reject(ev.response or "")
    if ev.approved:
        try:
            decision = edited(segment.agent, request, ev.tool_kwargs)
        except InvalidArguments as error:
            return f"the edited arguments don't fit: {error}"
    verdict = await segment.journal.awrite(decisions.decide, ev.tool_id, decision, BY)
    if not verdict.accepted and verdict.request is not None:
        return f"request {ev.tool_id!r} is already {verdict.request.status}."
    return None
