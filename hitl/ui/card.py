"""The card of one tool request: what the agent wants, exactly, and what was decided and done."""

import string
import time
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import ToolFacts
from hitl.journal import ToolRequest
from hitl.toolcalls import InvalidArguments
from hitl.ui import arming, text
from hitl.ui.arguments import draw_arguments, draw_raw_call, facts, in_sentence, warn_of_origins
from hitl.ui.countdown import draw_countdown
from hitl.ui.deciding import ask
from hitl.ui.doubt import ask_what_came_of_it
from hitl.ui.edit import draw_edit_form, edited_arguments, is_editing
from hitl.ui.modes import mode_of
from hitl.ui.past import draw_past, draw_words
from hitl.ui.people import duration
from hitl.ui.preview import draw_preview
from hitl.ui.told import tell
from hitl.ui.words import DOUBTFUL, RISKS, decider

IN_SENTENCE = 48


def needs_card(request: ToolRequest) -> bool:
    """Whether a person has, or had, a say in it; everything else is one line."""
    answered_as_before = request.status == "rejected" and request.decision is None
    return (request.asks and not answered_as_before) or request.status in DOUBTFUL


def card_signature(request: ToolRequest) -> Hashable:
    """What a card shows, in short."""
    return request.id, request.status, request.result, mode_of(request.id), _waited(request)


def _waited(request: ToolRequest) -> str:
    """For how long it has waited, if that is worth saying and nobody counts down."""
    waited = time.time() - request.asked_at
    waits = request.status == "pending" and request.expires_at is None
    return f"waiting for {duration(waited)}" if waits and waited >= 60 else ""


def draw_card(request: ToolRequest, tool: AsyncBaseTool | None, said: str = "") -> None:
    """Draw the card, for deciding or as the record of what was decided.

    Args:
        tool: None if it is not known here.
        said: what the agent said just before, where that does not stand right above.
    """
    as_edited = _as_edited(request, tool)
    with st.container(key=f"request-{request.id}", border=True, gap="small"):
        _draw_head(as_edited, tool)
        if request.status == "pending":
            warn_of_origins(as_edited, tool)
            if said:
                draw_words(said)
        draw_past(request)
        if request.status == "pending" and is_editing(request.id):
            draw_edit_form(request, tool)
        else:
            draw_arguments(request, tool)
        draw_preview(as_edited, facts(tool))
        _draw_foot(request, tool)


def _draw_foot(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """What can be done, or was; on a wide page of the same height, so that nothing moves."""
    if request.status == "pending":
        ask(request, tool)
        return
    arming.disarm(request.id)  # if it comes to wait again, its buttons are new
    if request.is_in_doubt:
        ask_what_came_of_it(request, decider(request))
    else:
        tell(request)


def _draw_head(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    declared = facts(tool)
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        gap="small",
    ):
        # One element for all that can be text: the browser looks at each whenever one changes.
        st.markdown("  ".join(_head_words(request, declared)), width="content")
        if request.status == "pending" and request.expires_at is not None:
            draw_countdown(request.id, request.asked_at, request.expires_at)
        draw_raw_call(request, tool)
    if declared.sentence:
        st.markdown(sentence(declared, in_sentence(request, tool)))
    if " when " in request.rule or " unless " in request.rule:
        st.caption(f"Rule: {text.code(request.rule)}")


def _head_words(request: ToolRequest, declared: ToolFacts) -> Iterator[str]:
    """The tool, its risk, and for how long it has waited."""
    yield f"**{text.label(request.tool)}**"
    if declared.risk:
        word, icon, color = RISKS[declared.risk]
        yield f":{color}-badge[{icon} {word}]"
    if waited := _waited(request):
        yield f":gray[:small[{waited}]]"


def sentence(declared: ToolFacts, arguments: dict[str, Any]) -> str:
    """The tool's sentence with the arguments set off; long ones are whole further below."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(declared.sentence or ""):
        parts.append(text.words(literal))
        if name is not None:
            shown = text.value(arguments.get(name))
            parts.append(text.code(text.shorten(shown, IN_SENTENCE)))
    return "".join(parts)


def _as_edited(request: ToolRequest, tool: AsyncBaseTool | None) -> ToolRequest:
    """The request as it would run: with what this visitor changed, if that fits the tool."""
    if request.status != "pending" or not is_editing(request.id):
        return request
    try:
        return replace(request, edited=edited_arguments(request, tool))
    except InvalidArguments:
        return request
