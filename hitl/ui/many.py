"""Deciding many at once, after a summary of what that is."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import streamlit as st

from hitl.errors import JournalUnavailable
from hitl.journal import Approve, Decision, Reject, ToolRequest
from hitl.ui import arming, live, text
from hitl.ui.arguments import draw_arguments, facts, warn_of_origins
from hitl.ui.clicks import click, draw_whole_page, say
from hitl.ui.deciding import LONGEST
from hitl.ui.office import desk
from hitl.ui.people import who
from hitl.ui.words import RISKS, note_done_here


def draw_many(name: str, requests: Callable[[], Sequence[ToolRequest]]) -> None:
    """Below the cards of a run: decide all that wait, if these are several.

    Args:
        name: unique in the page.
        requests: those of the run, as they are now.
    """

    def waiting() -> list[str]:
        ids = [each.id for each in requests() if each.status == "pending"]
        return ids if len(ids) > 1 else []

    def signature() -> Hashable:
        return tuple(waiting())

    def draw() -> None:
        if ids := waiting():
            draw_buttons(name, ids, f"{len(ids)} requests wait")

    live.area(f"many-{name}", signature, draw)


def draw_buttons(name: str, ids: Sequence[str], title: str, which: str = "all") -> None:
    """Approve and reject, for several at once; each asks once more, with a summary."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{title}**", width="content")
        st.space("stretch")
        for verb, icon in (("Approve", "done_all"), ("Reject", "remove_done")):
            what = verb.lower()
            label, key = f"{verb} {which}", f"many-{what}-{name}"
            if st.button(label, key=key, icon=f":material/{icon}:"):
                confirm(what, list(ids))


def confirm(what: str, ids: list[str]) -> None:
    """Ask once more, in a dialog."""
    arming.disarm("many")
    verb = "Approve" if what == "approve" else "Reject"
    these = "this request" if len(ids) == 1 else f"these {len(ids)} requests"
    dialog = st.dialog(f"{verb} {these}?", width="medium", icon=":material/checklist:")
    dialog(live.dialog(_draw_summary))(what, verb, ids)


def _draw_summary(what: str, verb: str, ids: list[str]) -> None:
    """What would be decided, one reason for all, and the button that does it."""
    found = [desk().request(each) for each in ids]
    waiting = [each for each in found if each is not None and each.status == "pending"]
    if not waiting:
        st.markdown("Nothing of it waits any more.")
        return
    gone = len(ids) - len(waiting)
    st.markdown(_counted(waiting) + (f"; {gone} of them decided meanwhile" if gone else ""))
    with st.container(height=420 if len(waiting) > 2 else "content", border=False, gap="small"):
        for request in waiting:
            _draw_one(request)
    st.text_input(
        "One reason for all (optional)",
        key="reason-for-many",
        max_chars=LONGEST,
        live=True,
        on_change="ignore",
    )
    ids_now = [each.id for each in waiting]
    arming.draw_in_dialog("many", partial(_draw_confirm, what, verb, ids_now))


def _draw_one(request: ToolRequest) -> None:
    tool = desk().tool_of(request)
    declared = facts(tool)
    with st.container(border=True, gap="xsmall", key=f"of-many-{request.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{text.label(request.tool)}**", width="content")
            if declared.risk:
                word, icon, color = RISKS[declared.risk]
                st.badge(word, icon=icon, color=color)
        warn_of_origins(request, tool)
        draw_arguments(request, tool)


def _counted(waiting: Sequence[ToolRequest]) -> str:
    """How many of which tool."""
    tools = [request.tool for request in waiting]
    counts = [f"{tools.count(tool)} × {text.code(tool)}" for tool in dict.fromkeys(tools)]
    return ", ".join(counts)


def _draw_confirm(what: str, verb: str, ids: list[str], armed: bool) -> None:
    count = "it" if len(ids) == 1 else f"{len(ids)} requests"
    st.button(
        f"{verb} {count}",
        key="confirm-many",
        type="primary",
        icon=":material/check:" if what == "approve" else ":material/close:",
        on_click=_decide,
        args=(what, ids),
        disabled=not armed,
    )
    st.caption("Nothing is decided before that.", width="content")


@click
def _decide(what: str, ids: list[str]) -> None:
    if arming.is_refused("many"):
        return
    reason = str(st.session_state.get("reason-for-many") or "")
    decision: Decision = Approve(reason=reason) if what == "approve" else Reject(reason)
    won: list[str] = []
    try:
        for each in ids:
            if desk().decide(each, decision, by=who()).accepted:
                note_done_here(each)
                won.append(each)
    except JournalUnavailable:
        say(f"The database went away: {len(won)} of {len(ids)} are decided for certain.")
    else:
        if others := len(ids) - len(won):
            was = "was" if others == 1 else "were"
            say(f"{others} of these {was} already decided by somebody else.")
    arming.disarm("many")
    draw_whole_page()  # which also closes the dialog
