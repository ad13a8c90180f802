"""A conversation on the page: what was said, what goes on, and the world beside it."""

from collections.abc import Hashable

import streamlit as st

from hitl.agents import AgentConfig
from hitl.journal import Run, RunRecord
from hitl.ui import live, text
from hitl.ui.chat import Chat, go_if_it_began
from hitl.ui.composer import draw_composer, send
from hitl.ui.office import desk
from hitl.ui.panel import draw_panel
from hitl.ui.run import draw_run, record_of, run_signature

WINDOW = 10
SLOTS = 20


def draw_conversation(chat: Chat) -> None:
    """What was said, what goes on, and the box to write in."""
    if chat.agent and chat.agent.panel:
        st.set_page_config(layout="wide")
        said, beside = st.columns([3, 2], gap="medium")
        with beside:
            draw_panel(chat.agent, chat.id)
    else:
        said = st.container()
    with said, st.container(key="said"):
        _draw_runs(chat)
    draw_composer(chat.id, chat.agent_name, chat.agent is not None)
    live.listen(chat.id, "" if chat.id else st.session_state["new-chat"])
    go_if_it_began(chat)


def _draw_runs(chat: Chat) -> None:
    records = _window(chat)
    if chat.agent and chat.conversation is None:
        _draw_welcome(chat, chat.agent)
    ended = [record for record in records if record.run.has_ended]
    still = next((record.run for record in records if not record.run.has_ended), None)
    static = [record for record in ended if still is None or record.run.position < still.position]
    for record in static:
        draw_run(record, chat.id)
    after = static[-1].run.position if static else still.position - 1 if still else 0
    for slot in range(SLOTS):
        _draw_slot(chat, after, slot)


def _window(chat: Chat) -> list[RunRecord]:
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

    def runs() -> list[Run]:
        return live.once("runs", lambda: desk().runs_after(chat.id, after) if chat.id else [])

    def signature() -> Hashable:
        there = runs()
        full = slot == SLOTS - 1 and len(there) > SLOTS
        return full, run_signature(there[slot].id) if slot < len(there) else None

    def draw() -> None:
        there = runs()
        if slot == SLOTS - 1 and len(there) > SLOTS:
            st.rerun()
        if slot < len(there):
            draw_run(record_of(there[slot].id), chat.id)

    live.area(f"slot-{slot}", signature, draw)


def _draw_welcome(chat: Chat, agent: AgentConfig) -> None:
    """An empty chat: what this is, and things to try."""
    st.title("You decide what the agent may do", anchor=False)
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
