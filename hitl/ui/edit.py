"""The edit form of a card: the call as the agent asked it, to be changed before it is approved."""

import json
import logging
import time
from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import facts_of
from hitl.edits import NOTHING, Change, changed_lines, changes
from hitl.form_answers import arguments_from, problems_at
from hitl.journal import ToolRequest
from hitl.journal.values import same
from hitl.schema_fields import FormField
from hitl.secrecy import is_secret_name, masked, without_secrets
from hitl.toolcalls import InvalidArguments, validate
from hitl.ui import text
from hitl.ui.fields import Form, answers_of, draw_fields, fields_of_tool

logger = logging.getLogger("hitl.ui")
# A click that comes sooner was on its way before: leaving a field by it draws the change first.
LOOKED_AT_SECONDS = 0.5
SHORT_HEIGHT, TALL_HEIGHT, LONG_TEXT_HEIGHT = 200, 320, 180
NOT_HERE = "This can't be edited here: the tool is not known to this program."
OWN_CHECK = "The tool's own check of its arguments broke"
BEFORE, AFTER = "The agent asked", "You changed it to"
NOT_GIVEN = "*not given*"
HIDDEN, HIDDEN_AFTER = "•••••• (secret)", "•••••• (secret, changed)"

Side = str | None  # how a value reads; None if there is none


def is_editing(request_id: str) -> bool:
    """Whether the card shows its edit form to this visitor."""
    return st.session_state.get(f"mode-{request_id}") == "edit"


def leave_edit(request_id: str) -> None:
    """The card is for deciding again: forget what was changed in the form."""
    begins = (f"edit-{request_id}-", f"none-edit-{request_id}-")
    for key in [key for key in st.session_state if str(key).startswith(begins)]:
        del st.session_state[key]
    st.session_state.pop(f"mode-{request_id}", None)
    st.session_state.pop(_shown_key(request_id), None)


def edited_arguments(request: ToolRequest, tool: AsyncBaseTool | None) -> dict[str, Any]:
    """The arguments that the form stands for, as they would run; as asked if nothing differs.

    Raises:
        InvalidArguments: if they don't fit the tool, or it is not known here.
    """
    if tool is None:
        raise InvalidArguments(NOT_HERE)
    wanted = arguments_from(fields := _fields(request, tool), answers_of(fields, _form(request.id)))
    return (
        request.final_arguments
        if same(wanted, request.final_arguments)
        else _validated(tool, wanted)
    )


def changes_were_shown(request: ToolRequest, arguments: dict[str, Any]) -> bool:
    """Whether the form, as it was drawn last, showed that these arguments are what it stands for.

    What was typed and not drawn yet was not seen; nor what was drawn only a moment ago.
    """
    shown, since = st.session_state.get(_shown_key(request.id), (None, 0.0))
    if shown != _letters(arguments):
        return False
    return same(arguments, request.final_arguments) or time.monotonic() - since >= LOOKED_AT_SECONDS


def draw_edit_form(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """A field for each argument, and below them what was changed, side by side."""
    if tool is None:
        st.caption(NOT_HERE)
        return
    fields = _fields(request, tool)
    wanted, problems = _checked(request, tool, fields)
    with st.container(key=f"edit-form-{request.id}", gap="small"):
        draw_fields(fields, _form(request.id, problems))
        # It keeps its height: no button below it moves away under somebody's hand.
        with st.container(height=_height(request), border=False, gap="small"):
            if wanted is None:
                st.markdown("**What you changed**")
                general = problems.get(
                    "", "Nothing can be approved before what is marked is right."
                )
                st.markdown(f":red[:material/error: {text.label(general)}]")
            else:
                _draw_changes(
                    request, changes(request.final_arguments, wanted), _secret(request, tool)
                )
    _note_shown(request.id, wanted)


def _fields(request: ToolRequest, tool: AsyncBaseTool) -> list[FormField]:
    return fields_of_tool(tool, request.final_arguments, _secret(request, tool))


def _secret(request: ToolRequest, tool: AsyncBaseTool) -> list[str]:
    return [*request.secret, *facts_of(tool).secret]


def _form(request_id: str, problems: dict[str, str] | None = None) -> Form:
    return Form(lambda path, _: f"edit-{request_id}-{path}", True, problems or {})


def _validated(tool: AsyncBaseTool, wanted: dict[str, Any]) -> dict[str, Any]:
    try:
        return validate(tool, wanted)
    except InvalidArguments:
        raise
    except Exception as error:  # code of the tool's author, which meets what nobody ever typed
        kind = type(error).__name__  # its message may hold arguments
        logger.warning("%s: its own check of its arguments raised %s", tool.metadata.name, kind)
        raise InvalidArguments(f"{OWN_CHECK} ({kind}).") from None


def _checked(
    request: ToolRequest, tool: AsyncBaseTool, fields: list[FormField]
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """What the form stands for, or None and what is wrong, by path."""
    try:
        return edited_arguments(request, tool), {}
    except InvalidArguments as error:
        problems = error.problems or {"": str(error)}
        answers = answers_of(fields, _form(request.id))
        secret = _secret(request, tool)
        return None, {
            path: without_secrets(problem, answers, secret)
            for path, problem in problems_at(fields, problems).items()
        }


def _height(request: ToolRequest) -> int:
    short = all(text.is_short(text.value(value)) for value in request.final_arguments.values())
    return SHORT_HEIGHT if short else TALL_HEIGHT


def _draw_changes(request: ToolRequest, changed: list[Change], secret: list[str]) -> None:
    count = f" ({len(changed)})" if changed else ""
    st.markdown(f"**What you changed{count}**")
    if not changed:
        st.caption("Nothing changed yet.")
        return
    reveals = bool(st.session_state.get(f"reveal-{request.id}"))
    sides = [(each, *_sides(each, secret, reveals)) for each in changed]
    short = [each for each in sides if _is_short(each[1]) and _is_short(each[2])]
    if short:
        rows = [
            {"Argument": text.label(change.name), BEFORE: _cell(before), AFTER: _cell(after)}
            for change, before, after in short
        ]
        st.table(rows, border="horizontal", width="content", hide_index=True)
    for each in sides:
        if each not in short:
            _draw_long(*each)


def _sides(change: Change, secret: Sequence[str], reveals: bool) -> tuple[Side, Side]:
    """How a change reads, before and after; secrets say only that they are others."""
    hides = change.path[0] in secret or any(is_secret_name(name) for name in change.path)
    if hides and not reveals:
        return HIDDEN, HIDDEN_AFTER
    return _side(change.before, reveals), _side(change.after, reveals)


def _side(value: Any, reveals: bool) -> Side:
    if value is NOTHING:
        return None
    return text.value(value if reveals else masked({"": value}, (), HIDDEN)[""])


def _is_short(side: Side) -> bool:
    return side is None or text.is_short(side)


def _cell(side: Side) -> str:
    return NOT_GIVEN if side is None else text.code(side)


def _draw_long(change: Change, before: Side, after: Side) -> None:
    st.markdown(f"**{text.label(change.name)}**")
    if lines := _lines(change.before, change.after):
        st.caption("The lines that differ")
        _draw_literal(lines, "diff")
    for column, heading, side in zip(st.columns(2), (BEFORE, AFTER), (before, after), strict=True):
        with column:
            st.caption(heading)
            if side is None:
                st.caption(NOT_GIVEN)
            else:
                _draw_literal(side, None)


def _lines(before: Any, after: Any) -> str:
    """Where two texts differ, if they are too long to see it at a glance."""
    if not (isinstance(before, str) and isinstance(after, str) and _scrolls(before + after)):
        return ""
    return changed_lines(before, after) if "\n" in before + after else ""


def _draw_literal(written: str, language: str | None) -> None:
    height: int | Literal["content"] = LONG_TEXT_HEIGHT if _scrolls(written) else "content"
    st.code(text.visible(written), language=language, wrap_lines=True, height=height)


def _scrolls(written: str) -> bool:
    return len(written) > 300 or written.count("\n") > 5


def _note_shown(request_id: str, wanted: dict[str, Any] | None) -> None:
    """Remember since when the form shows what it stands for."""
    key = _shown_key(request_id)
    if wanted is None:
        st.session_state.pop(key, None)
    elif st.session_state.get(key, (None, 0.0))[0] != _letters(wanted):
        st.session_state[key] = _letters(wanted), time.monotonic()


def _shown_key(request_id: str) -> str:
    return f"changes-shown-{request_id}"


def _letters(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True)
