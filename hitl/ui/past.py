"""What came before a request: what the agent said, and what was asked and decided of the same."""

import streamlit as st

from hitl.journal import ToolRequest
from hitl.ui import text
from hitl.ui.office import desk
from hitl.ui.people import NOBODY
from hitl.ui.words import decider

LONGEST_SAID = 600


def draw_words(said: str) -> None:
    """What the agent said just before, as its words and not as ours."""
    with st.container(border=True, gap="xsmall"):
        st.caption(":material/format_quote: The agent said just before:")
        st.text(text.shorten(text.visible(said.strip()), LONGEST_SAID))


def draw_past(request: ToolRequest) -> None:
    """What a person should know of what was asked, and decided, before."""
    if request.earlier and (earlier := desk().request(request.earlier)):
        said = text.visible(earlier.reason or "no reason was given")
        by = text.label(earlier.decided_by or NOBODY, keep=text.IN_PROSE)
        who_said = "You rejected" if decider(earlier) == "you" else f"{by} rejected"
        st.warning(f"{who_said} this before: {text.words(said)}", icon=":material/history:")
    if request.replaces and (replaced := desk().request(request.replaces)):
        if replaced.status == "void":
            changed = text.words(text.visible(replaced.result or ""))
            words = f"Asked anew, since it changed after it was approved. {changed}"
            st.warning(words, icon=":material/published_with_changes:")
        else:
            st.caption("Run again: what came of it the first time is not known.")
