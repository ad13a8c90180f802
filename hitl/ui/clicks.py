"""What a click leads to: errors become one sentence, and the page goes where it was asked to go."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from hitl.errors import HitlError, JournalUnavailable
from hitl.ui import text

P = ParamSpec("P")
logger = logging.getLogger("hitl.ui")
NOTHING_DONE = "Nothing was done: the database can't be reached. Try again when it is back."


def click(action: Callable[P, None]) -> Callable[P, None]:
    """A widget's callback that never fails: what goes wrong is said to the person."""

    @wraps(action)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except JournalUnavailable as error:
            say(str(error) if _is_in_doubt(error) else NOTHING_DONE)
        except HitlError as error:
            say(str(error))

    return guarded


def _is_in_doubt(error: JournalUnavailable) -> bool:
    from hitl.journal.journal import CommitInDoubt  # whose imports the first page need not wait for

    return isinstance(error, CommitInDoubt)


def guarded(draw: Callable[[], None]) -> bool:
    """Draw, or say in one sentence why that is not possible. Never a traceback in the page.

    Returns:
        False if the database is away, which is said elsewhere, once for the whole page.
    """
    try:
        draw()
    except JournalUnavailable:
        return False
    except HitlError as error:
        st.error(text.words(text.visible(str(error))), icon=":material/error:")
    except Exception:  # Streamlit's own signals are no Exceptions
        logger.exception("a part of the page could not be drawn")
        st.error(
            "This part could not be shown; the server's log says why.", icon=":material/error:"
        )
    return True


def say(message: str) -> None:
    """Tell the person something with the next drawing."""
    st.session_state["message-to-person"] = message


def go_to(conversation_id: str) -> None:
    """Open a conversation with the next drawing."""
    st.session_state["go-to"] = conversation_id


def draw_whole_page() -> None:
    """Have the whole page drawn next."""
    st.session_state["whole-page"] = True


def follow_up() -> None:
    """Say and do what callbacks asked for; they can neither draw nor change the page."""
    if st.session_state.get("go-to") or st.session_state.pop("whole-page", False):
        st.rerun()  # which would take a toast away with it
    if message := st.session_state.pop("message-to-person", None):
        st.toast(text.words(text.visible(message)), icon=":material/info:")
