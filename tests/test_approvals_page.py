"""The approvals page: requests of this app and of other programs on the same journal."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from hitl.desk import Desk
from hitl.engine import Engine
from hitl.ui.office import desk
from tests.openai_server import Call
from tests.scripted import DEADLINE, ScriptedModel, asks
from tests.stage import OneAgent, Till, agent

APP = str(Path(__file__).parent.parent / "app.py")
TOOLS = '''
from hitl import tool

@tool(sentence="Pay {amount} to the poor")
def pay(amount: int) -> str:
    """Pays money."""
    return f"paid {amount}"
'''
CLERK = "name: Clerk\ndescription: Pays.\ntools: {till.pay: ask}\n"


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An app whose agent *Clerk* has a tool `pay`."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "till.py").write_text(TOOLS)
    (folder / "clerk.yaml").write_text(CLERK)
    monkeypatch.setenv("HITL_AGENTS_DIR", str(folder))
    monkeypatch.setenv("HITL_DATA_DIR", str(tmp_path / "data"))
    st.cache_resource.clear()
    yield
    desk().engine.stop()
    desk().journal.close()
    st.cache_resource.clear()


def open_page_with_a_request() -> AppTest:
    deadline = time.monotonic() + DEADLINE
    while not desk().pending():
        assert time.monotonic() < deadline, "nothing was asked"
        time.sleep(0.01)
    page = AppTest.from_file(APP, default_timeout=30).run().switch_page("pages/approvals.py").run()
    assert not page.exception
    return page


def links(page: AppTest) -> list[str]:
    return [link.label for link in page.get("page_link") if link.label == "Open conversation"]


def said(page: AppTest) -> str:
    return "\n".join(str(each.value) for each in [*page.markdown, *page.caption, *page.text])


def test_other_programs_tool_of_the_same_name_borrows_no_sentence() -> None:
    clerk = OneAgent(agent(Till().tool()))
    model = ScriptedModel(asks(Call("pay", {"amount": 5}, "1")))
    engine = Engine(desk().journal, clerk, lambda _: model, kinds=("notebook-1",))
    engine.start()
    notebook = Desk(desk().journal, engine, clerk, kind="notebook-1")
    try:
        notebook.send(notebook.start("Clerk"), "Pay", by="Ada")
        page = open_page_with_a_request()
    finally:
        engine.stop()
    assert "pay" in said(page)
    assert "to the poor" not in said(page)
    assert links(page) == []


def test_tool_tried_by_hand_has_no_conversation_to_open() -> None:
    desk().try_tool("Clerk", "pay", {"amount": 5}, by="Ada")
    page = open_page_with_a_request()
    assert "to the poor" in said(page)
    assert links(page) == []


def test_raw_call_is_sent_only_to_whoever_opens_it() -> None:
    desk().try_tool("Clerk", "pay", {"amount": 5}, by="Ada")
    page = open_page_with_a_request()
    assert [each.value for each in page.code] == []
    page.session_state[f"raw-{desk().pending()[0].id}"] = True
    page.run()
    assert [json.loads(each.value) for each in page.code] == [
        {"tool": "pay", "arguments": {"amount": 5}}
    ]
