"""The box to write in, and above it what was written but not sent."""

from collections.abc import Hashable
from contextlib import suppress

import streamlit as st

from hitl.errors import HitlError, JournalUnavailable
from hitl.journal import Run, ToolRequest
from hitl.ui import live, text
from hitl.ui.clicks import click, go_to
from hitl.ui.follow import follow, sent
from hitl.ui.office import desk
from hitl.ui.people import who


def draw_composer(conversation_id: str, agent_name: str, can_send: bool) -> None:
    """The message box at the bottom of the page."""

    def signature() -> Hashable:
        if not conversation_id:
            return ()
        held, waiting, busy = _work(conversation_id)
        return tuple((run.id, run.status) for run in held), tuple(each.id for each in waiting), busy

    def draw() -> None:
        waiting: list[ToolRequest] = []
        if conversation_id:
            with suppress(JournalUnavailable):  # even then nobody shall look for the box in vain
                held, waiting, busy = _work(conversation_id)
                _draw_work(held, waiting, busy)
        if "refused" in st.session_state:
            st.session_state["message"] = st.session_state.pop("refused")
        st.chat_input(
            _placeholder(agent_name, waiting),
            key="message",
            disabled=not can_send,
            on_submit=_submit,
            args=(conversation_id, agent_name),
        )
        follow()

    with st.bottom:
        live.area("composer", signature, draw)


def _placeholder(agent_name: str, waiting: list[ToolRequest]) -> str:
    if waiting:
        return "Message (held while requests wait)"
    return f"Message {text.visible(agent_name)}"


def _work(conversation_id: str) -> tuple[list[Run], list[ToolRequest], bool]:
    """What was written but not sent, what waits for people, and whether the agent is at it."""

    def look() -> tuple[list[Run], list[ToolRequest], bool]:
        unsent = desk().held(conversation_id)
        starts = [run for run in unsent if run.status == "queued"][:1]
        busy = desk().active(conversation_id) is not None
        held = unsent if busy else [run for run in unsent if run not in starts]
        return held, desk().pending(conversation_id=conversation_id), busy or bool(starts)

    return live.once("work", look)


def _draw_work(held: list[Run], waiting: list[ToolRequest], busy: bool) -> None:
    for run in held:
        if run.status == "held":
            _draw_held(run, waiting)
        else:
            _draw_queued(run)
    if not busy:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        number = len(waiting)
        st.caption(
            f"**{number} {'request waits' if number == 1 else 'requests wait'} for you**"
            if number
            else "The agent works.",
            width="content",
        )
        st.space("stretch")
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            type="tertiary",
            on_click=_stop,
            help="Ends this run. What waits is cancelled; a running tool's outcome is unknown.",
        )


def _draw_held(run: Run, waiting: list[ToolRequest]) -> None:
    with st.container(border=True, gap="small", key=f"held-{run.id}"):
        st.caption("Not sent yet:")
        st.text(text.visible(text.shorten(run.text, 400)))
        with st.container(horizontal=True, gap="small"):
            pending = [request.id for request in waiting if request.status == "pending"]
            if pending:
                st.button(
                    f"Reject {len(pending)} waiting and send",
                    key=f"reject-and-send-{run.id}",
                    on_click=_reject_and_send,
                    args=(run.id, pending),
                )
            words = "Send when they are decided" if waiting else "Send now"
            st.button(words, key=f"send-{run.id}", on_click=_act, args=("send_held", run.id))
            st.button(
                "Discard",
                key=f"discard-{run.id}",
                type="tertiary",
                on_click=_act,
                args=("discard", run.id),
            )


def _draw_queued(run: Run) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge("Next", icon=":material/schedule:", color="blue")
        st.text(text.visible(text.shorten(" ".join(run.text.split()), 120)), width="stretch")
        st.button(
            "Discard",
            key=f"discard-{run.id}",
            type="tertiary",
            on_click=_act,
            args=("discard", run.id),
        )


def _submit(conversation_id: str, agent_name: str) -> None:
    message = st.session_state["message"]
    if message.strip():  # blanks put back into the box could replace what was typed since
        send(conversation_id, agent_name, message)


@click
def send(conversation_id: str, agent_name: str, message: str) -> None:
    """Send a message; the first one makes the conversation. A widget's callback."""
    try:
        _send(conversation_id, agent_name, message)
    except HitlError:
        st.session_state["refused"] = message  # it stays in the box
        raise


def _send(conversation_id: str, agent_name: str, message: str) -> None:
    if not conversation_id:
        _start(agent_name, message)
        return
    desk().send(conversation_id, message, by=who())
    sent()
    live.leave_it_to_the_news("composer")


def _start(agent_name: str, message: str) -> None:
    new_id = st.session_state["new-chat"]
    changes = st.session_state.get("changes", {})
    desk().begin(new_id, agent_name, message, changes=changes, by=who())
    go_to(new_id)
    sent()


@click
def _stop() -> None:
    handler = st.session_state.get("handler")
    if handler is not None:
        active = desk().active(handler.conversation_id)
        handler.by = who()
        handler.stop()
        if active is not None:
            st.session_state.setdefault("decided-here", set()).add(active.id)
    live.redraw_what_changed("composer")


@click
def _reject_and_send(run_id: str, request_ids: list[str]) -> None:
    desk().reject_and_send(run_id, request_ids, by=who())
    st.session_state.setdefault("decided-here", set()).update(request_ids)
    sent()
    live.redraw_what_changed("composer")


@click
def _act(what: str, run_id: str) -> None:
    getattr(desk(), what)(run_id)
    sent()
    live.redraw_what_changed("composer")
