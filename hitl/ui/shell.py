"""The frame around every page: title, navigation, sidebar, and word of a database that is away."""

import threading

import streamlit as st

from hitl.ui import live
from hitl.ui.banner import draw_banner
from hitl.ui.clicks import follow_up, guarded
from hitl.ui.office import desk
from hitl.ui.pages import AGENTS, APPROVALS, CHAT, GRANTS, ROOT
from hitl.ui.reach import reach_what_scrolls

TITLE = "You decide"
_run = threading.local()  # one script run is one thread


def main() -> None:
    """Draw the frame and, in it, the page that the address names."""
    _run.entered = True
    try:
        st.set_page_config(page_title=TITLE, page_icon=str(ROOT / "hitl" / "ui" / "icon.png"))
        page = st.navigation(
            [
                st.Page(CHAT, title="Chat", default=True),
                st.Page(APPROVALS, title="Approvals", url_path="approvals"),
                st.Page(AGENTS, title="Agents", url_path="agents"),
                st.Page(GRANTS, title="Grants", url_path="grants"),
            ],
            position="hidden",
        )
        live.begin()
        with live.as_last_seen():
            complete = guarded(lambda: _draw(page))
            draw_banner(complete=complete)
        if not complete:
            live.listen()
    finally:
        live.end()
        _run.entered = False


def _draw(page: st.Page) -> None:
    desk()
    # Only now: two threads that import the same big packages at once get them half made.
    from hitl.ui.sidebar import draw_sidebar

    if st.session_state.get("go-to") and page.url_path != "":
        st.switch_page(CHAT)
    draw_sidebar()
    with st.sidebar:
        reach_what_scrolls()
    page.run()
    follow_up()
    live.memory().settle()


def ensure() -> None:
    """The first line of every page.

    Until the app's script has run once in a process, Streamlit runs a page that is asked for by
    its own address alone, without the frame; then the frame is drawn from here.
    """
    if not getattr(_run, "entered", False):
        main()
        st.stop()
