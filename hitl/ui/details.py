"""What was really sent to the model, and what really came back."""

import json
from typing import Any

import streamlit as st

from hitl.journal import ModelCall
from hitl.ui.card import draw_literal
from hitl.ui.office import desk
from hitl.ui.people import clock, duration


@st.dialog("Details", width="large", icon=":material/data_object:")
def show_details(run_id: str) -> None:
    """Every call of the model in a run."""
    calls = desk().details(run_id)
    if not calls:
        st.text("The model was not called in this run.")
    for number, call in enumerate(calls, start=1):
        title = f"Model call {number} · {duration(call.ms / 1000)}{_tokens(call)}"
        with st.expander(title, expanded=number == len(calls)):
            st.caption(f"Sent at {clock(call.started_at)}")
            _draw_call(call)


def _tokens(call: ModelCall) -> str:
    if call.tokens_in is None or call.tokens_out is None:
        return ""
    return f" · {call.tokens_in} + {call.tokens_out} tokens"


def _draw_call(call: ModelCall) -> None:
    sent, tools, reply, config = st.tabs(["Messages sent", "Tools offered", "Reply", "Settings"])
    with sent:
        for message in call.messages:
            st.caption(message["role"])
            draw_literal(_content(message))
    with tools:
        _draw_json(call.tools)
    with reply:
        _draw_json(call.reply if call.reply is not None else call.error)
    with config:
        _draw_json(call.config)


def _content(message: dict[str, Any]) -> str:
    parts = []
    for block in message.get("blocks", []):
        if block.get("block_type") == "text":
            parts.append(block.get("text") or "")
        else:
            parts.append(json.dumps(block, indent=2, ensure_ascii=False))
    if extra := message.get("additional_kwargs"):
        parts.append(json.dumps(extra, ensure_ascii=False))
    return "\n".join(parts)


def _draw_json(data: Any) -> None:
    draw_literal(json.dumps(data, indent=2, ensure_ascii=False))
