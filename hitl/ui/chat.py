"""Which conversation the chat page shows, and the page's head."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from hitl.agents import AgentConfig
from hitl.errors import JournalUnavailable, NotFound
from hitl.journal import Conversation
from hitl.llm import describe_llm
from hitl.rules import Verb
from hitl.ui import live, text
from hitl.ui.changes import show_changes, what_differs
from hitl.ui.clicks import go_to
from hitl.ui.office import desk, registry, settings
from hitl.ui.people import who

POLICY_WORDS: dict[str, Verb] = {
    ":material/front_hand: Asks first": "ask",
    ":material/front_hand: Always asks": "always_ask",
    ":material/bolt: Runs freely": "allow",
    ":material/gpp_bad: Denied": "deny",
}


@dataclass(frozen=True)
class Chat:
    """What the page shows.

    Args:
        conversation: None for a new chat, which is stored with its first message.
        agent: as the next message will find it; None if its file is gone or broken.
        changes: what differs from the agent's file.
    """

    conversation: Conversation | None
    agent_name: str
    agent: AgentConfig | None
    changes: dict[str, Any]

    @property
    def id(self) -> str:
        return self.conversation.id if self.conversation else ""


def open_chat() -> Chat:
    """The conversation that the address names, or a new chat."""
    conversation = _conversation()
    if conversation is None:
        st.session_state.setdefault("new-chat", secrets.token_hex(6))
        name, changes = _chosen_agent(), st.session_state.get("changes", {})
    else:
        name, changes = conversation.agent, conversation.changes
    try:
        agent = desk().agents.get(name).changed(changes)
    except NotFound as error:
        agent = None
        st.error(text.words(str(error)))
    return Chat(conversation, name, agent, changes)


def _conversation() -> Conversation | None:
    wanted = st.query_params.get("chat")
    if not wanted and "agent" not in st.query_params:  # a link to an agent starts a new chat
        wanted = st.session_state.get("chat")
    if not wanted:
        st.session_state.pop("handler", None)
        return None
    try:
        conversation = desk().conversation(wanted)
    except NotFound:
        new_chat()
        st.warning("There is no such conversation. Here is a new chat.")
        return None
    st.session_state["chat"] = st.query_params["chat"] = conversation.id
    if getattr(st.session_state.get("handler"), "conversation_id", None) != conversation.id:
        st.session_state["handler"] = desk().handler(conversation.id, by=who())
    return conversation


def new_chat() -> None:
    """Leave the conversation; it stays in the list."""
    for key in ("chat", "handler", "changes", "older", "new-chat"):
        st.session_state.pop(key, None)
    st.query_params.pop("chat", None)


def _chosen_agent() -> str:
    names = list(registry().agents())
    wanted = st.query_params.get("agent") or st.session_state.get("agent")
    return wanted if wanted in names else (names[0] if names else "")


def draw_head(chat: Chat) -> None:
    """Which agent, which model, what asks and what runs freely."""
    names = list(registry().agents())
    for problem in registry().errors():
        st.error(text.words(str(problem)), icon=":material/description:")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if chat.agent_name in names:
            st.session_state["agent"] = chat.agent_name
        st.selectbox(
            "Agent",
            names,
            key="agent",
            format_func=text.visible,
            label_visibility="collapsed",
            width=280,
            on_change=_choose_agent,
        )
        st.space("stretch")
        if chat.agent and st.button("Try a change", icon=":material/tune:", type="tertiary"):
            show_changes(chat.id, chat.agent_name)
        st.button("New chat", icon=":material/add:", on_click=new_chat)
    if chat.agent:
        _draw_policy(chat.agent, chat.changes)


def _choose_agent() -> None:
    chosen = st.session_state["agent"]
    new_chat()
    st.query_params["agent"] = chosen


def _draw_policy(agent: AgentConfig, changes: dict[str, Any]) -> None:
    choice = describe_llm(agent, settings())
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(
            text.label(choice.label),
            icon=":material/smart_toy:",
            color="orange" if choice.is_demo else "gray",
            help=text.words(choice.sentence),
        )
        for difference in what_differs(agent, changes):
            st.badge(text.label(difference), icon=":material/edit:", color="violet")
        st.caption("  ·  ".join(_policy_words(agent)) or "No tools", width="content")


def _policy_words(agent: AgentConfig) -> Iterator[str]:
    """Which tools ask first, which run freely, which are denied, and which it depends for."""
    names = agent.tool_names()
    for words, verb in POLICY_WORDS.items():
        if listed := [name for name in names if agent.policy(name).plain == verb]:
            yield f"{words}: {', '.join(map(text.label, listed))}"
    for name in names:
        if agent.policy(name).plain is None:
            rules = text.code(agent.policy(name).words)
            yield f":material/rule: {text.label(name)}: {rules}"


def go_where_asked() -> None:
    """Open the conversation that a click asked for."""
    if wanted := st.session_state.pop("go-to", None):
        new_chat()
        st.session_state["chat"] = wanted
        st.query_params.from_dict({"chat": wanted})


def go_if_it_began(chat: Chat) -> None:
    """Open the chat that the page showed when the server was lost, if it had begun by then.

    While the database is away nobody knows; then the next drawing looks.
    """
    shown = live.shown_before()
    with suppress(JournalUnavailable):
        if shown and not chat.id and _has_begun(shown):
            go_to(shown)
            st.rerun()
        live.forget_what_was_shown()


def _has_begun(conversation_id: str) -> bool:
    try:
        desk().conversation(conversation_id)
    except NotFound:
        return False
    return True
