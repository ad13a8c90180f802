"""What a click leads to: errors become one sentence, and the page goes where it was asked to go."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from hitl.errors import HitlError
from hitl.ui import text

P = ParamSpec("P")
logger = logging.getLogger("hitl.ui")


def click(action: Callable[P, None]) -> Callable[P, None]:
    """A widget's callback that never fails: what goes wrong is said to the person."""

    @wraps(action)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except HitlError as error:
            say(str(error))

    return guarded


def guarded(draw: Callable[[], None]) -> None:
    """Draw, or say in one sentence why that is not possible. Never a traceback in the page."""
    try:
        draw()
    except HitlError as error:
        st.error(text.words(text.visible(str(error))), icon=":material/error:")
    except Exception:  # Streamlit's own signals are no Exceptions
        logger.exception("a part of the page could not be drawn")
        st.error(
            "This part could not be shown; the server's log says why.", icon=":material/error:"
        )


def say(message: str) -> None:
    """Tell the person something with the next drawing."""
    st.session_state["message-to-person"] = message


def go_to(conversation_id: str) -> None:
    """Open a conversation with the next drawing."""
    st.session_state["go-to"] = conversation_id


def follow_up() -> None:
    """Say and do what callbacks asked for; they can neither draw nor change the page."""
    if message := st.session_state.pop("message-to-person", None):
        st.toast(text.words(text.visible(message)), icon=":material/info:")
    if st.session_state.get("go-to") or st.session_state.pop("whole-page", False):
        st.rerun()
