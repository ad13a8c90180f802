"""Try a tool by hand: a form from its schema puts one call through the real gate."""

import time
import zlib

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import AgentConfig, facts_of
from hitl.errors import HitlError
from hitl.form_answers import arguments_from, problems_at
from hitl.rules import Verb
from hitl.schema_fields import FormField
from hitl.toolcalls import InvalidArguments
from hitl.ui import text
from hitl.ui.fields import Form, answers_of, draw_fields
from hitl.ui.fields import fields_of_tool as fields_of_tool
from hitl.ui.office import desk
from hitl.ui.people import who
from hitl.ui.tried import latest_try

WHAT_COMES: dict[Verb | None, str] = {
    "ask": "Shows the card. Nothing runs before you approve it.",
    "always_ask": "Shows the card. Nothing runs before you approve it.",
    "allow": "Runs at once, without asking anybody.",
    "deny": "Shows that the rules do not allow it.",
    None: "Asks, runs or is denied, as its rules say.",
}


def draw_tool_form(agent: AgentConfig, tool: AsyncBaseTool) -> None:
    """A field for each argument, and a button that asks, or runs, as the agent would."""
    name = tool.metadata.get_name()
    problem, problems = _problem(agent, name)
    with st.form(f"try-{agent.name}-{name}", border=False, enter_to_submit=False):
        fields = _fields(tool)
        draw_fields(fields, _form(agent.name, name, problems_at(fields, problems)))
        if problem:
            st.error(text.words(text.visible(problem)), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.form_submit_button(
                "Try it",
                key=f"try-it-{agent.name}-{name}",
                icon=":material/play_arrow:",
                on_click=_try,
                args=(agent.name, name),
            )
            st.caption(WHAT_COMES[agent.policy(name).plain], width="content")


def _fields(tool: AsyncBaseTool) -> list[FormField]:
    return fields_of_tool(tool, secret=facts_of(tool).secret)


def _form(agent: str, tool: str, problems: dict[str, str] | None = None) -> Form:
    def key(path: str, field: FormField) -> str:
        """Names the widget; another one as soon as the field is of another kind."""
        mark = zlib.crc32(repr((field.kind, field.choices, field.default)).encode())
        return f"try-{agent}-{tool}-{path}-{mark}"

    return Form(key, problems=problems or {})


def _problem(agent: AgentConfig, tool: str) -> tuple[str, dict[str, str]]:
    """What was wrong with the last call that was tried, in all and by argument."""
    where, problem, problems = st.session_state.get("try-problem", (None, "", {}))
    return (problem, problems) if where == (agent.name, tool) else ("", {})


def _try(agent: str, tool_name: str) -> None:
    """A click: put the call through the gate, or say why it can't be."""
    office, by, latest = desk(), who(), latest_try()
    try:
        tool = office.agents.get(agent).tool(tool_name)
        fields = _fields(tool) if tool else []
        answers = answers_of(fields, _form(agent, tool_name))
        call = agent, tool_name, arguments_from(fields, answers)
        with latest.lock:
            if not latest.is_repeated(call):
                latest.conversation_id = office.try_tool(*call, by=by)
                latest.call, latest.at = call, time.monotonic()
    except (InvalidArguments, HitlError) as error:
        problems = error.problems if isinstance(error, InvalidArguments) else {}
        told = f"Nothing was executed. {error}"
        st.session_state["try-problem"] = (agent, tool_name), told, problems
    else:
        st.session_state.pop("try-problem", None)
