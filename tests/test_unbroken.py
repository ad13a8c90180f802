"""What a browser asks for while something else is worked on: a small page in Streamlit's runner."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest.mock import MagicMock

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.runtime import Runtime
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import RerunData, ScriptRunner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.runtime.state import SessionState

from hitl.ui.unbroken import do_all_that_is_asked

CHAT = """
    import streamlit as st

    state = st.session_state
    log = state.setdefault("log", [])

    def pause(where):
        if state.get("pause") == where:
            state["pause"] = None
            state["there"].set()
            assert state["go"].wait(20)

    def leave():
        log.append("leave")
        st.query_params.pop("chat", None)
        state.pop("chat", None)

    def choose():
        log.append("choose")
        pause("choose")
        st.query_params["agent"] = state["agent"]
        log.append("chosen")

    def hear():
        log.append("hear")
        pause("hear")
        st.rerun(["ears"])

    chat = st.query_params.get("chat") or state.get("chat", "")
    log.append(f"draw {chat}")
    if chat:
        state["chat"] = st.query_params["chat"] = chat
    st.button("New chat", key="new", on_click=leave)
    pause("draw")
    if chat:
        st.toggle("Reveal", key="reveal")
        st.selectbox("Agent", ["X", "Y"], key="agent", on_change=choose)
    if st.button("Details", key="details"):
        log.append("details")

    @st.fragment(key="ears")
    def ears():
        st.button("news", key="news", on_click=hear)

    @st.fragment(key="card")
    def card():
        log.append("card")
        if st.button("Raw", key="raw"):
            log.append("raw")

    ears()
    card()
    """


class Tab:
    """What Streamlit's server is for one tab of a browser, without the server."""

    def __init__(self, script: Path) -> None:
        do_all_that_is_asked()
        self.state = SessionState()
        self._script, self._loop = str(script), asyncio.new_event_loop()
        self._parts, self._cache = MemoryFragmentStorage(), ScriptCache()
        self._pages = PagesManager(self._script, self._cache)
        self._runner: ScriptRunner | None = None
        self.state["there"], self.state["go"] = threading.Event(), threading.Event()

    def asks(self, *clicks: str, part: str = "", **fields: Any) -> None:
        """A message of the browser: what was clicked, and what its fields say."""
        told = WidgetStates()
        for key, value in {**dict.fromkeys(clicks, True), **fields}.items():
            id_of = self.state._key_id_mapper.get_id_from_key(key)
            kind = "string_value" if isinstance(value, str) else "bool_value"
            told.widgets.add(id=id_of, **{"trigger_value" if key in clicks else kind: value})
        data = RerunData(
            query_string="chat=c1",
            page_script_hash=self._pages.main_script_hash,
            fragment_id=next(iter(self._parts.resolve_target([part]))) if part else None,
            widget_states=told,
        )
        self._send(data)

    def goes_back(self, address: str) -> None:
        self._send(
            RerunData(
                query_string=address,
                page_script_hash=self._pages.main_script_hash,
                is_history_navigation=True,
                widget_states=WidgetStates(),
            )
        )

    def _send(self, data: RerunData) -> None:
        if self._runner and self._runner.request_rerun(data):
            return
        self._runner = ScriptRunner(
            "a session",
            self._script,
            self.state,
            MagicMock(),  # of uploaded files
            self._cache,
            data,
            {},
            self._parts,
            self._pages,
            self._loop,
            lambda *_: False,
        )
        self._runner.start()

    def paused(self, where: str) -> None:
        """From now on until `log`: have the script wait where it comes to this."""
        self.state["pause"] = where

    def log(self) -> list[str]:
        """What happened until all was drawn, since it was asked for last."""
        self.state["go"].set()
        thread = self._runner._script_thread if self._runner else None
        assert thread, "nothing was asked"
        thread.join(20)
        said = list(self.state["log"])
        self.state["log"].clear()
        self.state["go"].clear()
        self.state["there"].clear()
        return said

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tab]:
    monkeypatch.setattr(Runtime, "_instance", MagicMock())
    script = tmp_path / "page.py"
    script.write_text(dedent(CHAT))
    tab = Tab(script)
    tab.asks()
    assert tab.log() == ["draw c1", "card"]
    tab.asks(reveal=False, agent="X")
    assert tab.log() == ["draw c1", "card"]
    yield tab
    tab.close()


def test_click_beside_news_is_seen_by_its_own_part(tab: Tab) -> None:
    tab.asks("news", "raw", part="ears", reveal=False, agent="X")
    assert tab.log() == ["hear", "card", "raw"]


def test_click_beside_news_is_seen_by_the_page(tab: Tab) -> None:
    tab.asks("news", "details", part="ears", reveal=False, agent="X")
    assert tab.log() == ["hear", "draw c1", "details", "card"]


def test_news_alone_draw_no_more_than_their_part(tab: Tab) -> None:
    tab.asks("news", part="ears", reveal=False, agent="X")
    assert tab.log() == ["hear"]


def test_callback_comes_to_its_end_though_it_writes_the_address(tab: Tab) -> None:
    tab.paused("choose")
    tab.asks(reveal=False, agent="Y")
    assert tab.state["there"].wait(20)
    tab.asks("details", reveal=False, agent="Y")
    assert tab.log() == ["choose", "chosen", "draw c1", "details", "card"]


def test_chat_that_was_left_is_not_opened_again_by_late_news(tab: Tab) -> None:
    """They still tell of its fields."""
    tab.paused("draw")
    tab.asks("new", reveal=False, agent="X")
    assert tab.state["there"].wait(20)
    tab.asks("news", part="ears", reveal=False, agent="X")
    assert tab.log() == ["leave", "draw ", "card", "hear"]


def test_browser_goes_back_though_news_are_being_answered(tab: Tab) -> None:
    tab.paused("hear")
    tab.asks("news", part="ears", reveal=False, agent="X")
    assert tab.state["there"].wait(20)
    tab.goes_back("chat=c0")
    assert tab.log() == ["hear", "draw c0", "card"]
