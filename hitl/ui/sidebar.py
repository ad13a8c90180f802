"""The sidebar: where to go, earlier conversations, who you are, and how you want to be told."""

from collections.abc import Hashable

import streamlit as st

from hitl.ui import live, text
from hitl.ui.clicks import go_to
from hitl.ui.notice import draw_notice, waits
from hitl.ui.office import desk
from hitl.ui.pages import AGENTS, APPROVALS, CHAT, GRANTS


def draw_sidebar() -> None:
    """Navigation with what waits, earlier conversations, your name, and notifications."""
    with st.sidebar, st.container(gap="medium"):
        live.area("navigation", lambda: waits().waiting, _draw_navigation)
        live.area("conversations", _conversations_signature, _draw_conversations)
        st.text_input(
            "Your name",
            key="your-name",
            max_chars=80,
            persist_state="session",
            placeholder="Stored with your decisions",
            help="It is not a sign-in: nobody checks it.",
        )
        draw_notice()


def _draw_navigation() -> None:
    waiting = waits().waiting
    count = f" :orange-badge[{waiting}]" if waiting else ""
    with st.container(gap="xsmall"):
        st.page_link(CHAT, label="Chat", icon=":material/chat:")
        st.page_link(APPROVALS, label=f"Approvals{count}", icon=":material/inbox:")
        st.page_link(AGENTS, label="Agents", icon=":material/smart_toy:")
        st.page_link(GRANTS, label="Grants", icon=":material/key:")


def _conversations_signature() -> Hashable:
    search = st.session_state.get("search", "")
    return tuple((each.id, each.title) for each in desk().recent(search))


def _draw_conversations() -> None:
    st.caption("Earlier conversations")
    search = st.text_input(
        "Search conversations",
        key="search",
        placeholder="Search",
        label_visibility="collapsed",
        icon=":material/search:",
        live=True,
    )
    found = desk().recent(search)
    if not found:
        st.caption("Nothing found" if search else "None yet")
    with st.container(gap=None, height=280 if len(found) > 8 else "content", border=False):
        for conversation in found:
            title = text.shorten(conversation.title or conversation.agent, 34)
            st.button(
                text.label(title, keep=text.IN_PROSE),
                key=f"open-{conversation.id}",
                type="tertiary",
                on_click=go_to,
                args=(conversation.id,),
            )
