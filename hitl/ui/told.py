"""The foot of a card that was decided: by whom, when, and what came of it."""

from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from hitl.journal import ToolRequest
from hitl.ui import arming, text
from hitl.ui.arguments import LARGE, draw_literal
from hitl.ui.clicks import click, say
from hitl.ui.countdown import draw_countdown
from hitl.ui.office import desk
from hitl.ui.people import clock, duration, who
from hitl.ui.words import DOUBTFUL, OUTCOMES, badge_of, decided_word, decider, named

# Their result is said elsewhere on the card, or is nobody's result.
SAID_ELSEWHERE = (*DOUBTFUL, "void", "decided")
# In pixels: so that on a wide page it is as high as the foot of a card that waits, and no card
# moves when the one above it is decided.
BETWEEN, BELOW_BUTTON, BELOW_BADGE = 16, 14, 29


def tell(request: ToolRequest) -> None:
    """What was decided, and what became of it."""
    with st.container(gap=None):
        with _row():
            word, icon, color = badge_of(request)
            st.badge(word, icon=icon, color=color)
            st.text(text.visible(_by_whom(request)), width="content")
        st.space(BETWEEN)
        has_button = _tell_outcome(request)
        if request.resolved_by is not None:
            _tell_resolution(request)
        st.space(BELOW_BUTTON if has_button else BELOW_BADGE)


def _tell_outcome(request: ToolRequest) -> bool:
    """What became of it; whether there is a button beside that."""
    word, icon, color = OUTCOMES[request.status]
    if request.status == "approved" and not desk().can_run(request):
        word, color = "No agent here can run this; it waits for one", "orange"
    with _row():
        st.badge(f"{word}{_took(request)}", icon=icon, color=color)
        if request.status == "decided":
            _offer_undo(request)
            return True
        if request.result and request.status not in SAID_ELSEWHERE:
            _draw_result(request)
            return True
    return False


def _tell_resolution(request: ToolRequest) -> None:
    said_at = clock(request.resolved_at or request.asked_at)
    told = f": {request.result}" if request.result else ""
    by = named(request.id, request.resolved_by)
    st.text(text.visible(f"said by {by} at {said_at}{told}"))


def _row() -> DeltaGenerator:
    return st.container(horizontal=True, gap="small", vertical_alignment="center")


def _by_whom(request: ToolRequest) -> str:
    at = clock(request.decided_at or request.ended_at or request.asked_at)
    by = f"by {decider(request)}" if request.decided_by else "before anybody decided"
    if request.status == "expired":
        by = "as nobody decided in time,"
    return f"{by} at {at}" + (f": {request.reason}" if request.reason else "")


def _took(request: ToolRequest) -> str:
    if request.started_at is None or request.ended_at is None or request.status in DOUBTFUL:
        return ""
    return f" in {duration(request.ended_at - request.started_at)}"


def _draw_result(request: ToolRequest) -> None:
    """A result in one line, and whole behind a click."""
    result = request.result or ""
    st.text(text.shorten(" ".join(text.visible(result).split()), 32), width="content")
    # A large one is sent only to whoever opens it.
    opening: Literal["rerun", "ignore"] = "rerun" if len(result) > LARGE else "ignore"
    name = "Answer" if request.status == "answered" else "Result"
    whole = st.popover(name, type="tertiary", key=f"result-{request.id}", on_change=opening)
    if len(result) <= LARGE or whole.open:
        with whole:
            st.caption(f"{len(result)} characters")
            draw_literal(result)


def _offer_undo(request: ToolRequest) -> None:
    assert request.effective_at is not None
    assert request.decided_at is not None
    draw_countdown(f"undo-{request.id}", request.decided_at, request.effective_at, "takes effect")
    st.button(
        "Undo",
        key=f"undo-{request.id}",
        icon=":material/undo:",
        on_click=_undo,
        args=(request.id,),
    )


@click
def _undo(request_id: str) -> None:
    verdict = desk().undo(request_id, by=who())
    if not verdict.accepted:
        say(_too_late(verdict.request))
    arming.disarm(request_id)
    arming.redraw(request_id)


def _too_late(request: ToolRequest | None) -> str:
    if request is None:
        return "There is no such request any more."
    if request.started_at is not None:
        return "Too late to undo: the tool has started."
    if request.status == "pending":
        return "It was taken back already, and waits again."
    return f"Too late to undo: it was {decided_word(request)}, and that has taken effect."
