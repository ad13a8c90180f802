"""What runs without asking because somebody said so; and the button that ends it."""

from hitl.ui.shell import ensure

ensure()

import streamlit as st  # noqa: E402

from hitl.ui.granted import draw_grants  # noqa: E402

st.title("Grants", anchor=False)
draw_grants()
