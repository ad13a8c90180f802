"""The agents page: each agent whole, and each of its tools to try."""

from typing import Any

import streamlit as st

from hitl.agent_files import AgentFileError
from hitl.agent_writing import as_yaml
from hitl.agents import AgentConfig
from hitl.errors import DeclarationError
from hitl.llm import describe_llm
from hitl.registry import Registry
from hitl.ui import live, text
from hitl.ui.office import desk, settings
from hitl.ui.pages import CHAT
from hitl.ui.tools import draw_tools
from hitl.ui.tried import forget_tried_call, tried_call


def draw_agents() -> None:
    """What is wrong with the files, then the one agent that was chosen."""
    live.area("agent-errors", lambda: tuple(map(str, _registry().errors())), _draw_errors)
    agents = _registry().agents()
    if not agents:
        folder = text.code(str(settings().agents_dir))
        st.info(f"No agent can be used. Put an agent file into {folder}.")
        live.listen()
        return
    agent = agents[_choose(list(agents))]
    tried = tried_call(agent)
    _draw_agent(agent, _registry().files()[agent.name])
    draw_tools(agent, tried)
    live.listen(tried.run.conversation_id if tried else "")


def _registry() -> Registry:
    registry = desk().agents
    assert isinstance(registry, Registry)
    return registry


def _draw_errors() -> None:
    for error in _registry().errors():
        st.error(_in_words(error), icon=":material/description:")


def _in_words(error: AgentFileError) -> str:
    line = f"line {error.line}" if error.line else ""
    field = text.code(error.field) if error.field else ""
    place = ", ".join(filter(None, [f"**{text.label(error.file)}**", line, field]))
    return f"{place}: {text.words(text.visible(error.problem))}"


def _choose(names: list[str]) -> str:
    """The agent that the address names, or another one that is chosen here."""
    wanted = st.query_params.get("agent") or st.session_state.get("agent-seen")
    if wanted and wanted not in names:
        st.warning(f"There is no agent {text.code(wanted)} that can be used.")
    name = wanted if wanted in names else names[0]
    st.session_state["agent-here"] = name
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(
            "Agent",
            names,
            key="agent-here",
            format_func=text.visible,
            width=320,
            on_change=_follow_choice,
        )
        st.space("stretch")
        st.page_link(
            CHAT,
            label="Chat with this agent",
            icon=":material/chat:",
            query_params={"agent": name},
        )
    st.session_state["agent-seen"] = st.query_params["agent"] = name
    return name


def _follow_choice() -> None:
    st.query_params["agent"] = st.session_state["agent-here"]
    forget_tried_call()


def _draw_agent(agent: AgentConfig, file: str) -> None:
    st.text(text.visible(agent.description))
    facts = {
        "File": text.code(file),
        "Model": _model(agent),
        "Temperature": "the default" if agent.temperature is None else str(agent.temperature),
        "User state": _state(agent.state),
    }
    rows = [{"what": what, "is": shown} for what, shown in facts.items()]
    st.table(rows, border="horizontal", width="content", hide_index=True, hide_header=True)
    st.header("System prompt")
    if agent.system_prompt:
        with st.container(border=True):
            st.text(text.visible(agent.system_prompt))
    else:
        st.caption("None")
    with st.expander("Copy as agent file", icon=":material/content_copy:"):
        _draw_file(agent)


def _model(agent: AgentConfig) -> str:
    label = text.words(describe_llm(agent, settings()).label)
    return f"{label} (the default)" if agent.model is None else text.code(agent.model)


def _state(state: dict[str, Any]) -> str:
    pairs = [f"{text.words(text.visible(k))}: {text.code(text.value(v))}" for k, v in state.items()]
    return ", ".join(pairs) or "empty"


def _draw_file(agent: AgentConfig) -> None:
    try:
        st.code(text.visible(as_yaml(agent)), language="yaml", wrap_lines=True)
    except DeclarationError as error:
        st.caption(text.words(str(error)))
