"""The chat page: a long conversation is shown from its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from hitl.journal import conversations, runs
from hitl.ui.office import desk
from tests.postgres import Line

APP = str(Path(__file__).parent.parent / "app.py")


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An app of its own, with the shipped agents."""
    monkeypatch.setenv("HITL_DATA_DIR", str(tmp_path))
    st.cache_resource.clear()
    yield
    desk().engine.stop()
    st.cache_resource.clear()


def long_conversation(messages: int) -> str:
    journal = desk().journal
    identifier = journal.write(conversations.create, "Addition Agent", title="Long")
    for number in range(messages):
        text = f"message {number}."
        journal.write(runs.add, identifier, "Addition Agent", text, by="Me", status="answered")
    return identifier


def said(page: AppTest) -> list[str]:
    return [each.value for each in page.text if str(each.value).startswith("message ")]


def test_only_the_end_is_shown_until_older_messages_are_asked_for() -> None:
    identifier = long_conversation(35)
    page = AppTest.from_file(APP, default_timeout=30)
    page.query_params["chat"] = identifier
    page.run()
    assert said(page) == [f"message {number}." for number in range(25, 35)]
    for _ in range(2):
        next(button for button in page.button if button.label == "Show older").click().run()
    assert said(page) == [f"message {number}." for number in range(35)]
    assert "Show older" not in [button.label for button in page.button]


def a_composer() -> None:
    from hitl.ui import live
    from hitl.ui.composer import draw_composer

    live.begin()
    draw_composer("c0ffee", "Addition Agent", can_send=True)
    live.end()


def test_the_box_is_there_though_the_database_went_away_before_it_was_drawn(
    line: Line, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can go in the middle of a drawing, when the conversation above is there already."""
    monkeypatch.setenv("HITL_DATABASE_URL", line.url_of(postgres_url))
    desk()
    line.cut()
    page = AppTest.from_function(a_composer, default_timeout=60).run()
    assert [box.placeholder for box in page.chat_input] == ["Message Addition Agent"]
    assert not page.chat_input[0].disabled
    line.restore()
