"""The app, started by `streamlit run app.py`: the server imports this file once, to serve it;
Streamlit then runs it again for every visit, to draw a page."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:
    from hitl.ui.server import build

    app = st.App(__file__, **build())
else:
    from hitl.ui.shell import main

    main()
