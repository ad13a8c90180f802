"""Everything that waits for a person, over all conversations, decided right there."""

from collections.abc import Hashable

import streamlit as st

from hitl.agents import ToolFacts, facts_of
from hitl.errors import NotFound
from hitl.journal import Conversation, ToolRequest
from hitl.ui import live, text
from hitl.ui.card import draw_card
from hitl.ui.office import desk
from hitl.ui.pages import CHAT

PER_PAGE = 10


def draw_inbox() -> None:
    """Cards, oldest first. A decided card keeps its place until the page is opened anew."""
    total = desk().count_pending()
    pages = max(1, -(-total // PER_PAGE))
    page = min(st.session_state.get("inbox-page", 1), pages)
    shown = [each.id for each in desk().pending(limit=PER_PAGE, skip=(page - 1) * PER_PAGE)]
    live.area("inbox-count", lambda: desk().count_pending(), _draw_count)
    for slot in range(PER_PAGE):
        _draw_slot(shown, slot)
    if pages > 1:
        st.pagination(pages, key="inbox-page")
    live.listen()


def _draw_count() -> None:
    waiting = desk().count_pending()
    if not waiting:
        st.markdown("Nothing waits for you.")
    else:
        st.markdown(f"**{waiting} {'request waits' if waiting == 1 else 'requests wait'} for you**")


def _draw_slot(shown: list[str], slot: int) -> None:
    """A place for one card; a new request takes the first free one."""

    def request_here() -> ToolRequest | None:
        if slot >= len(shown):
            waiting = desk().pending(limit=PER_PAGE + len(shown))
            shown.extend(each.id for each in waiting if each.id not in shown)
            del shown[PER_PAGE:]
        return desk().request(shown[slot]) if slot < len(shown) else None

    def signature() -> Hashable:
        request = request_here()
        return (request.id, request.status, request.result) if request else None

    def draw() -> None:
        request = request_here()
        if request is not None:
            _draw_request(request)

    live.area(f"inbox-{slot}", signature, draw)


def _draw_request(request: ToolRequest) -> None:
    conversation = desk().conversation(request.conversation_id)
    title = text.label(conversation.title, keep=text.IN_PROSE)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{text.label(conversation.agent)} · {title}")
        if conversation.kind == desk().kind:
            st.space("stretch")
            st.page_link(
                CHAT,
                label="Open conversation",
                icon=":material/open_in_new:",
                query_params={"chat": conversation.id},
            )
    draw_card(request, _facts(request, conversation))


def _facts(request: ToolRequest, conversation: Conversation) -> ToolFacts:
    """What this app's tool declares; another program's tool of the same name is not this one."""
    if conversation.kind not in desk().engine.kinds:
        return ToolFacts()
    try:
        tool = desk().agent_of(desk().record(request.run_id).run).tool(request.tool)
    except NotFound:
        return ToolFacts()
    return facts_of(tool) if tool else ToolFacts()
