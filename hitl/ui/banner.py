"""The one place of a page that says that the database is away, for as long as it is."""

import streamlit as st

from hitl.errors import JournalUnavailable
from hitl.ui import live, text
from hitl.ui.office import desk

AWAY = "The database can't be reached. Nothing is lost, and all goes on by itself when it is back."


def draw_banner(*, complete: bool) -> None:
    """Nothing, or the sentence. To be called when the rest of the page is drawn.

    Args:
        complete: whether all of the page could be drawn; else it is, once the database is back.
    """

    def draw() -> None:
        if trouble := _trouble():
            st.warning(text.words(text.visible(trouble)), icon=":material/database_off:")
        elif not complete:
            st.session_state["whole-page"] = True

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
