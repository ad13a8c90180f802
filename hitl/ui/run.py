"""One run on the page: the message, what the agent said and did, its cards, the answer."""

import textwrap
import time
from collections.abc import Callable, Hashable

import streamlit as st
from llama_index.core.tools import AsyncBaseTool

from hitl.agents import AgentConfig
from hitl.errors import JournalUnavailable, NotFound
from hitl.journal import Run, RunRecord, ToolRequest
from hitl.ui import live, text
from hitl.ui.arguments import draw_arguments, draw_literal
from hitl.ui.card import card_signature, draw_card, needs_card
from hitl.ui.clicks import click, draw_whole_page, go_to
from hitl.ui.details import show_details
from hitl.ui.granted import draw_grant
from hitl.ui.many import draw_many
from hitl.ui.office import desk
from hitl.ui.people import NOBODY, duration, who
from hitl.ui.words import OUTCOMES

HELP = {
    "Retry": "Goes on where it failed; nothing that was done is done again.",
    "Run again": "Sends this message again, in a new conversation up to here.",
}
ENDINGS = {
    "cancelled": ":material/stop_circle:",
    "superseded": ":material/redo:",
}


def record_of(run_id: str) -> RunRecord:
    """The run as it is now, read once for all that is compared or drawn of it."""
    return live.once(("record", run_id), lambda: _record_of(run_id))


def _record_of(run_id: str) -> RunRecord:
    """The run, read again only if it has changed: most of a long conversation has not."""
    known: RunRecord | None = live.kept().get(run_id)
    if known is not None and _is_as_it_was(known.run):
        return known
    record = desk().record(run_id)
    live.kept()[run_id] = record
    return record


def _is_as_it_was(run: Run) -> bool:
    try:
        return _versions(run.conversation_id).get(run.id) == run.version
    except JournalUnavailable:  # then it is as it was seen last
        return True


def _versions(conversation_id: str) -> dict[str, int]:
    return live.once(("versions", conversation_id), lambda: desk().versions(conversation_id))


def run_signature(run_id: str) -> Hashable:
    """What a run shows beside its cards, in short."""
    record = record_of(run_id)
    run = record.run
    steps = tuple(
        (request.id, needs_card(request) or request.status) for request in record.requests
    )
    ending = (run.status, run.error) if run.has_ended else _is_working(record)
    return run.id, run.turn, steps, ending, len(desk().engine.live_text(run.id))


def draw_run(record: RunRecord, conversation_id: str) -> None:
    """Draw a run; the same for one that goes on now and one of last year."""
    run = record.run
    agent = _agent(record)
    if run.text:
        _draw_message(record)
    with st.chat_message("assistant"):
        for turn in range(1, run.turn + 1):
            said = record.messages.get(turn)
            if said is not None and said.content:
                st.markdown(text.prose(said.content))
            for request in record.requests:
                if request.turn == turn:
                    _draw_request(request, agent)
        if live.is_in_area():
            draw_many(run.id, lambda: record_of(run.id).requests)
        _draw_progress(record)
        _draw_ending(record, conversation_id)


def _agent(record: RunRecord) -> AgentConfig | None:
    try:
        return desk().agent_of(record.run)
    except NotFound:
        return None


def _draw_message(record: RunRecord) -> None:
    said = text.visible(record.run.text, keep=text.IN_PROSE)
    with st.chat_message("user"):
        if said == textwrap.dedent(said).strip():
            st.text(said)
        else:  # st.text would move it to the left
            draw_literal(said)


@click
def _run_again(run_id: str, conversation_id: str) -> None:
    go_to(desk().run_again(run_id, conversation_id, by=who()))


def _draw_request(request: ToolRequest, agent: AgentConfig | None) -> None:
    tool = agent.tool(request.tool) if agent else None
    if not needs_card(request):
        _draw_step(request, tool)
    elif live.is_in_area():
        _draw_live_card(request, tool)
    else:
        draw_card(request, tool)


def _draw_live_card(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """A card that is redrawn alone: deciding it never disturbs the others."""

    def now() -> ToolRequest:
        there = record_of(request.run_id).requests
        return next((each for each in there if each.id == request.id), request)

    live.area(
        f"card-{request.id}",
        lambda: card_signature(now()),
        lambda: draw_card(now(), tool),
    )


def _draw_step(request: ToolRequest, tool: AsyncBaseTool | None) -> None:
    """A call that needed nobody: one line, whole behind a click."""
    word, icon, _ = OUTCOMES[request.status]
    word = "rejected before" if request.status == "rejected" else word
    took = (request.ended_at or time.time()) - (request.started_at or request.asked_at)
    title = f"{text.label(request.tool)} · {word.lower()} · {_without_asking(request, took)}"
    with st.expander(title, icon=icon, type="step", key=f"step-{request.id}"):
        draw_arguments(request, tool)
        draw_grant(request)
        if request.rule not in ("", "allow") and not request.grant_id:
            st.caption(f"Rule: {text.code(request.rule)}")
        if request.status == "rejected":
            reason = text.visible(request.reason or "no reason was given")
            st.caption("Rejected before in this run, and nothing was executed since:")
            st.text(reason)
        if request.result is not None:
            st.caption("Result")
            draw_literal(request.result)


def _without_asking(request: ToolRequest, took: float) -> str:
    """Why nobody was asked, where that is not plain; else how long it took."""
    if request.status == "denied":
        return "denied by a rule"
    return f"{duration(took)} · by a grant" if request.grant_id else duration(took)


def _draw_progress(record: RunRecord) -> None:
    run = record.run
    if run.has_ended:
        return
    live = desk().engine.live_text(run.id)
    said = record.messages.get(run.turn)
    if live and not (said and (said.content or "").startswith(live)):
        st.markdown(text.prose(live))
    elif _is_working(record):
        st.markdown(":shimmer[Working…]")


def _is_working(record: RunRecord) -> bool:
    """Whether it goes on without anybody, and no card says how."""
    return record.run.status != "waiting" and not any(each.is_open for each in record.requests)


def _draw_ending(record: RunRecord, conversation_id: str) -> None:
    run = record.run
    if not run.has_ended:
        return
    if run.status == "failed":
        st.error(text.words(text.visible(run.error or "")), icon=":material/error:")
    elif run.status in ENDINGS:
        word = "Superseded by the next message." if run.status == "superseded" else run.error
        if run.id in st.session_state.get("decided-here", ()):
            word = (word or "").replace(NOBODY, "you")
        st.caption(f"{ENDINGS[run.status]} {text.label(word or '')}")
    with st.container(horizontal=True, gap="small"):
        if run.status == "failed":
            _button("Retry", "refresh", _retry, run.id)
        if run.text:
            if _button("Details", "data_object", None, run.id):
                show_details(run.id)
            _button("Run again", "replay", _run_again, run.id, conversation_id)


def _button(word: str, icon: str, action: Callable[..., None] | None, *args: str) -> bool:
    return st.button(
        word,
        key=f"{word.lower().replace(' ', '-')}-{args[0]}",
        type="secondary" if word == "Retry" else "tertiary",
        icon=f":material/{icon}:",
        on_click=action,
        args=args if action else (),
        help=HELP.get(word),
    )


@click
def _retry(run_id: str) -> None:
    desk().retry(run_id)
    draw_whole_page()
