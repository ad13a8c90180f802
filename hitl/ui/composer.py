"""The box to write in, and above it what was written but not sent."""

from collections.abc import Hashable

import streamlit as st

from hitl.errors import HitlError
from hitl.journal import Run, ToolRequest
from hitl.ui import live, text
from hitl.ui.follow import follow, sent
from hitl.ui.office import desk
from hitl.ui.people import who


def draw_composer(conversation_id: str, agent_name: str, can_send: bool) -> None:
    """The message box at the bottom of the page."""

    def signature() -> Hashable:
        if not conversation_id:
            return ()
        held = tuple((run.id, run.status) for run in desk().held(conversation_id))
        waiting = tuple(request.id for request in desk().pending(conversation_id=conversation_id))
        return held, waiting, desk().active(conversation_id) is not None

    def draw() -> None:
        waiting: list[ToolRequest] = []
        if conversation_id:
            waiting = desk().pending(conversation_id=conversation_id)
            _draw_work(conversation_id, waiting)
        st.chat_input(
            _placeholder(agent_name, waiting),
            key="message",
            disabled=not can_send,
            on_submit=_submit,
            args=(conversation_id, agent_name),
        )
        follow()
        if st.session_state.pop("started", None):
            st.rerun()

    with st.bottom:
        live.area("composer", signature, draw)


def _placeholder(agent_name: str, waiting: list[ToolRequest]) -> str:
    if waiting:
        return "Message (held while requests wait)"
    return f"Message {text.visible(agent_name)}"


def _draw_work(conversation_id: str, waiting: list[ToolRequest]) -> None:
    for run in desk().held(conversation_id):
        if run.status == "held":
            _draw_held(run, waiting)
        elif desk().active(conversation_id) is not None:
            _draw_queued(run)
    if desk().active(conversation_id) is None:
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
            if waiting:
                st.button(
                    f"Reject {len(waiting)} waiting and send",
                    key=f"reject-and-send-{run.id}",
                    on_click=_reject_and_send,
                    args=(run.id, [request.id for request in waiting]),
                )
                words = "Send when they are decided"
            else:
                words = "Send now"
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
    send(conversation_id, agent_name, st.session_state["message"])


def send(conversation_id: str, agent_name: str, message: str) -> None:
    """Send a message; the first one makes the conversation. A widget's callback."""
    try:
        if not conversation_id:
            _start(agent_name, message)
            return
        desk().send(conversation_id, message, by=who())
        sent()
    except HitlError as error:
        st.session_state["flash"] = str(error)
    live.redraw_what_changed()


def _start(agent_name: str, message: str) -> None:
    new_id = desk().start(agent_name, changes=st.session_state.get("changes", {}))
    desk().send(new_id, message, by=who())
    st.session_state.pop("changes", None)
    st.session_state["chat"] = st.query_params["chat"] = new_id
    st.session_state["started"] = True
    sent()


def _stop() -> None:
    handler = st.session_state.get("handler")
    if handler is not None:
        handler.by = who()
        handler.stop()
    live.redraw_what_changed()


def _reject_and_send(run_id: str, request_ids: list[str]) -> None:
    desk().reject_and_send(run_id, request_ids, by=who())
    st.session_state.setdefault("decided-here", set()).update(request_ids)
    sent()
    live.redraw_what_changed()


def _act(what: str, run_id: str) -> None:
    getattr(desk(), what)(run_id)
    sent()
    live.redraw_what_changed()
