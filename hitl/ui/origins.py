"""Where an argument came from, in words beside it; and a warning where that matters most."""

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from hitl.journal import ToolRequest
from hitl.journal.values import same
from hitl.kinds import Kind
from hitl.ui import text

# Where something goes to: the arguments that an instruction hidden in a text is after.
TARGETS: tuple[Kind, ...] = ("email", "url")


def origin_in_words(origin: Mapping[str, Any] | None, kind: Kind = "plain") -> str:
    """Where an argument of some kind came from, as Markdown; nothing if that is not known."""
    if not origin:
        return ""
    if origin.get("lookalike"):
        return f":red-badge[:material/warning: only looks like {_named(origin['resembles'])}]"
    match origin["from"]:
        case "user":
            return f":material/person: {_said(origin)}"
        case "tool":
            return _of_tool(origin, is_target=kind in TARGETS)
        case "default":
            return ":material/tune: the tool's default"
        case "mixed":
            return f"mixed: {_parts_in_words(origin)}"
        case _ if origin.get("term"):
            return f"in a sum in {_parts_in_words(origin)}"
        case _ if origin.get("partial"):
            parts = _parts_in_words(origin)
            return f":material/smart_toy: the agent's own words, with parts of {parts}"
        case _:
            return ":material/smart_toy: the agent's own words"


def _parts_in_words(origin: Mapping[str, Any]) -> str:
    return "; ".join(map(origin_in_words, origin["parts"]))


def _said(origin: Mapping[str, Any]) -> str:
    return "the user's words, earlier" if origin.get("earlier") else "the user's words"


def _of_tool(origin: Mapping[str, Any], *, is_target: bool) -> str:
    earlier = ", earlier" if origin.get("earlier") else ""
    result = f"{text.label(origin['tool'])}{_field(origin)}{earlier}"
    if not origin.get("within"):
        return f":material/database: {result}"
    if is_target:
        return f":orange-badge[:material/warning: inside a text of {result}]"
    return f":material/database: inside a text of {result}"


def _field(origin: Mapping[str, Any]) -> str:
    return f" → {text.label(origin['field'])}" if origin.get("field") else ""


def _named(who: str) -> str:
    return "what the user wrote" if who == "user" else f"a result of {text.label(who)}"


def is_changed(request: ToolRequest, name: str) -> bool:
    """Whether a person put another value in the place of what the agent asked."""
    if request.edited is None:
        return False
    return not same({name: request.edited.get(name)}, {name: request.arguments.get(name)})


def warn_of_targets(request: ToolRequest, names: Iterable[str]) -> None:
    """Say it aloud where a call goes to an address that nobody has asked for.

    Args:
        names: the arguments that are addresses.
    """
    for name in names:
        value, origin = request.final_arguments[name], (request.origins or {}).get(name)
        if origin is None or is_changed(request, name) or name in request.secret:
            continue
        if warning := _warning(origin):
            shown = text.code(text.shorten(str(value), 80))
            st.error(f"**Not from the user:** {shown} {warning}", icon=":material/warning:")


def _warning(origin: Mapping[str, Any]) -> str | None:
    if origin.get("lookalike"):
        return f"only looks like {_named(origin['resembles'])}. It is not the same."
    if origin["from"] == "tool" and origin.get("within"):
        return (
            "stands inside a text that a tool returned: "
            f"{text.label(origin['tool'])}{_field(origin)}."
        )
    if origin["from"] == "neither":
        return "was found in neither the user's words nor any tool's result."
    return None
