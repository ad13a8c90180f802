"""Try a change: another prompt, model or policy, for one conversation, from the next message on."""

from typing import Any

import streamlit as st

from hitl.agent_writing import as_yaml
from hitl.agents import AgentConfig
from hitl.rules import Policy
from hitl.ui import live, text
from hitl.ui.office import desk

WORDS = {
    "system_prompt": "Prompt changed",
    "model": "Model changed",
    "temperature": "Temperature changed",
    "state": "User state changed",
}
CHOICES = {
    "ask": "asks first",
    "always_ask": "always asks",
    "allow": "runs freely",
    "deny": "is denied",
}
BY_RULES = "by its rules"


def what_differs(agent: AgentConfig, changes: dict[str, Any]) -> list[str]:
    """In words, what a conversation has other than the agent's file."""
    plain = [word for key, word in WORDS.items() if key in changes]
    return plain + [
        f"{name} {CHOICES.get(str(policy), 'has other rules')}"
        for name, policy in changes.get("tools", {}).items()
        if name in agent.tool_names()
    ]


@st.dialog("Try a change", width="medium", position="right", icon=":material/tune:")
@live.dialog
def show_changes(conversation_id: str, agent_name: str) -> None:
    """A drawer to change the agent for this conversation, from the next message on."""
    original = desk().agents.get(agent_name)
    changes = (
        desk().conversation(conversation_id).changes
        if conversation_id
        else st.session_state.get("changes", {})
    )
    agent = original.changed(changes)
    st.caption("For this conversation, from the next message on. The agent's file stays as it is.")
    wanted = _form(agent, original)
    new = _differences(original, wanted)
    with st.container(horizontal=True, gap="small"):
        if st.button("Use this", type="primary"):
            _keep(conversation_id, new)
            st.rerun()
        if st.button("Back to the file", disabled=not changes):
            _keep(conversation_id, {})
            st.rerun()
    with st.expander("Copy as agent file", icon=":material/content_copy:"):
        st.code(text.visible(as_yaml(original.changed(new))), language="yaml", wrap_lines=True)


def _form(agent: AgentConfig, original: AgentConfig) -> dict[str, Any]:
    prompt = st.text_area("System prompt", agent.system_prompt or "", height=220)
    model = st.text_input("Model", agent.model or "", placeholder="the default model")
    temperature = st.number_input(
        "Temperature", 0.0, 2.0, agent.temperature, step=0.1, placeholder="the default"
    )
    state = st.text_area(
        "User state, one “name: value” a line",
        "\n".join(f"{key}: {value}" for key, value in agent.state.items()),
        height=90,
    )
    st.caption("Tools")
    tools = {name: _choose_rules(agent, original, name) for name in agent.tool_names()}
    return {
        "system_prompt": prompt or None,
        "model": model.strip() or None,
        "temperature": temperature,
        "state": _as_state(state, agent.state),
        "tools": tools,
    }


def _choose_rules(agent: AgentConfig, original: AgentConfig, name: str) -> Any:
    """The rules of the file, or one of the plain ones in their place."""
    options = {verb: Policy.read(verb) for verb in CHOICES}
    in_file = original.policy(name)
    if in_file.plain is None:
        options = {BY_RULES: in_file, **options}
    present = [option for option, policy in options.items() if policy == agent.policy(name)]
    chosen = st.segmented_control(
        text.label(name),
        [*options],
        default=present[0] if present else "ask",
        required=True,
        format_func=lambda option: CHOICES.get(option, BY_RULES).capitalize(),
        key=f"asks-{name}",
    )
    if in_file.plain is None:
        st.caption(f"{BY_RULES.capitalize()}: {text.code(in_file.words)}")
    return options[chosen or "ask"].as_data()


def _as_state(lines: str, before: dict[str, Any]) -> dict[str, Any]:
    """The lines as a user state; a value that was not touched keeps its type."""
    state: dict[str, Any] = {}
    for line in lines.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip():
            known = before.get(name.strip())
            state[name.strip()] = known if str(known) == value.strip() else value.strip()
    return state


def _differences(original: AgentConfig, wanted: dict[str, Any]) -> dict[str, Any]:
    was = original.snapshot()
    new = {key: wanted[key] for key in WORDS if wanted[key] != was[key]}
    tools = {name: p for name, p in wanted["tools"].items() if p != was["tools"][name]}
    return {**new, "tools": tools} if tools else new


def _keep(conversation_id: str, changes: dict[str, Any]) -> None:
    if conversation_id:
        desk().change(conversation_id, changes)
    else:
        st.session_state["changes"] = changes
