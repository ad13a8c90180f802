"""The one desk of this process, for pages and server alike."""

import streamlit as st

from hitl.desk import Desk
from hitl.registry import Registry
from hitl.service import open_desk
from hitl.settings import Settings


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings, read once."""
    return Settings.from_env()


def registry() -> Registry:
    """The agents' files."""
    agents = desk().agents
    assert isinstance(agents, Registry)
    return agents


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """The desk; whoever comes first opens it, everybody else waits for that.

    Raises:
        JournalUnavailable: if the database can't be reached or written; the next call tries again.
    """
    return open_desk(settings())
