"""The one desk of this process, for pages and server alike."""

from typing import TYPE_CHECKING

import streamlit as st

from hitl.settings import Settings

if TYPE_CHECKING:
    from hitl.desk import Desk
    from hitl.registry import Registry


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings, read once."""
    return Settings.from_env()


def registry() -> "Registry":
    """The agents' files."""
    from hitl.registry import Registry

    agents = desk().agents
    assert isinstance(agents, Registry)
    return agents


@st.cache_resource(show_spinner=False)
def desk() -> "Desk":
    """The desk; whoever comes first opens it, everybody else waits for that.

    Raises:
        JournalUnavailable: if the database can't be reached or written; the next call tries again.
    """
    from hitl.service import open_desk  # seconds of imports, while the server listens already

    return open_desk(settings())
