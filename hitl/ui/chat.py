"""The chat page's parts: which conversation it is, its head, what was said, what goes on."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from hitl.agents import AgentConfig
from hitl.errors import NotFound
from hitl.handler import ConversationHandler
from hitl.journal import Conversation
from hitl.llm import describe_llm
from hitl.ui import live, text
from hitl.ui.changes import show_changes, what_differs
from hitl.ui.composer import draw_composer, send
from hitl.ui.office import desk, registry, settings
from hitl.ui.panel import draw_panel
from hitl.ui.people import who
from hitl.ui.run import draw_run, run_signature

WINDOW = 10
SLOTS = 20


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

    @property
    def handler(self) -> ConversationHandler | None:
        handler = st.session_state.get("handler")
        return handler if isinstance(handler, ConversationHandler) else None


def open_chat() -> Chat:
    """The conversation that the address names, or a new chat."""
    conversation = _conversation()
    if conversation is None:
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
    wanted = st.query_params.get("chat") or st.session_state.get("chat")
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
    for key in ("chat", "handler", "changes", "older"):
        st.session_state.pop(key, None)
    st.query_params.pop("chat", None)


def _chosen_agent() -> str:
    names = list(registry().agents())
    wanted = st.session_state.get("agent") or st.query_params.get("agent")
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
    asking = [name for name in agent.tool_names() if agent.asks(name)]
    free = [name for name in agent.tool_names() if not agent.asks(name)]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(
            text.label(choice.label),
            icon=":material/smart_toy:",
            color="orange" if choice.is_demo else "gray",
            help=text.words(choice.sentence),
        )
        for difference in what_differs(agent, changes):
            st.badge(text.label(difference), icon=":material/edit:", color="violet")
        words = []
        if asking:
            words.append(f":material/front_hand: Asks first: {', '.join(map(text.label, asking))}")
        if free:
            words.append(f":material/bolt: Runs freely: {', '.join(map(text.label, free))}")
        st.caption("  ·  ".join(words) or "No tools", width="content")


def draw_conversation(chat: Chat) -> None:
    """What was said, what goes on, and the box to write in."""
    if chat.agent and chat.agent.panel:
        st.set_page_config(layout="wide")
        said, beside = st.columns([5, 4], gap="large")
        with beside:
            draw_panel(chat.agent, chat.id)
    else:
        said = st.container()
    with said, st.container(key="said"):
        _draw_runs(chat)
    draw_composer(chat.id, chat.agent_name, chat.agent is not None)
    live.listen(chat.id)


def _draw_runs(chat: Chat) -> None:
    records = _window(chat)
    if chat.agent and chat.conversation is None:
        _draw_welcome(chat, chat.agent)
    ended = [record for record in records if record.run.has_ended]
    still = next((record.run for record in records if not record.run.has_ended), None)
    static = [record for record in ended if still is None or record.run.position < still.position]
    for record in static:
        draw_run(record, chat.id)
    after = static[-1].run.position if static else _before(still)
    for slot in range(SLOTS):
        _draw_slot(chat, after, slot)


def _before(run: Any) -> int:
    return run.position - 1 if run is not None else 0


def _window(chat: Chat) -> list[Any]:
    if chat.conversation is None:
        return []
    limit = WINDOW + int(st.session_state.get("older", 0))
    records = desk().transcript(chat.id, limit=limit)
    if len(records) == limit:
        st.button("Show older", icon=":material/expand_less:", on_click=_show_older)
    return records


def _show_older() -> None:
    st.session_state["older"] = int(st.session_state.get("older", 0)) + 2 * WINDOW


def _draw_slot(chat: Chat, after: int, slot: int) -> None:
    """A place for one run that is not finished yet, or not even begun.

    What is finished when the page is drawn is drawn once; a decision redraws its own slot only.
    """

    def run_here() -> Any:
        if not chat.id:
            return None
        runs = live.once("runs", lambda: desk().runs_after(chat.id, after))
        if slot == SLOTS - 1 and len(runs) > SLOTS:
            return "overflow"
        return runs[slot] if slot < len(runs) else None

    def signature() -> Any:
        run = run_here()
        return run_signature(run) if run not in (None, "overflow") else run

    def draw() -> None:
        run = run_here()
        if run == "overflow":
            st.rerun()
        if run is not None:
            draw_run(desk().record(run.id), chat.id)

    live.area(f"slot-{slot}", signature, draw)


def _draw_welcome(chat: Chat, agent: AgentConfig) -> None:
    """An empty chat: what this is, and things to try."""
    st.title("You decide what the agent may do")
    st.markdown(
        "Write to an agent. Before it does anything that matters, it asks you: you read what it "
        "wants to do, then **approve** or **reject** it. Nothing runs before that."
    )
    with st.chat_message("assistant"):
        st.text(text.visible(agent.greeting or agent.description))
    with st.container(gap="small"):
        for number, sample in enumerate(agent.samples):
            st.button(
                text.label(sample),
                key=f"sample-{number}",
                icon=":material/arrow_outward:",
                on_click=send,
                args=(chat.id, chat.agent_name, sample),
            )


def go_where_asked() -> None:
    """Open the conversation that a click asked for."""
    if wanted := st.session_state.pop("go-to", None):
        new_chat()
        st.session_state["chat"] = wanted
        st.query_params["chat"] = wanted
