"""What came of a tool that was tried by hand: its card, or its outcome if it asked nobody."""

import time
from dataclasses import dataclass
from typing import Any

import streamlit as st

from hitl.agents import AgentConfig, ToolFacts, facts_of
from hitl.errors import NotFound
from hitl.journal import RunRecord, ToolRequest
from hitl.ui import live, text
from hitl.ui.card import OUTCOMES, draw_card, draw_literal
from hitl.ui.office import desk
from hitl.ui.people import clock, duration
from hitl.ui.run import run_signature


@dataclass
class Try:
    """The newest call that a visitor tried.

    Args:
        conversation_id: "" while there is none.
        call: agent, tool and arguments.
        at: when it was clicked, in seconds of the monotonic clock.
    """

    conversation_id: str = ""
    call: tuple[str, str, dict[str, Any]] | None = None
    at: float = 0.0


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
        print("FORGET", time.monotonic(), conversation_id, found, flush=True)
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

    def draw() -> None:
        _draw_call(latest())
        if message := st.session_state.pop("flash", None):
            st.toast(text.words(message), icon=":material/info:")

    live.area("tried-call", lambda: run_signature(latest().run), draw)


def _draw_call(record: RunRecord) -> None:
    run, request = record.run, record.requests[0]
    if request.asks:
        draw_card(request, _facts(record))
    else:
        _draw_outcome(request)
    if run.status == "failed":
        st.error(text.words(text.visible(run.error or "")), icon=":material/error:")


def _facts(record: RunRecord) -> ToolFacts:
    try:
        tool = desk().agent_of(record.run).tool(record.requests[0].tool)
    except NotFound:
        return ToolFacts()
    return facts_of(tool) if tool else ToolFacts()


def _draw_outcome(request: ToolRequest) -> None:
    """A call that needed nobody: what came of it, whole."""
    word, icon, color = OUTCOMES[request.status]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(word, icon=icon, color=color)
        if request.ended_at:
            took = duration(request.ended_at - (request.started_at or request.ended_at))
            st.caption(f"{took}, asked at {clock(request.asked_at)}", width="content")
    if request.result is not None:
        draw_literal(request.result)
