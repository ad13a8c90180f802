"""What was really sent to the model, and what really came back."""

import json
from collections.abc import Callable
from typing import Any

import streamlit as st

from hitl.journal import ModelCall, RunRecord
from hitl.secrecy import masked_text, without_secrets
from hitl.ui import live, text
from hitl.ui.arguments import draw_literal
from hitl.ui.office import desk
from hitl.ui.people import clock, duration


@st.dialog("Details", width="large", icon=":material/data_object:")
@live.dialog
def show_details(run_id: str) -> None:
    """Every call of the model in a run."""
    calls, record = desk().details(run_id), desk().record(run_id)
    hide = _hider(record)
    if not calls:
        st.text("The model was not called in this run.")
    for number, call in enumerate(calls, start=1):
        title = f"Model call {number} · {duration(call.ms / 1000)}{_tokens(call)}"
        with st.expander(title, expanded=number == len(calls)):
            st.caption(f"Sent at {clock(call.started_at)}")
            _draw_call(call, hide)
    _draw_decisions(record)


def _hider(record: RunRecord) -> Callable[[str], str]:
    """Masks what is secret, by its name or by what a tool declares, until it is revealed."""
    if st.toggle("Reveal secrets", key=f"reveal-details-{record.run.id}"):
        return str

    def hide(shown: str) -> str:
        for request in record.requests:
            for arguments in (request.arguments, request.final_arguments):
                shown = without_secrets(shown, arguments, request.secret)
        return masked_text(shown)

    return hide


def _draw_decisions(record: RunRecord) -> None:
    """The receipt of each decision: what was shown, in its canonical form, and its digest."""
    decided = [request for request in record.requests if request.receipt]
    if not decided:
        return
    with st.expander(f"Receipts · {len(decided)}"):
        for request in decided:
            st.caption(f"{text.label(request.tool)} · {text.label(request.id)}")
            draw_literal(f"{request.receipt}\nSHA-256 {request.receipt_sha256}")


def _tokens(call: ModelCall) -> str:
    if call.tokens_in is None or call.tokens_out is None:
        return ""
    return f" · {call.tokens_in} + {call.tokens_out} tokens"


def _draw_call(call: ModelCall, hide: Callable[[str], str]) -> None:
    sent, tools, reply, config = st.tabs(["Messages sent", "Tools offered", "Reply", "Settings"])
    with sent:
        for message in call.messages:
            st.caption(text.label(message["role"]))
            draw_literal(hide(_content(message)))
    with tools:
        _draw_json(call.tools, str)
    with reply:
        _draw_json(call.reply if call.reply is not None else call.error, hide)
    with config:
        _draw_json(call.config, hide)


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


def _draw_json(data: Any, hide: Callable[[str], str]) -> None:
    draw_literal(hide(json.dumps(data, indent=2, ensure_ascii=False)))
