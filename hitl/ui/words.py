"""What a request's states are called, and in which colour."""

from typing import Literal

import streamlit as st

from hitl.agents import Risk
from hitl.journal import ToolRequest
from hitl.journal.values import RequestStatus
from hitl.ui.people import NOBODY

Color = Literal["green", "red", "gray", "blue", "orange"]
Badge = tuple[str, str, Color]
DOUBTFUL: tuple[RequestStatus, ...] = ("unknown", "worked", "not_done", "repeated")
DECISIONS: dict[str | None, Badge] = {
    "approve": ("Approved", ":material/check:", "green"),
    "reject": ("Rejected", ":material/close:", "red"),
    "answer": ("Answered instead", ":material/reply:", "blue"),
    None: ("Allowed", ":material/bolt:", "gray"),
}
BADGES: dict[str, Badge] = {
    "rejected": DECISIONS["reject"],
    "answered": DECISIONS["answer"],
    "denied": ("Denied", ":material/gpp_bad:", "red"),
    "expired": ("Expired", ":material/timer_off:", "gray"),
    "cancelled": ("Cancelled", ":material/block:", "gray"),
}
NOTHING: Badge = ("Nothing was executed", ":material/block:", "gray")
OUTCOMES: dict[str, Badge] = {
    "decided": ("Not started yet", ":material/hourglass_top:", "blue"),
    "approved": ("Starting", ":material/hourglass_top:", "blue"),
    "running": ("Running", ":material/hourglass_top:", "blue"),
    "succeeded": ("Done", ":material/task_alt:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "unknown": ("Started, outcome unknown, not run again", ":material/help:", "orange"),
    "worked": ("Started; a person says that it worked", ":material/task_alt:", "blue"),
    "not_done": ("Started; a person says that it did not happen", ":material/block:", "gray"),
    "repeated": ("Started, outcome unknown; run again below", ":material/replay:", "orange"),
    "void": ("Not executed; asked anew below", ":material/published_with_changes:", "orange"),
    "rejected": NOTHING,
    "answered": NOTHING,
    "denied": NOTHING,
    "expired": NOTHING,
    "cancelled": NOTHING,
}
RISKS: dict[Risk, Badge] = {
    "low": ("Low risk", ":material/shield:", "green"),
    "medium": ("Medium risk", ":material/shield:", "orange"),
    "high": ("High risk", ":material/warning:", "red"),
}


def badge_of(request: ToolRequest) -> Badge:
    """What was decided; where nobody was asked, the rules have."""
    if request.status in BADGES:
        return BADGES[request.status]
    return DECISIONS[request.decision]


def decided_word(request: ToolRequest) -> str:
    """Approved, rejected, answered instead, expired or cancelled."""
    return badge_of(request)[0].lower()


def decider(request: ToolRequest) -> str:
    """Who decided."""
    return named(request.id, request.decided_by)


def named(request_id: str, by: str | None) -> str:
    """Who did something about a request; a visitor without a name is "you" where it was done."""
    here = request_id in st.session_state.get("decided-here", ())
    return "you" if here and by == NOBODY else by or NOBODY


def note_done_here(request_id: str) -> None:
    """Remember that this visitor decided it."""
    st.session_state.setdefault("decided-here", set()).add(request_id)
