"""Each tool of an agent whole: who asks, what a call says and takes, and a form to try it."""

import json
import string
from typing import Literal

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import AgentConfig, ToolFacts, facts_of
from hitl.journal import RunRecord
from hitl.rules import Verb
from hitl.schema_fields import MISSING, FormField
from hitl.ui import text
from hitl.ui.arguments import draw_literal
from hitl.ui.fields import fields_of_tool
from hitl.ui.toolform import draw_tool_form
from hitl.ui.tried import draw_tried_call

POLICY_BADGES: dict[Verb | None, tuple[str, str, Literal["orange", "gray", "red", "blue"]]] = {
    "ask": ("Asks first", ":material/front_hand:", "orange"),
    "always_ask": ("Always asks", ":material/front_hand:", "orange"),
    "allow": ("Runs freely", ":material/bolt:", "gray"),
    "deny": ("Denied", ":material/gpp_bad:", "red"),
    None: ("It depends", ":material/rule:", "blue"),
}


def draw_tools(agent: AgentConfig, tried: RunRecord | None) -> None:
    """All of them, in the order of the agent's file.

    Args:
        tried: the call that was tried, drawn below the form of its tool.
    """
    st.header("Tools")
    names = agent.tool_names()
    if not names:
        st.caption("None: this agent only talks.")
        return
    st.caption("Try a tool: one call through the real gate, without a model.")
    for name in names:
        if tool := agent.tool(name):
            here = tried if tried and tried.requests[0].tool == name else None
            _draw_tool(agent, tool, here)


def _draw_tool(agent: AgentConfig, tool: AsyncBaseTool, tried: RunRecord | None) -> None:
    name, facts = tool.metadata.get_name(), facts_of(tool)
    with st.container(border=True, gap="small", key=f"tool-{name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{text.label(name)}**", width="content")
            word, icon, color = POLICY_BADGES[agent.policy(name).plain]
            st.badge(word, icon=icon, color=color)
            st.space("stretch")
            with st.popover("JSON schema", type="tertiary", key=f"schema-{name}"):
                schema = tool.metadata.get_parameters_dict()
                draw_literal(json.dumps(schema, indent=2, ensure_ascii=False))
        st.text(text.visible((tool.metadata.description or "").strip()) or "No description")
        if agent.policy(name).plain is None:
            st.caption(f"Rules: {text.code(agent.policy(name).words)}")
        if facts.sentence:
            st.caption(f"On the card: {_template(facts.sentence)}")
        _draw_arguments(fields_of_tool(tool), facts)
        with st.expander(
            "Try this tool",
            icon=":material/play_arrow:",
            type="compact",
            expanded=tried is not None,
            key=f"trying-{agent.name}-{name}",
        ):
            draw_tool_form(agent, tool)
            if tried:
                draw_tried_call(tried)


def _template(sentence: str) -> str:
    """A tool's sentence with the names of its arguments set off."""
    return "".join(
        text.words(literal) + (text.code(name) if name else "")
        for literal, name, _, _ in string.Formatter().parse(sentence)
    )


def _draw_arguments(fields: list[FormField], facts: ToolFacts) -> None:
    if not fields:
        st.caption("No arguments")
        return
    rows = [
        {
            "argument": text.code(field.name),
            "what": "  \n".join(filter(None, [_described(field), _shape(field, facts)])),
        }
        for field in fields
    ]
    st.table(rows, border="horizontal", hide_index=True, hide_header=True)


def _described(field: FormField) -> str:
    return text.label(field.description)


def _shape(field: FormField, facts: ToolFacts) -> str:
    words = [text.label(field.shape[:1].upper() + field.shape[1:])]
    if field.name in facts.secret:
        words.append("secret")
    if field.required:
        words.append("required")
    elif field.default in (MISSING, None):
        words.append("optional")
    else:
        # No code here: its brackets would end the colour.
        words.append(f"{text.label(text.value(field.default))} if left out")
    return f":gray[{' · '.join(words)}]"
