"""A call that was cut off: nobody saw its end, so a person says what came of it."""

import streamlit as st

from hitl.journal import ItDidNotHappen, ItWorked, Resolution, RunAgain, ToolRequest
from hitl.ui import text
from hitl.ui.clicks import click, say
from hitl.ui.office import desk
from hitl.ui.people import clock, who
from hitl.ui.words import note_done_here


def ask_what_came_of_it(request: ToolRequest, decider: str) -> None:
    """Who started it and when, and the three things that a person can say."""
    at = clock(request.started_at or request.asked_at)
    with st.container(horizontal=True, wrap=False, gap="small", vertical_alignment="center"):
        st.badge("Started, outcome unknown", icon=":material/help:", color="orange")
        st.text(text.visible(f"approved by {decider}, started at {at}"), width="stretch")
    st.text_input(
        "What the agent is told (optional)",
        key=f"told-{request.id}",
        placeholder="What the agent is told (optional)",
        label_visibility="collapsed",
        max_chars=2000,
        live=True,
        on_change="ignore",
    )
    with st.container(horizontal=True, gap="small"):
        for words, what, icon in (
            ("Run again", "run-again", ":material/replay:"),
            ("It worked", "worked", ":material/task_alt:"),
            ("It did not happen", "not-done", ":material/block:"),
        ):
            st.button(
                words,
                key=f"{what}-{request.id}",
                icon=icon,
                on_click=_resolve,
                args=(request.id, what),
            )


@click
def _resolve(request_id: str, what: str) -> None:
    told = str(st.session_state.get(f"told-{request_id}") or "")
    resolutions: dict[str, Resolution] = {
        "run-again": RunAgain(),
        "worked": ItWorked(told),
        "not-done": ItDidNotHappen(told),
    }
    verdict = desk().resolve(request_id, resolutions[what], by=who())
    if verdict.accepted:
        note_done_here(request_id)
    else:
        by = verdict.request.resolved_by if verdict.request else None
        say(f"Your click did not count: {by or 'somebody'} said already what came of it.")
