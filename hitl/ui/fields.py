"""Fields of a form: one widget for each argument of a tool, with what is wrong right below it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.form_answers import is_untouched
from hitl.schema_fields import EMPTY, FIRST_YEAR, LAST_YEAR, FormField, fields_of
from hitl.ui import text

FIRST_DAY, LAST_DAY = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
LOW, HIGH = 110, 320
LETTERS_PER_LINE, LINE_HEIGHT = 70, 24
MARKED = re.compile(r"\S{0,12}\[U\+[0-9A-F]{4,6}\]\S{0,12}")
MOST_MARKED = 3


@dataclass(frozen=True)
class Form:
    """How fields are drawn.

    Args:
        key: names a field's widget, from the field and its path: `address.city`.
        is_live: whether what is typed is drawn at once; not inside of `st.form`.
        problems: what is wrong, by path.
    """

    key: Callable[[str, FormField], str]
    is_live: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)


def fields_of_tool(
    tool: AsyncBaseTool,
    values: Mapping[str, Any] | None = None,
    secret: Sequence[str] = (),
) -> list[FormField]:
    """The arguments that a model, or a person in its place, gives.

    Args:
        values: the arguments of the call that the form starts from.
        secret: arguments that are declared secret.
    """
    fixed = tuple(getattr(tool, "partial_params", {}))
    schema = tool.metadata.get_parameters_dict()
    return fields_of(schema, without=fixed, values=values, secret=secret)


def draw_fields(fields: Sequence[FormField], form: Form, within: str = "") -> None:
    """Each field with its widget, what it is, and what is wrong with what it holds."""
    for each in fields:
        path = within + each.step
        if each.kind == "object":
            _draw_object(each, form, path)
        else:
            _draw_field(each, form, path)


def answers_of(fields: Sequence[FormField], form: Form, within: str = "") -> dict[str, Any]:
    """What the fields hold now, by name, for `arguments_from`."""
    return {each.name: _answer(each, form, within + each.step) for each in fields}


def _draw_object(each: FormField, form: Form, path: str) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f"**{_label(each)}**")
        if each.description or path in form.problems:
            _draw_foot(each, form, path, None)
        if each.can_be_cleared:
            _draw_no_value(each, form, path)
        # Inside of `st.form` nothing appears before it is sent.
        if not (form.is_live and _is_cleared(each, form, path)):
            draw_fields(each.fields, form, f"{path}.")


def _draw_field(each: FormField, form: Form, path: str) -> None:
    key = form.key(path, each)
    if key not in st.session_state or not _is_of_kind(each, st.session_state[key]):
        st.session_state[key] = _start(each)
    with st.container(gap="xxsmall"):
        _draw_widget(each, form, path, key)
        _draw_foot(each, form, path, st.session_state[key])
        if each.can_be_cleared:
            _draw_no_value(each, form, path)


def _draw_widget(each: FormField, form: Form, path: str, key: str) -> None:
    looks: dict[str, Any] = {"label": _label(each), "key": key}
    looks["persist_state"] = "session" if form.is_live else None
    looks["disabled"] = form.is_live and each.can_be_cleared and _is_cleared(each, form, path)
    # No bounds, lengths or `required` on the widgets: these would refuse without a word, or cut
    # what was pasted. The gate checks everything, and says what is wrong.
    match each.kind:
        case "integer":
            st.number_input(**looks, placeholder=_hint(each), value=None, step=1)
        case "number":
            looks["placeholder"] = _hint(each)
            st.number_input(**looks, value=None, step=0.01, format="%g")
        case "switch":
            st.toggle(**looks)
        case "choice":
            options = [_option(choice) for choice in each.choices]
            st.selectbox(**looks, options=options, index=None, placeholder="Choose")
        case "date":
            looks |= {"min_value": FIRST_DAY, "max_value": LAST_DAY, "format": "YYYY-MM-DD"}
            st.date_input(**looks, value=None)
        case "line" | "json" if each.kind == "line" or (each.secret and each.prefilled):
            looks |= {"type": "password" if each.secret else "default", "live": form.is_live}
            st.text_input(**looks, placeholder=_hint(each), autocomplete="off")
        case _:
            st.text_area(**looks, placeholder=_hint(each), height=_height(each))


def _label(each: FormField) -> str:
    return text.label(each.name) + ("" if each.required else " (optional)")


def _hint(each: FormField) -> str:
    """What may be filled in, as plain text."""
    shape = text.visible(each.shape[:1].upper() + each.shape[1:])
    return {"lines": "One per line: ", "numbers": "One per line: ", "json": "JSON: "}.get(
        each.kind, ""
    ) + shape


def _height(each: FormField) -> int:
    """Room for what it starts with; it keeps its height, so that nothing moves below it."""
    lines = str(each.start or "").split("\n")
    rows = sum(1 + len(line) // LETTERS_PER_LINE for line in lines)
    return min(max(LOW, (rows + 1) * LINE_HEIGHT), HIGH)


def _start(each: FormField) -> Any:
    """What the widget holds first."""
    start = EMPTY.get(each.kind) if each.start is None else each.start
    return _option(start) if each.kind == "choice" and each.start is not None else start


def _is_of_kind(each: FormField, held: Any) -> bool:
    """Whether its widget can hold that; a tool may change while somebody fills in its form."""
    match each.kind:
        case "integer":
            return held is None or isinstance(held, int)
        case "number":
            return held is None or isinstance(held, float)
        case "switch":
            return isinstance(held, bool)
        case "choice":
            return held is None or held in map(_option, each.choices)
        case "date":
            return held is None or isinstance(held, date)
        case _:
            return isinstance(held, str)


def _option(choice: Any) -> str:
    return text.visible(text.value(choice))


def _draw_no_value(each: FormField, form: Form, path: str) -> None:
    key = _no_value(each, form, path)
    st.session_state.setdefault(key, each.start is None)
    kept: Any = "session" if form.is_live else None
    st.checkbox(f"No value for {text.label(each.name)}", key=key, persist_state=kept)


def _no_value(each: FormField, form: Form, path: str) -> str:
    return f"none-{form.key(path, each)}"


def _is_cleared(each: FormField, form: Form, path: str) -> bool:
    """Whether a person said that there is no value here, and not the emptiest one."""
    return bool(st.session_state.get(_no_value(each, form, path), each.start is None))


def _answer(each: FormField, form: Form, path: str) -> Any:
    cleared = each.can_be_cleared and _is_cleared(each, form, path)
    if each.kind == "object":
        parts = answers_of(each.fields, form, f"{path}.")
        # Where its parts stay in sight, what was filled into them counts.
        filled_in = not form.is_live and any(
            not is_untouched(part, parts[part.name]) for part in each.fields
        )
        return None if cleared and not filled_in else parts
    if cleared:
        return None
    held = st.session_state.get(form.key(path, each), ...)
    if held is ... or not _is_of_kind(each, held):
        held = _start(each)
    if each.kind != "choice":
        return held
    return next((choice for choice in each.choices if _option(choice) == held), None)


def _draw_foot(each: FormField, form: Form, path: str, held: Any) -> None:
    """One line below a field: what is wrong with it, else what it is."""
    if problem := form.problems.get(path):
        st.markdown(f":red[:material/error: {text.label(problem)}]")
    elif form.is_live:
        shape = "" if each.kind == "object" else _hint(each)
        st.caption(" · ".join(text.label(part) for part in (each.description, shape) if part))
    if form.is_live and not each.secret and (hidden := _unseen(held)):
        st.caption(f":material/visibility: Not what it looks like: {hidden}")


def _unseen(held: Any) -> str:
    """Where a text holds what can't be seen or passes for something else; widgets show it raw."""
    seen = text.visible(held) if isinstance(held, str) else ""
    if seen == held:
        return ""
    places = MARKED.findall(seen)
    shown = ", ".join(text.code(place) for place in places[:MOST_MARKED])
    return f"{shown}, …" if len(places) > MOST_MARKED else shown
