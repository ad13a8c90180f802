"""Each agent, whole."""

from hitl.ui.shell import ensure

ensure()

import streamlit as st  # noqa: E402

st.title("Agents")
