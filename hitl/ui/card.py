"""The card of one tool request: what the agent wants, exactly, and what was decided and done.

A card never changes its height: nobody's second click may land on a neighbour.
"""

import string
import time
from typing import Any, Literal

import streamlit as st

from hitl.agents import ToolFacts
from hitl.journal import Approve, Decision, Reject, ToolRequest
from hitl.ui import text
from hitl.ui.clicks import click, say
from hitl.ui.office import desk
from hitl.ui.people import NOBODY, clock, duration, who

FOOT_HEIGHT = 104
IN_SENTENCE = 48
LARGE = 5000

Color = Literal["green", "red", "gray", "blue", "orange"]
BADGES: dict[str, tuple[str, str, Color]] = {
    "approved": ("Approved", ":material/check:", "green"),
    "running": ("Approved", ":material/check:", "green"),
    "succeeded": ("Approved", ":material/check:", "green"),
    "failed": ("Approved", ":material/check:", "green"),
    "unknown": ("Approved", ":material/check:", "green"),
    "rejected": ("Rejected", ":material/close:", "red"),
    "expired": ("Expired", ":material/timer_off:", "gray"),
    "cancelled": ("Cancelled", ":material/block:", "gray"),
}
OUTCOMES: dict[str, tuple[str, str, Color]] = {
    "approved": ("Starting", ":material/hourglass_top:", "blue"),
    "running": ("Running", ":material/hourglass_top:", "blue"),
    "succeeded": ("Done", ":material/task_alt:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "unknown": ("Started, outcome unknown, not run again", ":material/help:", "orange"),
    "rejected": ("Nothing was executed", ":material/block:", "gray"),
    "expired": ("Nothing was executed", ":material/block:", "gray"),
    "cancelled": ("Nothing was executed", ":material/block:", "gray"),
}


def draw_card(request: ToolRequest, facts: ToolFacts) -> None:
    """Draw the card, for deciding or as the record of what was decided."""
    with st.container(key=f"request-{request.id}", border=True, gap="small"):
        _head(request, facts)
        draw_arguments(request, facts)
        with st.container(height=FOOT_HEIGHT, border=False, key=f"foot-{request.id}", gap="small"):
            if request.status == "pending":
                _ask(request)
            else:
                _tell(request)


def _head(request: ToolRequest, facts: ToolFacts) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{text.label(request.tool)}**", width="content")
        st.space("stretch")
        st.caption(_waited(request), width="content")
    if facts.sentence:
        st.markdown(sentence(facts, request.final_arguments))


def _waited(request: ToolRequest) -> str:
    if request.status == "pending":
        waited = time.time() - request.asked_at
        return f"waiting for {duration(waited)}" if waited >= 60 else "asked just now"
    return f"asked at {clock(request.asked_at)}"


def sentence(facts: ToolFacts, arguments: dict[str, Any]) -> str:
    """The tool's sentence with the arguments set off; long ones are whole further below."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(facts.sentence or ""):
        parts.append(text.words(literal))
        if name is not None:
            shown = "•••" if name in facts.secret else text.value(arguments.get(name))
            parts.append(text.code(text.shorten(shown, IN_SENTENCE)))
    return "".join(parts)


def draw_arguments(request: ToolRequest, facts: ToolFacts) -> None:
    """Every argument by name, complete and literal."""
    arguments = request.final_arguments
    shown = {name: text.value(data) for name, data in arguments.items()}
    for name in facts.secret:
        if name in shown and not st.session_state.get(f"reveal-{request.id}"):
            shown[name] = "•••••• (secret)"
    short = {name: data for name, data in shown.items() if text.is_short(data)}
    if short:
        rows = [{"argument": text.label(name), "value": text.code(short[name])} for name in short]
        st.table(rows, border="horizontal", width="content", hide_index=True, hide_header=True)
    for name, data in shown.items():
        if name not in short:
            st.caption(text.label(name))
            draw_literal(data)
    if any(name in arguments for name in facts.secret):
        st.checkbox("Reveal secrets", key=f"reveal-{request.id}")
    if request.edited is not None:
        st.caption("Changed by a person before approving.")


def draw_literal(data: str) -> None:
    """A text to the letter, whole; a long one scrolls in its place."""
    long = len(data) > 1200 or data.count("\n") > 14
    st.code(text.visible(data), language=None, wrap_lines=True, height=320 if long else "content")


def _ask(request: ToolRequest) -> None:
    reason = f"reason-{request.id}"
    st.text_input(
        "Reason (optional)",
        key=reason,
        placeholder="Reason (optional), told to the agent if you reject",
        label_visibility="collapsed",
        max_chars=2000,
        live=True,
        on_change="ignore",
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Approve",
            key=f"approve-{request.id}",
            type="primary",
            icon=":material/check:",
            on_click=_decide,
            args=(request.id, "approve"),
        )
        st.button(
            "Reject",
            key=f"reject-{request.id}",
            icon=":material/close:",
            on_click=_decide,
            args=(request.id, "reject"),
        )


@click
def _decide(request_id: str, what: str) -> None:
    """A click: ask the desk, which may say that somebody else was first."""
    reason = str(st.session_state.get(f"reason-{request_id}") or "")
    decision: Decision = Approve(reason=reason) if what == "approve" else Reject(reason)
    verdict = desk().decide(request_id, decision, by=who())
    if verdict.accepted:
        st.session_state.setdefault("decided-here", set()).add(request_id)
    else:
        say(_already(verdict.request))


def _already(request: ToolRequest | None) -> str:
    if request is None:
        return "There is no such request any more."
    by = f" by {request.decided_by}" if request.decided_by else ""
    return f"Your click did not count: this was already {decided_word(request)}{by}."


def decided_word(request: ToolRequest) -> str:
    """Approved, rejected, expired or cancelled."""
    return BADGES[request.status][0].lower() if request.status in BADGES else request.status


def _tell(request: ToolRequest) -> None:
    word, icon, color = BADGES[request.status]
    by = f"by {_decider(request)}" if request.decision else "before anybody decided"
    at = clock(request.decided_at or request.ended_at or request.asked_at)
    said = f"{by} at {at}" + (f": {request.reason}" if request.reason else "")
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="center"):
        st.badge(word, icon=icon, color=color)
        st.text(text.visible(said), width="stretch")
    word, icon, color = OUTCOMES[request.status]
    if request.status == "approved" and not desk().can_run(request):
        word, color = "No agent here can run this; it waits for one", "orange"
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="center"):
        st.badge(f"{word}{_took(request)}", icon=icon, color=color)
        if request.result is not None:
            _draw_result(request)


def _decider(request: ToolRequest) -> str:
    """Who decided; a visitor without a name is still "you" where it was done."""
    here = request.id in st.session_state.get("decided-here", ())
    return "you" if here and request.decided_by == NOBODY else request.decided_by or NOBODY


def _took(request: ToolRequest) -> str:
    if request.started_at is None or request.ended_at is None or request.status == "unknown":
        return ""
    return f" in {duration(request.ended_at - request.started_at)}"


def _draw_result(request: ToolRequest) -> None:
    """A result in one line, and whole behind a click."""
    result = request.result or ""
    st.text(text.shorten(" ".join(text.visible(result).split()), 32), width="stretch")
    # A large one is sent only to whoever opens it.
    opening: Literal["rerun", "ignore"] = "rerun" if len(result) > LARGE else "ignore"
    whole = st.popover("Result", type="tertiary", key=f"result-{request.id}", on_change=opening)
    if len(result) <= LARGE or whole.open:
        with whole:
            st.caption(f"{len(result)} characters")
            draw_literal(result)
