"""The panel beside a chat: the world that the agent works on, as it is right now."""

import json
from collections.abc import Hashable
from typing import Any

import streamlit as st

from hitl.agents import AgentConfig
from hitl.ui import live, text
from hitl.ui.clicks import click

_stay = st.components.v2.component(
    "hitl_stay",
    html="<i hidden></i>",
    js="""
export default function ({ parentElement }) {
  const root = parentElement.getRootNode()
  const column = (root.host ?? parentElement).closest('[data-testid="stColumn"]')
  const beside = matchMedia("(min-width: 641px)").matches
  if (column && beside) Object.assign(column.style, {
    position: "sticky", top: "3.5rem", alignSelf: "flex-start",
    maxHeight: "calc(100vh - 12rem)", overflowY: "auto",
  })
}
""",
)
Tables = dict[str, list[dict[str, Any]]]


def draw_panel(agent: AgentConfig, conversation_id: str) -> None:
    """The agent's tables; rows that changed since the page was opened are marked."""

    def signature() -> Hashable:
        return json.dumps(_tables(agent), default=str)

    def draw() -> None:
        stay()
        tables = _tables(agent)
        before = st.session_state.setdefault(f"panel-{agent.name}-{conversation_id}", tables)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header(text.label(agent.panel_title), anchor=False)
            st.space("stretch")
            if agent.reset:
                st.button(
                    "Reset demo data",
                    icon=":material/restart_alt:",
                    type="tertiary",
                    on_click=_reset,
                    args=(agent, conversation_id),
                )
        for title, rows in tables.items():
            _draw_table(title, rows, before.get(title, []))

    with st.container(key="panel-place"):
        live.area("panel", signature, draw)


def stay() -> None:
    """Keep the panel in sight while the conversation beside it scrolls."""
    with st.container(key="stay-place", height=1, border=False):
        _stay(key="stay", height=1)


def _tables(agent: AgentConfig) -> Tables:
    assert agent.panel is not None
    try:
        return agent.panel()
    except Exception as error:  # the panel is the agent author's code
        return {"This panel could not be read": [{"error": str(error)}]}


def _draw_table(title: str, rows: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    st.caption(f"**{text.label(title)}** · {len(rows)}")
    gone = [row for row in before if row not in rows and not _same_key(row, rows)]
    changed = [row for row in rows if row not in before]
    drawn = [_draw_row(row, True, removed=True) for row in gone]
    drawn += [_draw_row(row, True) for row in changed]
    drawn += [_draw_row(row, False) for row in rows if row in before]
    if drawn:
        st.table(
            drawn, border="horizontal", hide_index=True, height=230 if len(drawn) > 5 else "content"
        )
    else:
        st.caption("Nothing yet")


def _same_key(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether a row is still there, changed: rows are known by their first column."""
    key = next(iter(row), "")
    return any(other.get(key) == row.get(key) for other in rows)


def _draw_row(row: dict[str, Any], changed: bool, *, removed: bool = False) -> dict[str, str]:
    mark = ":red-badge[removed]" if removed else ":orange-badge[changed]" if changed else ""
    shown = {text.label(name): _cell(data, changed) for name, data in row.items()}
    first = next(iter(shown), None)
    if mark and first is not None:
        shown[first] = f"{shown[first]} {mark}"
    return shown


def _cell(data: Any, changed: bool) -> str:
    plain = " ".join(text.visible("" if data is None else str(data)).split())
    if text.makes_links(plain):
        return text.code(plain)
    return f"**{text.words(plain)}**" if changed and plain else text.words(plain)


@click
def _reset(agent: AgentConfig, conversation_id: str) -> None:
    if agent.reset is not None:
        agent.reset()
        st.session_state.pop(f"panel-{agent.name}-{conversation_id}", None)
