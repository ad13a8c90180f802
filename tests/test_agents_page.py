"""The agents page: each agent whole, broken files, and tools tried by hand."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from hitl.journal import ToolRequest
from hitl.ui.office import desk
from hitl.ui.tried import Try

APP = str(Path(__file__).parent.parent / "app.py")
TOOLS = '''
from typing import Annotated, Literal
from pydantic import Field
from hitl.agents import tool

@tool(sentence="Pay {amount} with {pin}", secret=["pin"])
def pay(
    amount: Annotated[int, Field(ge=1, description="How *much*.")],
    pin: str,
    message: str = "Thanks",
) -> str:
    """Pays money, ![image](http://example.com/x.png)."""
    return f"paid {amount}"

def balance(account: Literal["cash", "bank"] | None = None) -> str:
    """What is left."""
    return f"5 in {account}"
'''
CLERK = """
name: Clerk
description: Pays *bills*.
system_prompt: |
  You pay :red[bills].
temperature: 0.5
state: {user_name: Logan}
tools: {till.pay: ask, till.balance: allow}
"""
MUTE = "name: Mute\ndescription: Only talks.\n"
Open = Callable[..., AppTest]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    agents = tmp_path / "agents"
    agents.mkdir()
    files = {"till.py": TOOLS, "clerk.yaml": CLERK, "mute.yaml": MUTE}
    for name, content in files.items():
        (agents / name).write_text(content)
    return agents


@pytest.fixture
def open_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`open_page(agent="Clerk")`: the page, in a session of its own."""
    monkeypatch.setenv("HITL_AGENTS_DIR", str(folder))
    monkeypatch.setenv("HITL_ARM_SECONDS", "0")  # nothing here arms: there is no browser
    monkeypatch.setenv("HITL_DATA_DIR", str(folder.parent / "data"))
    st.cache_resource.clear()

    def open_it(**query: str) -> AppTest:
        page = AppTest.from_file(APP, default_timeout=30).run().switch_page("pages/agents.py")
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    yield open_it
    desk().engine.stop()
    desk().journal.close()
    st.cache_resource.clear()


def said(page: AppTest) -> str:
    """Everything that the page says, in one text."""
    assert not page.exception
    kinds = (page.markdown, page.caption, page.text, page.code, page.error, page.warning, page.info)
    cells = [str(cell) for table in page.table for cell in table.value.to_numpy().flatten()]
    return "\n".join([str(each.value) for kind in kinds for each in kind] + cells)


def field(page: AppTest, kind: str, label: str) -> object:
    return next(each for each in getattr(page, kind) if each.label.startswith(label))


def try_it(page: AppTest, tool: str) -> AppTest:
    return page.button(key=f"try-it-Clerk-{tool}").click().run()


def requests() -> list[ToolRequest]:
    """All that was ever asked, once nothing moves any more."""
    office = desk()
    ids = [each.id for each in office.journal.read(_conversations)]
    runs = [run for each in ids for run in office.runs_after(each, 0)]
    for _ in range(500):
        records = [office.record(run.id) for run in runs]
        if all(each.run.has_ended or each.run.status == "waiting" for each in records):
            break
        time.sleep(0.01)
    return [request for record in records for request in record.requests] if runs else []


def _conversations(tx: object) -> list[object]:
    from hitl.journal import conversations

    return conversations.recent(tx, kinds=("try",))  # type: ignore[arg-type,return-value]


def test_an_agent_is_shown_whole_and_literally(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    text = said(page)
    for part in (
        "Pays *bills*.",
        "You pay :red[bills].",
        "agents/clerk.yaml",
        "0.5",
        "`Logan`",
        "Pays money, ![image](http://example.com/x.png).",
        r"How \*much\*\.",
        "On the card: Pay `amount` with `pin`",
        "Whole number, at least 1 · required",
        "Text · secret · required",
        "Text · Thanks if left out",
        "One of cash, bank · optional",
        '"minimum": 1',
        "till.pay: ask",
    ):
        assert part in text, part


def test_each_tool_says_who_asks(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    for tool, word in {"pay": "Asks first", "balance": "Runs freely"}.items():
        badges = [each.value for each in page.get_by_key(f"tool-{tool}").markdown]
        assert any(word in badge for badge in badges)


def test_rules_are_told_in_their_own_words(open_page: Open, folder: Path) -> None:
    rules = CLERK.replace("pay: ask", """pay: 'ask when message == "*hi*"'""")
    (folder / "clerk.yaml").write_text(rules.replace("balance: allow", "balance: deny"))
    page = open_page(agent="Clerk")
    for tool, word in {"pay": "It depends", "balance": "Denied"}.items():
        badges = [each.value for each in page.get_by_key(f"tool-{tool}").markdown]
        assert any(word in badge for badge in badges)
    text = said(page)
    assert 'Rules: `ask when message == "*hi*"`' in text
    assert "Asks, runs or is denied, as its rules say." in text
    assert "Shows that the rules do not allow it." in text


def test_a_tried_call_is_asked_or_runs_as_the_rules_say(open_page: Open, folder: Path) -> None:
    (folder / "clerk.yaml").write_text(CLERK.replace("pay: ask", "pay: ask when amount > 5"))
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(5)  # type: ignore[attr-defined]
    try_it(page, "pay")
    assert [(each.status, each.result) for each in requests()] == [("succeeded", "paid 5")]
    field(page, "number_input", "amount").set_value(6)  # type: ignore[attr-defined]
    page.session_state["try"].at -= 60
    try_it(page, "pay")
    assert sorted(each.status for each in requests()) == ["pending", "succeeded"]


def test_the_agent_in_the_address_is_chosen_and_stays(open_page: Open) -> None:
    page = open_page(agent="Mute")
    assert page.selectbox(key="agent-here").value == "Mute"
    assert "Only talks." in said(page)
    page.selectbox(key="agent-here").select("Clerk").run()
    assert page.query_params["agent"] == "Clerk"
    assert "Pays *bills*." in said(page.run())


def test_an_unknown_agent_in_the_address_is_named(open_page: Open) -> None:
    assert "There is no agent `Nobody` that can be used." in said(open_page(agent="Nobody"))


def test_a_broken_file_is_reported_with_file_line_and_field(open_page: Open, folder: Path) -> None:
    (folder / "broken.yaml").write_text("name: Broken\ndescription: x\ntemperature: hot\n")
    page = open_page()
    (error,) = page.error
    assert error.value.startswith(r"**agents\/broken\.yaml**, line 3, `temperature`: ")
    assert page.selectbox(key="agent-here").options == ["Clerk", "Mute"]


def test_a_folder_without_agents_says_what_to_do(open_page: Open, folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    assert "No agent can be used. Put an agent file into" in said(open_page())


def test_a_tried_call_waits_for_approval_and_then_runs(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(7)  # type: ignore[attr-defined]
    field(page, "text_input", "pin").set_value("1234")  # type: ignore[attr-defined]
    try_it(page, "pay")
    (request,) = requests()
    assert request.status == "pending"
    assert request.arguments == {"amount": 7, "pin": "1234", "message": "Thanks"}
    assert page.get_by_key(f"request-{request.id}") is not None
    page.button(key=f"approve-{request.id}").click().run()
    assert [each.result for each in requests()] == ["paid 7"]
    text = said(page.run())
    assert "Approved" in text
    assert "paid 7" in text


def test_a_rejected_try_never_runs(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(7)  # type: ignore[attr-defined]
    try_it(page, "pay")
    (request,) = requests()
    page.button(key=f"reject-{request.id}").click().run()
    assert [(each.status, each.result) for each in requests()] == [("rejected", None)]


def test_a_tool_that_runs_freely_runs_at_once(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "selectbox", "account").select("bank")  # type: ignore[attr-defined]
    try_it(page, "balance")
    assert [each.result for each in requests()] == ["5 in bank"]
    assert "5 in bank" in said(page.run())


def test_what_does_not_fit_is_said_and_nothing_is_lost_or_asked(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(0)  # type: ignore[attr-defined]
    field(page, "text_input", "pin").set_value("1234")  # type: ignore[attr-defined]
    try_it(page, "pay")
    (error,) = page.error
    assert "amount: Input should be greater than or equal to 1" in error.value.replace("\\", "")
    assert field(page, "number_input", "amount").value == 0  # type: ignore[attr-defined]
    assert field(page, "text_input", "pin").value == "1234"  # type: ignore[attr-defined]
    assert requests() == []
    field(page, "number_input", "amount").set_value(1)  # type: ignore[attr-defined]
    assert not try_it(page, "pay").error
    assert len(requests()) == 1


def test_a_double_click_asks_once_and_a_later_click_asks_again(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(7)  # type: ignore[attr-defined]
    try_it(page, "pay")
    try_it(page, "pay")
    assert len(requests()) == 1
    latest = page.session_state["try"]
    assert isinstance(latest, Try)
    latest.at -= 60
    try_it(page, "pay")
    assert len(requests()) == 2


def test_the_tried_call_is_still_there_after_a_reload(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(7)  # type: ignore[attr-defined]
    try_it(page, "pay")
    (request,) = requests()
    again = open_page(agent="Clerk", **{"try": page.query_params["try"]})
    assert again.get_by_key(f"request-{request.id}") is not None


def test_another_agents_call_is_not_shown(open_page: Open) -> None:
    page = open_page(agent="Clerk")
    field(page, "number_input", "amount").set_value(7)  # type: ignore[attr-defined]
    try_it(page, "pay")
    page.selectbox(key="agent-here").select("Mute").run()
    assert "try" not in page.query_params
    assert "request" not in said(page)
