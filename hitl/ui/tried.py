"""What came of a tool that was tried by hand: its card, or its outcome if it asked nobody."""

import json
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import AgentConfig
from hitl.errors import NotFound
from hitl.journal import RunRecord, ToolRequest
from hitl.ui import live, text
from hitl.ui.arguments import draw_literal
from hitl.ui.card import card_signature, draw_card, needs_card
from hitl.ui.office import desk
from hitl.ui.people import clock, duration
from hitl.ui.words import OUTCOMES

DOUBLE_CLICK_SECONDS = 1.0

Call = tuple[str, str, dict[str, Any]]


@dataclass
class Try:
    """The newest call that a visitor tried.

    Args:
        conversation_id: "" while there is none.
        call: agent, tool and arguments.
        at: when it was clicked, in seconds of the monotonic clock.
        lock: Streamlit runs the callbacks of two quick clicks side by side.
    """

    conversation_id: str = ""
    call: Call | None = None
    at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_repeated(self, call: Call) -> bool:
        """Whether the same was clicked a moment ago: a double click means one call."""
        return call == self.call and time.monotonic() - self.at < DOUBLE_CLICK_SECONDS


def latest_try() -> Try:
    latest = st.session_state.setdefault("try", Try(st.query_params.get("try", "")))
    assert isinstance(latest, Try)
    return latest


def tried_call(agent: AgentConfig) -> RunRecord | None:
    """The newest call if it was one of this agent's; the address keeps it over a reload."""
    conversation_id = latest_try().conversation_id
    try:
        conversation = desk().conversation(conversation_id)
        found = desk().runs_after(conversation_id, 0)
    except NotFound:
        found = []
    if not found or conversation.kind != "try" or conversation.agent != agent.name:
        forget_tried_call()
        return None
    st.query_params["try"] = conversation_id
    return desk().record(found[0].id)


def forget_tried_call() -> None:
    """Leave the call that was tried; what waits of it stays in the approvals."""
    st.session_state.pop("try", None)
    st.query_params.pop("try", None)


def draw_tried_call(record: RunRecord) -> None:
    """The card of the call, or its outcome if it needed nobody, kept up to date."""

    def latest() -> RunRecord:
        return desk().record(record.run.id)

    def signature() -> Hashable:
        found = latest()
        return found.run.status, tuple(map(card_signature, found.requests))

    live.area("tried-call", signature, lambda: _draw_call(latest()))


def _draw_call(record: RunRecord) -> None:
    run = record.run
    for request in record.requests:
        if needs_card(request):
            draw_card(request, _tool(record))
        else:
            _draw_outcome(request)
    if run.status == "failed":
        st.error(text.words(text.visible(run.error or "")), icon=":material/error:")


def _tool(record: RunRecord) -> AsyncBaseTool | None:
    try:
        return desk().agent_of(record.run).tool(record.requests[0].tool)
    except NotFound:
        return None


def _draw_outcome(request: ToolRequest) -> None:
    """A call that needed nobody: what came of it, whole."""
    word, icon, color = OUTCOMES[request.status]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(word, icon=icon, color=color)
        if request.ended_at:
            took = duration(request.ended_at - (request.started_at or request.ended_at))
            st.caption(f"{took}, asked at {clock(request.asked_at)}", width="content")
    if request.result is not None:
        draw_literal(_indented(request.result))


def _indented(result: str) -> str:
    """JSON over several lines, if nothing but its blanks would change; anything else as it is."""
    try:
        data = json.loads(result)
    except (ValueError, RecursionError):
        return result
    is_same = isinstance(data, dict | list) and json.dumps(data, ensure_ascii=False) == result
    return json.dumps(data, ensure_ascii=False, indent=2) if is_same else result
