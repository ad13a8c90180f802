"""Each agent whole, and its tools to try."""

from hitl.ui.shell import ensure

ensure()

import streamlit as st  # noqa: E402

from hitl.ui.agents import draw_agents  # noqa: E402

st.title("Agents", anchor=False)
draw_agents()
