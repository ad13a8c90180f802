"""The arguments of a call on its card: each by name, complete and literal, laid out by its kind."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import ToolFacts, facts_of
from hitl.journal import ToolRequest
from hitl.kinds import Kind, day, kind_of, language, money
from hitl.schema_words import resolve, without_null
from hitl.secrecy import masked
from hitl.ui import text
from hitl.ui.origins import TARGETS, is_changed, origin_in_words, warn_of_targets
from hitl.ui.words import decider

MASK = "•••••• (secret)"
ICONS: dict[Kind, str] = {
    "money": ":material/payments:",
    "date": ":material/event:",
    "email": ":material/mail:",
    "url": ":material/link:",
}
LARGE = 5000
BESIDE = 16


def facts(tool: AsyncBaseTool | None) -> ToolFacts:
    """What was declared beside the tool; empty facts if it is not known here."""
    return facts_of(tool) if tool else ToolFacts()


def shown_arguments(
    request: ToolRequest, tool: AsyncBaseTool | None, mask: str = MASK
) -> dict[str, Any]:
    """The arguments, the secret ones masked until they are revealed here."""
    if st.session_state.get(f"reveal-{request.id}"):
        return request.final_arguments
    return masked(request.final_arguments, _secret(request, tool), mask)


def _secret(request: ToolRequest, tool: AsyncBaseTool | None) -> set[str]:
    return {*request.secret, *facts(tool).secret}


def kinds_of(tool: AsyncBaseTool | None, arguments: Mapping[str, Any]) -> dict[str, Kind]:
    """How each of the arguments is laid out."""
    schemas = _schemas(tool)
    return {name: kind_of(name, value, schemas.get(name, {})) for name, value in arguments.items()}


def in_sentence(request: ToolRequest, tool: AsyncBaseTool | None) -> dict[str, Any]:
    """The arguments as they stand in the tool's sentence: money as people write it."""
    public = shown_arguments(request, tool, "•••")
    kinds = kinds_of(tool, public)
    return {
        name: money(value) or value
        if kinds[name] == "money" and isinstance(value, float)
        else value
        for name, value in public.items()
    }


def warn_of_origins(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """Say aloud where a call goes to an address that nobody has asked for."""
    kinds = kinds_of(tool, request.final_arguments)
    warn_of_targets(request, [name for name, kind in kinds.items() if kind in TARGETS])


def draw_arguments(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """Every argument by name, with where it came from; what is long below what is short."""
    arguments = request.final_arguments
    public = shown_arguments(request, tool)
    kinds = kinds_of(tool, public)
    shown = {name: text.value(value) for name, value in public.items()}
    short = [name for name in shown if text.is_short(shown[name]) and kinds[name] != "table"]
    if short:
        rows = [_row(request, name, public[name], shown[name], kinds[name]) for name in short]
        st.table(rows, border="horizontal", width="content", hide_index=True, hide_header=True)
    for name in shown:
        if name not in short:
            _draw_long(request, name, public[name], shown[name], kinds[name])
    if masked(arguments, _secret(request, tool)) != arguments:
        st.checkbox("Reveal secrets", key=f"reveal-{request.id}")
    if request.edited is not None:
        st.caption("Changed by a person before approving; the raw call is what the agent asked.")


def _schemas(tool: AsyncBaseTool | None) -> Mapping[str, Mapping[str, Any]]:
    """The schema of each argument, for when there is a value."""
    if tool is None:
        return {}
    root = tool.metadata.get_parameters_dict()
    return {
        name: without_null(resolve(each, root), root)[0]
        for name, each in root.get("properties", {}).items()
    }


def _row(request: ToolRequest, name: str, value: Any, shown: str, kind: Kind) -> dict[str, str]:
    parts = [_laid_out(value, shown, kind), _origin(request, name, kind)]
    apart = "  \n" if len(shown) > BESIDE else " · "  # on a phone both would be cut off
    return {"argument": text.label(name), "value": apart.join(filter(None, parts))}


def _origin(request: ToolRequest, name: str, kind: Kind) -> str:
    """Where an argument came from; whoever changed it, if somebody did."""
    if is_changed(request, name):
        return f":material/edit: changed by {text.label(decider(request), keep=text.IN_PROSE)}"
    return origin_in_words((request.origins or {}).get(name), kind)


def _laid_out(value: Any, shown: str, kind: Kind) -> str:
    """A value to the letter, and what it means to people where that reads otherwise."""
    exact = text.code(shown)
    in_words = {"money": money, "date": day}.get(kind, lambda _: None)(value)
    if in_words and in_words != shown:
        exact = f"{exact} · {text.words(in_words)}"
    return f"{ICONS[kind]} {exact}" if kind in ICONS else exact


def _draw_long(request: ToolRequest, name: str, value: Any, shown: str, kind: Kind) -> None:
    written = _as_lines(value, shown)
    notes = [text.label(name), _origin(request, name, kind)]
    notes.append("" if written == shown else "ends with a line break")
    st.caption(" · ".join(filter(None, notes)))
    match kind:
        case "table":
            rows = [
                {text.label(key): text.code(text.value(cell)) for key, cell in row.items()}
                for row in value
            ]
            st.table(rows, border="horizontal", hide_index=True, height=_height(shown, len(rows)))
        case "code":
            draw_literal(written, language(name))
        case _:
            draw_literal(written)


def _as_lines(value: Any, shown: str) -> str:
    """A text of several lines as these lines, though it ends with a line break, as files do."""
    if isinstance(value, str) and "\n" in value[:-1] and text.value(value[:-1]) == value[:-1]:
        return value[:-1] if value.endswith("\n") else shown
    return shown


def _height(shown: str, rows: int) -> Any:
    return 320 if len(shown) > 1200 or rows > 8 else "content"


def draw_literal(data: str, language: str | None = None) -> None:
    """A text to the letter, whole; a long one scrolls in its place."""
    height = _height(data, data.count("\n") - 6)
    st.code(text.visible(data), language=language, wrap_lines=True, height=height)


def draw_raw_call(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """The call as the model made it, a click away; it is sent only to whoever opens it."""

    @st.fragment(key=f"raw-call-{request.id}")
    def body() -> None:
        whole = st.popover(
            "Raw call",
            type="tertiary",
            icon=":material/data_object:",
            key=f"raw-{request.id}",
            on_change="rerun",
        )
        if whole.open:
            with whole:
                _draw_call(request, tool)

    body()


def _draw_call(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    st.caption(f"Request {text.label(request.id)} · rule {text.code(request.rule or 'none')}")
    arguments = request.arguments
    if not st.session_state.get(f"reveal-{request.id}"):
        arguments = masked(arguments, _secret(request, tool), MASK)
    call = {"tool": request.tool, "arguments": arguments}
    draw_literal(json.dumps(call, ensure_ascii=False, indent=2), "json")
