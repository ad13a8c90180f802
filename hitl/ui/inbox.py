"""Everything that waits for a person, over all conversations, decided right there."""

from collections.abc import Hashable

import streamlit as st

from hitl.journal import ToolRequest
from hitl.ui import live, text
from hitl.ui.card import card_signature, draw_card
from hitl.ui.many import draw_buttons
from hitl.ui.office import desk
from hitl.ui.pages import CHAT

PER_PAGE = 10


def draw_inbox() -> None:
    """Cards, oldest first. A decided card keeps its place until the page is opened anew."""
    total = desk().count_pending()
    pages = max(1, -(-total // PER_PAGE))
    page = min(st.session_state.get("inbox-page", 1), pages)
    skip = (page - 1) * PER_PAGE
    shown = [each.id for each in desk().pending(limit=PER_PAGE, skip=skip)]
    live.area("inbox-count", lambda: _head_signature(shown), lambda: _draw_head(shown))
    for slot in range(PER_PAGE):
        _draw_slot(shown, slot, skip)
    if pages > 1:
        st.pagination(pages, key="inbox-page")
    live.listen()


def _head_signature(shown: list[str]) -> Hashable:
    return desk().count_pending(), *_waiting(shown), "selected", *_selected(shown)


def _waiting(shown: list[str]) -> list[str]:
    found = [desk().request(each) for each in shown]
    return [each.id for each in found if each is not None and each.status == "pending"]


def _selected(shown: list[str]) -> list[str]:
    return [each for each in shown if st.session_state.get(f"select-{each}")]


def _draw_head(shown: list[str]) -> None:
    total = desk().count_pending()
    if not total:
        st.markdown("Nothing waits for you.")
        return
    title = f"{total} {'request waits' if total == 1 else 'requests wait'} for you"
    waiting = _waiting(shown)
    selected = [each for each in waiting if each in _selected(shown)]
    if len(waiting) < 2:
        st.markdown(f"**{title}**")
    elif selected:
        draw_buttons("inbox", selected, title, f"{len(selected)} selected")
    else:
        draw_buttons("inbox", waiting, title)


def _draw_slot(shown: list[str], slot: int, skip: int) -> None:
    """A place for one card; a new request takes the first free one."""

    def request_here() -> ToolRequest | None:
        if slot >= len(shown):
            waiting = desk().pending(limit=PER_PAGE + len(shown), skip=skip)
            shown.extend(each.id for each in waiting if each.id not in shown)
            del shown[PER_PAGE:]
        return desk().request(shown[slot]) if slot < len(shown) else None

    def signature() -> Hashable:
        request = request_here()
        return card_signature(request) if request else None

    def draw() -> None:
        request = request_here()
        if request is not None:
            _draw_request(request)

    live.area(f"inbox-{slot}", signature, draw)


def _draw_request(request: ToolRequest) -> None:
    conversation = desk().conversation(request.conversation_id)
    title = text.label(conversation.title, keep=text.IN_PROSE)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if request.status == "pending":
            st.checkbox(
                "Select",
                key=f"select-{request.id}",
                on_change=_select,
                width="content",
            )
        st.caption(f"{text.label(conversation.agent)} · {title}", width="stretch")
        if conversation.kind == desk().kind:
            st.page_link(
                CHAT,
                label="Open conversation",
                icon=":material/open_in_new:",
                query_params={"chat": conversation.id},
            )
    draw_card(request, desk().tool_of(request), _said(request))


def _select() -> None:
    live.redraw_what_changed("inbox-count")


def _said(request: ToolRequest) -> str:
    """What the agent said in the message that asked for this."""
    message = desk().record(request.run_id).messages.get(request.turn)
    return str(message.content or "") if message else ""
