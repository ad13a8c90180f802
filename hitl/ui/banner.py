"""The one place of a page that says that the database is away, for as long as it is."""

import streamlit as st

from hitl.errors import JournalUnavailable
from hitl.ui import live, text
from hitl.ui.clicks import draw_whole_page
from hitl.ui.office import desk

AWAY = "The database can't be reached; nothing is lost, and all goes on by itself when it is back."

# It lies over the page and lets clicks through: nothing may move under somebody's pointer.
_banner = st.components.v2.component(
    "hitl_banner",
    html='<p role="alert"></p>',
    css="""
p {
  position: fixed; z-index: 999991; top: 0.5rem; left: 50%; transform: translateX(-50%);
  box-sizing: border-box; width: max-content; max-width: min(48rem, calc(100vw - 7rem));
  margin: 0; padding: 0.5rem 1rem; border-radius: 0.5rem; pointer-events: none;
  font: 0.875rem var(--st-font); color: var(--st-orange-text-color, #b45309);
  border: 1px solid currentColor;
  background: linear-gradient(
    var(--st-orange-background-color, transparent), var(--st-orange-background-color, transparent)
  ), var(--st-background-color, Canvas);
}
""",
    js="""
export default function ({ data, parentElement }) {
  parentElement.querySelector("p").textContent = data.text
}
""",
)


def draw_banner(*, complete: bool) -> None:
    """Nothing, or the sentence. To be called when the rest of the page is drawn.

    Args:
        complete: whether all of the page could be drawn; else it is, once the database is back.
    """

    def draw() -> None:
        if trouble := _trouble():
            _banner(key="banner-text", data={"text": text.visible(trouble)}, height=1)
        elif not complete:
            draw_whole_page()

    with st.container(key="banner-place", height=1, border=False):
        live.area("banner", _trouble, draw)


def _trouble() -> str | None:
    """What to say of the database; None while all is well."""
    try:
        at = desk()
    except JournalUnavailable as error:  # it was not there when this process started either
        return str(error)
    try:
        at.count_pending()
    except JournalUnavailable:
        return AWAY
    return AWAY if live.memory().is_away else None
