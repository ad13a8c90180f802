"""The foot of a card that waits: approve or reject, edit first, answer instead, always allow."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.journal import Answer, Approve, Reject, Scope, ToolRequest, Verdict
from hitl.toolcalls import InvalidArguments
from hitl.ui import arming, text
from hitl.ui.arguments import shown_arguments
from hitl.ui.clicks import click, say
from hitl.ui.edit import changes_were_shown, edited_arguments, leave_edit
from hitl.ui.modes import mode_of, switch
from hitl.ui.office import desk
from hitl.ui.people import who
from hitl.ui.words import decided_word, note_done_here

LOOK_FIRST = "Nothing was decided yet: look at what you changed, then press Approve again."
DOES_NOT_FIT = "Nothing was decided: what is marked in the form does not fit the tool."
LONGEST = 2000
SCOPES: dict[Scope, str] = {
    "call": "{tool} with exactly these arguments",
    "conversation": "{tool} with any arguments, in this conversation",
    "agent": "{tool} with any arguments, always, whenever {agent} asks for it",
}
WHAT_A_GRANT_IS = (
    "Approves this request. From now on what you choose runs **without asking**, until you press "
    "Revoke on the Grants page or the tool changes. Rules that deny, or always ask, still hold."
)


def ask(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """What a person can do about a request that waits."""
    match mode_of(request.id):
        case "answer":
            _ask_for_an_answer(request, tool)
        case "grant":
            _ask_for_a_scope(request, tool)
        case _:
            _ask_for_a_decision(request, tool)


def _ask_for_a_decision(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    hint = "Reason (optional), told if you reject"
    _field("reason", request.id, "Reason (optional)", hint, LONGEST)
    buttons = partial(_draw_buttons, request, tool)
    arming.draw_when_armed(request.id, buttons, _spoken(request, tool))


def _spoken(request: ToolRequest, tool: AsyncBaseTool | None) -> str:
    """The call in one line, for who hears the page: many cards have an "Approve"."""
    shown = shown_arguments(request, tool, "secret").items()
    arguments = ", ".join(f"{name} {text.value(value)}" for name, value in shown)
    return f"{request.tool}: {arguments}" if arguments else request.tool


def _draw_buttons(request: ToolRequest, tool: AsyncBaseTool | None, armed: bool) -> None:
    """Approve, and Reject on its right, at every width; what else there is, calmer."""
    name = request.id
    _decisive("Approve", "check", _approve, name, armed)
    _decisive("Reject", "close", _reject, name, armed, primary=False)
    if mode_of(name) == "edit":
        _calm("Stop editing", switch, name, "decide")
        return
    if tool is not None and request.arguments:
        _calm("Edit", switch, name, "edit")
    _calm("Answer instead", switch, name, "answer")
    if tool is not None and not request.rule.startswith("always_ask"):
        _calm("Always allow…", switch, name, "grant")


def _decisive(
    word: str,
    icon: str,
    action: Callable[[str], None],
    name: str,
    armed: bool,
    primary: bool = True,
) -> None:
    """A button that decides: it can be pressed once it is armed."""
    st.button(
        word,
        key=f"{word.lower().replace(' ', '-')}-{name}",
        type="primary" if primary else "secondary",
        icon=f":material/{icon}:",
        on_click=action,
        args=(name,),
        disabled=not armed,
    )


def _calm(word: str, action: Callable[..., None], name: str, *args: str) -> None:
    key = word.lower().replace(" ", "-").rstrip("…")
    st.button(
        word, key=f"{key}-{name}", type="tertiary", on_click=action, args=(name, *args), wrap=False
    )


def _field(kind: str, request_id: str, label: str, placeholder: str, longest: int | None) -> None:
    st.text_input(
        label,
        key=f"{kind}-{request_id}",
        placeholder=placeholder,
        label_visibility="collapsed",
        max_chars=longest,
        live=True,
        on_change="ignore",
    )


def _decides(act: Callable[[str], Verdict | None]) -> Callable[[str], None]:
    """A click that decides: refused while the card moves, said if it failed, then redrawn."""

    @click
    def decide(request_id: str) -> None:
        if arming.is_refused(request_id):
            return
        try:
            verdict = act(request_id)
        except InvalidArguments as error:
            say(f"Nothing was decided: {error}")
        else:
            if verdict is not None:
                _tell(verdict)

    def callback(request_id: str) -> None:
        decide(request_id)
        arming.redraw(request_id)

    return callback


@_decides
def _approve(request_id: str) -> Verdict | None:
    """Approve what the card shows; nothing if it does not show yet what was changed."""
    request = desk().request(request_id)
    approval = Approve(reason=_typed("reason", request_id))
    if request is not None and mode_of(request_id) == "edit":
        try:
            arguments = edited_arguments(request, desk().tool_of(request))
        except InvalidArguments:  # what is wrong, and with what, is said at its field
            say(DOES_NOT_FIT)
            return None
        if not changes_were_shown(request, arguments):
            say(LOOK_FIRST)
            return None
        approval = replace(approval, arguments=arguments)
    return desk().decide(request_id, approval, by=who())


@_decides
def _reject(request_id: str) -> Verdict:
    return desk().decide(request_id, Reject(_typed("reason", request_id)), by=who())


def _typed(field: str, request_id: str) -> str:
    return str(st.session_state.get(f"{field}-{request_id}") or "")


def _tell(verdict: Verdict) -> None:
    """Note what was decided here, or say who was first."""
    request = verdict.request
    if request is not None:
        leave_edit(request.id)
    if verdict.accepted and request is not None:
        note_done_here(request.id)
    else:
        say(already(request))


def already(request: ToolRequest | None) -> str:
    """That a click came too late, and for what."""
    if request is None:
        return "There is no such request any more."
    by = f" by {request.decided_by}" if request.decided_by else ""
    return f"Your click did not count: this was already {decided_word(request)}{by}."


# Answer instead


def _ask_for_an_answer(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    _field("answer", request.id, "Your answer", "What the agent is told, as your answer", None)
    buttons = partial(_draw_answer_buttons, request.id)
    arming.draw_when_armed(request.id, buttons, _spoken(request, tool))


def _draw_answer_buttons(request_id: str, armed: bool) -> None:
    _decisive("Give this answer", "reply", _answer, request_id, armed)
    _calm("Back", switch, request_id, "decide")
    st.caption("The tool will not run.", width="content")


@_decides
def _answer(request_id: str) -> Verdict:
    return desk().decide(request_id, Answer(_typed("answer", request_id)), by=who())


# Always allow…


def _ask_for_a_scope(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    if refusal := desk().why_no_grant(request):
        st.markdown(text.words(text.visible(refusal)))
        _calm("Back", switch, request.id, "decide")
        return
    agent = desk().conversation(request.conversation_id).agent
    names = {"tool": text.code(request.tool), "agent": text.label(agent)}
    st.radio(
        "What runs without asking from now on",
        [*SCOPES],
        key=f"scope-{request.id}",
        format_func=lambda scope: SCOPES[scope].format(**names),
        on_change="ignore",
    )
    st.caption(WHAT_A_GRANT_IS)
    buttons = partial(_draw_grant_buttons, request.id)
    arming.draw_when_armed(request.id, buttons, _spoken(request, tool))


def _draw_grant_buttons(request_id: str, armed: bool) -> None:
    _decisive("Approve and always allow", "key", _grant, request_id, armed)
    _calm("Back", switch, request_id, "decide")


@_decides
def _grant(request_id: str) -> Verdict:
    scope: Scope = st.session_state.get(f"scope-{request_id}", "call")
    return desk().grant(request_id, scope, by=who())
