"""The card of one tool request: what the agent wants, exactly, and what was decided and done.

A card never changes its height: nobody's second click may land on a neighbour.
"""

import string
import time
from typing import Any, Literal

import streamlit as st

from hitl.agents import ToolFacts
from hitl.journal import Approve, Decision, Reject, ToolRequest
from hitl.journal.values import RequestStatus
from hitl.secrecy import masked
from hitl.ui import text
from hitl.ui.clicks import click, say
from hitl.ui.countdown import draw_countdown
from hitl.ui.doubt import ask_what_came_of_it
from hitl.ui.office import desk
from hitl.ui.people import NOBODY, clock, duration, who

FOOT_HEIGHT = 104
DOUBT_HEIGHT = 152
DOUBTFUL: tuple[RequestStatus, ...] = ("unknown", "worked", "not_done", "repeated")
MASK = "•••••• (secret)"
IN_SENTENCE = 48
LARGE = 5000

Color = Literal["green", "red", "gray", "blue", "orange"]
APPROVED: tuple[str, str, Color] = ("Approved", ":material/check:", "green")
ALLOWED: tuple[str, str, Color] = ("Allowed", ":material/bolt:", "gray")
BADGES: dict[str, tuple[str, str, Color]] = {
    "rejected": ("Rejected", ":material/close:", "red"),
    "denied": ("Denied", ":material/gpp_bad:", "red"),
    "expired": ("Expired", ":material/timer_off:", "gray"),
    "cancelled": ("Cancelled", ":material/block:", "gray"),
}
OUTCOMES: dict[str, tuple[str, str, Color]] = {
    "approved": ("Starting", ":material/hourglass_top:", "blue"),
    "running": ("Running", ":material/hourglass_top:", "blue"),
    "succeeded": ("Done", ":material/task_alt:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "unknown": ("Started, outcome unknown, not run again", ":material/help:", "orange"),
    "worked": ("Started; a person says that it worked", ":material/task_alt:", "blue"),
    "not_done": ("Started; a person says that it did not happen", ":material/block:", "gray"),
    "repeated": ("Started, outcome unknown; run again below", ":material/replay:", "orange"),
    "void": ("Not executed; asked anew below", ":material/published_with_changes:", "orange"),
    "rejected": ("Nothing was executed", ":material/block:", "gray"),
    "denied": ("Nothing was executed", ":material/block:", "gray"),
    "expired": ("Nothing was executed", ":material/block:", "gray"),
    "cancelled": ("Nothing was executed", ":material/block:", "gray"),
}


def needs_card(request: ToolRequest) -> bool:
    """Whether a person has, or had, a say in it; everything else is one line."""
    answered_as_before = request.status == "rejected" and request.decision is None
    return (request.asks and not answered_as_before) or request.status in DOUBTFUL


def draw_card(request: ToolRequest, facts: ToolFacts) -> None:
    """Draw the card, for deciding or as the record of what was decided."""
    with st.container(key=f"request-{request.id}", border=True, gap="small"):
        _head(request, facts)
        _draw_past(request)
        draw_arguments(request, facts)
        height = DOUBT_HEIGHT if request.status in DOUBTFUL else FOOT_HEIGHT
        with st.container(height=height, border=False, key=f"foot-{request.id}", gap="small"):
            if request.status == "pending":
                _ask(request)
            elif request.is_in_doubt:
                ask_what_came_of_it(request, _decider(request))
            else:
                _tell(request)


def _head(request: ToolRequest, facts: ToolFacts) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{text.label(request.tool)}**", width="content")
        st.space("stretch")
        if request.status == "pending" and request.expires_at is not None:
            draw_countdown(request.id, request.asked_at, request.expires_at)
        else:
            st.caption(_waited(request), width="content")
    if facts.sentence:
        st.markdown(sentence(facts, _shown_arguments(request, facts, "•••")))
    if " when " in request.rule:
        st.caption(f"Rule: {text.code(request.rule)}")


def _draw_past(request: ToolRequest) -> None:
    """What a person should know of what was asked, and decided, before."""
    if request.earlier and (earlier := desk().request(request.earlier)):
        said = text.visible(earlier.reason or "no reason was given")
        by = text.label(earlier.decided_by or NOBODY, keep=text.IN_PROSE)
        who_said = "You rejected" if _decider(earlier) == "you" else f"{by} rejected"
        st.warning(f"{who_said} this before: {text.words(said)}", icon=":material/history:")
    if request.replaces and (replaced := desk().request(request.replaces)):
        if replaced.status == "void":
            changed = text.words(text.visible(replaced.result or ""))
            words = f"Asked anew, since it changed after it was approved. {changed}"
            st.warning(words, icon=":material/published_with_changes:")
        else:
            st.caption("Run again: what came of it the first time is not known.")


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
            shown = text.value(arguments.get(name))
            parts.append(text.code(text.shorten(shown, IN_SENTENCE)))
    return "".join(parts)


def _shown_arguments(request: ToolRequest, facts: ToolFacts, mask: str) -> dict[str, Any]:
    """The arguments, the secret ones masked until they are revealed here."""
    if st.session_state.get(f"reveal-{request.id}"):
        return request.final_arguments
    return masked(request.final_arguments, {*request.secret, *facts.secret}, mask)


def draw_arguments(request: ToolRequest, facts: ToolFacts) -> None:
    """Every argument by name, complete and literal."""
    arguments = request.final_arguments
    public = _shown_arguments(request, facts, MASK)
    shown = {name: text.value(data) for name, data in public.items()}
    short = {name: data for name, data in shown.items() if text.is_short(data)}
    if short:
        rows = [{"argument": text.label(name), "value": text.code(short[name])} for name in short]
        st.table(rows, border="horizontal", width="content", hide_index=True, hide_header=True)
    for name, data in shown.items():
        if name not in short:
            st.caption(text.label(name))
            draw_literal(data)
    if masked(arguments, {*request.secret, *facts.secret}) != arguments:
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
    return _badge(request)[0].lower()


def _badge(request: ToolRequest) -> tuple[str, str, Color]:
    """What was decided; where nobody was asked, the rules have."""
    if request.status in BADGES:
        return BADGES[request.status]
    return APPROVED if request.decision == "approve" else ALLOWED


def _tell(request: ToolRequest) -> None:
    word, icon, color = _badge(request)
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="center"):
        st.badge(word, icon=icon, color=color)
        st.text(text.visible(_by_whom(request)), width="stretch")
    word, icon, color = OUTCOMES[request.status]
    if request.status == "approved" and not desk().can_run(request):
        word, color = "No agent here can run this; it waits for one", "orange"
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="center"):
        st.badge(f"{word}{_took(request)}", icon=icon, color=color)
        if request.result and request.status not in (*DOUBTFUL, "void"):
            _draw_result(request)
    if request.resolved_by is not None:
        said_at = clock(request.resolved_at or request.asked_at)
        told = f": {request.result}" if request.result else ""
        st.text(text.visible(f"said by {request.resolved_by} at {said_at}{told}"))


def _by_whom(request: ToolRequest) -> str:
    at = clock(request.decided_at or request.ended_at or request.asked_at)
    by = f"by {_decider(request)}" if request.decided_by else "before anybody decided"
    if request.status == "expired":
        by = "as nobody decided in time,"
    return f"{by} at {at}" + (f": {request.reason}" if request.reason else "")


def _decider(request: ToolRequest) -> str:
    """Who decided; a visitor without a name is still "you" where it was done."""
    here = request.id in st.session_state.get("decided-here", ())
    return "you" if here and request.decided_by == NOBODY else request.decided_by or NOBODY


def _took(request: ToolRequest) -> str:
    if request.started_at is None or request.ended_at is None or request.status in DOUBTFUL:
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
