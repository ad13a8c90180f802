"""What a card is being used for: to decide, to edit, to answer instead, to give a grant."""

from typing import Literal

import streamlit as st

from hitl.ui import arming
from hitl.ui.clicks import click
from hitl.ui.edit import leave_edit

Mode = Literal["decide", "edit", "answer", "grant"]


def mode_of(request_id: str) -> Mode:
    """What this visitor uses the card for; at first, to decide."""
    mode: Mode = st.session_state.get(f"mode-{request_id}", "decide")
    return mode


@click
def switch(request_id: str, mode: Mode) -> None:
    """A click: use the card for something else. Its buttons are others then, so they arm anew."""
    leave_edit(request_id)
    st.session_state[f"mode-{request_id}"] = mode
    arming.disarm(request_id)
    arming.redraw(request_id)
