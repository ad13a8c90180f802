"""Try a tool by hand: a form from its schema puts one call through the real gate."""

import time
import zlib
from datetime import date
from typing import Any

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import AgentConfig, facts_of
from hitl.errors import HitlError
from hitl.form_answers import arguments_from
from hitl.rules import Verb
from hitl.schema_fields import FormField, fields_of
from hitl.toolcalls import InvalidArguments
from hitl.ui import text
from hitl.ui.office import desk
from hitl.ui.people import who
from hitl.ui.tried import latest_try

WHAT_COMES: dict[Verb | None, str] = {
    "ask": "Shows the card. Nothing runs before you approve it.",
    "allow": "Runs at once, without asking anybody.",
    "deny": "Shows that the rules do not allow it.",
    None: "Asks, runs or is denied, as its rules say.",
}
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)


def fields_of_tool(tool: AsyncBaseTool) -> list[FormField]:
    """The arguments that a model, or a person in its place, gives."""
    fixed = tuple(getattr(tool, "partial_params", {}))
    return fields_of(tool.metadata.get_parameters_dict(), without=fixed)


def draw_tool_form(agent: AgentConfig, tool: AsyncBaseTool) -> None:
    """A field for each argument, and a button that asks, or runs, as the agent would."""
    name = tool.metadata.get_name()
    secret = facts_of(tool).secret
    with st.form(f"try-{agent.name}-{name}", border=False, enter_to_submit=False):
        for field in fields_of_tool(tool):
            _draw_field(agent, name, field, secret=field.name in secret)
        _draw_problem(agent, name)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.form_submit_button(
                "Try it",
                key=f"try-it-{agent.name}-{name}",
                icon=":material/play_arrow:",
                on_click=_try,
                args=(agent.name, name),
            )
            st.caption(WHAT_COMES[agent.policy(name).plain], width="content")


def _draw_field(agent: AgentConfig, tool: str, field: FormField, *, secret: bool) -> None:
    key = _key(agent.name, tool, field)
    looks: dict[str, Any] = {
        "label": text.label(field.name) + ("" if field.required else " (optional)"),
        "key": key,
    }
    hint = text.visible(field.shape[:1].upper() + field.shape[1:])
    is_chosen = field.kind == "choice" and field.start is not None
    st.session_state.setdefault(key, _option(field.start) if is_chosen else field.start)
    # No bounds, lengths or `required` on the widgets: these would refuse without a word, or cut
    # what was pasted. The gate checks everything, and says what is wrong.
    match field.kind:
        case "line":
            looks["type"] = "password" if secret else "default"
            st.text_input(**looks, placeholder=hint, autocomplete="off")
        case "text" | "lines" | "json":
            per_line = "One per line: " if field.kind == "lines" else ""
            json_of = "JSON: " if field.kind == "json" else ""
            st.text_area(**looks, placeholder=per_line + json_of + hint, height=110)
        case "integer":
            st.number_input(**looks, placeholder=hint, value=None, step=1)
        case "number":
            st.number_input(**looks, placeholder=hint, value=None, step=0.01, format="%g")
        case "switch":
            st.toggle(**looks)
        case "choice":
            options = [_option(choice) for choice in field.choices]
            st.selectbox(**looks, options=options, index=None, placeholder="Choose")
        case "date":
            looks |= {"min_value": FIRST_DAY, "max_value": LAST_DAY, "format": "YYYY-MM-DD"}
            st.date_input(**looks, value=None)


def _option(choice: Any) -> str:
    return text.visible(text.value(choice))


def _key(agent: str, tool: str, field: FormField) -> str:
    """Names the widget; another one as soon as the field is of another kind."""
    mark = zlib.crc32(repr((field.kind, field.choices, field.default)).encode())
    return f"try-{agent}-{tool}-{field.name}-{mark}"


def _draw_problem(agent: AgentConfig, tool: str) -> None:
    where, problem = st.session_state.get("try-problem", (None, ""))
    if where == (agent.name, tool):
        st.error(text.words(text.visible(problem)), icon=":material/error:")


def _try(agent: str, tool_name: str) -> None:
    """A click: put the call through the gate, or say why it can't be."""
    office, by, latest = desk(), who(), latest_try()
    try:
        tool = office.agents.get(agent).tool(tool_name)
        fields = fields_of_tool(tool) if tool else []
        answers = {field.name: _answer(agent, tool_name, field) for field in fields}
        call = agent, tool_name, arguments_from(fields, answers)
        with latest.lock:
            if not latest.is_repeated(call):
                latest.conversation_id = office.try_tool(*call, by=by)
                latest.call, latest.at = call, time.monotonic()
    except (InvalidArguments, HitlError) as error:
        st.session_state["try-problem"] = (agent, tool_name), f"Nothing was executed. {error}"
    else:
        st.session_state.pop("try-problem", None)


def _answer(agent: str, tool: str, field: FormField) -> Any:
    answer = st.session_state.get(_key(agent, tool, field))
    if field.kind != "choice":
        return answer
    return next((each for each in field.choices if _option(each) == answer), None)
