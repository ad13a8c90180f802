"""Everything that waits for a person, over all conversations."""

from hitl.ui.shell import ensure

ensure()

import streamlit as st  # noqa: E402

from hitl.ui.inbox import draw_inbox  # noqa: E402

st.title("Approvals", anchor=False)
draw_inbox()
