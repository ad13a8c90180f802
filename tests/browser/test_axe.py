"""No page breaks an accessibility rule that axe knows, in both themes, on a phone and on a wall;
and a person without a mouse can judge and decide."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from llama_index.core.llms import ChatMessage
from playwright.sync_api import Page, expect
from sqlalchemy import Connection

from hitl.agents import AgentConfig
from hitl.fingerprints import fingerprint
from hitl.journal import (
    Answer,
    Approve,
    ItDidNotHappen,
    Reject,
    ToolCall,
    ToolRequest,
    conversations,
    decisions,
    grants,
    requests,
    runs,
)
from hitl.journal.rows import now
from hitl.journal.values import ModelCall
from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import REASON, button, cards, message_box, say, shows, waiting
from tests.openai_server import Reply

AGENT = "Back Office"
ME = "somebody"
WIDTHS = (390, 768, 1600)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ORIGINS = {
    "to": {"from": "tool", "tool": "look_up_order", "field": "note", "within": True},
    "subject": {"from": "neither", "lookalike": True, "resembles": "user"},
    "body": {"from": "user"},
}
EMAIL = {
    "to": "ines.bellweather@example.com",
    "subject": "Your order 1042",
    "body": "Dear Ines Bellweather,\n\nyour refund is on its way.\n\nKind regards",
}


def calls(agent: AgentConfig) -> list[ToolCall]:
    """A call for each kind of card and line."""
    refund = {"order": 1042, "amount": 12.5, "reason": "It came late."}
    several: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("look_up_order", {"order": 1042}, {"asks": False, "rule": "allow"}),
        ("send_email", EMAIL, {}),
        ("refund_order", refund, {}),
        ("cancel_order", {"order": 1047, "reason": "As asked."}, {}),
        ("delete_customer", {"customer": "jonah.adeyemi@example.com"}, {}),
        ("tag_order", {"order": 1042, "tag": "gift"}, {}),
        ("ask_carrier", {"order": 1050, "question": "Has it arrived?"}, {}),
        ("refund_order", {**refund, "amount": 5000}, {"denied": True, "rule": "deny"}),
        ("send_email", EMAIL, {"origins": ORIGINS}),
        ("refund_order", refund, {"expires_after": 3600, "rule": "ask when amount > 0"}),
        ("delete_customer", {"customer": "ines.bellweather@example.com"}, {}),
        ("refund_order", {"order": 1, "amount": "x"}, {"problem": "amount: a number"}),
    ]
    return [
        ToolCall(name, arguments, str(place), fingerprint=prints(agent, name), **more)
        for place, (name, arguments, more) in enumerate(several)
    ]


def prints(agent: AgentConfig, name: str) -> str:
    tool = agent.tool(name)
    assert tool is not None
    return fingerprint(tool)


def speak(tx: Connection, conversation: str, agent: AgentConfig) -> str:
    run_id = runs.add(tx, conversation, AGENT, "Refund order 1042", by=ME)
    run = runs.acquire(tx, run_id, ME, 60)
    assert run is not None
    call = ModelCall(
        run_id=run_id,
        turn=1,
        started_at=now(),
        ms=1.0,
        config={"model": "scripted"},
        messages=[{"role": "user", "blocks": [{"block_type": "text", "text": "Refund it"}]}],
        tools=[{"name": "refund_order"}],
        reply={"said": "I ask."},
        error=None,
        tokens_in=12,
        tokens_out=3,
    )
    said = ChatMessage(role="assistant", content="I ask for **all** of it.")
    runs.speak(tx, run, ME, said, calls(agent), call)
    return run_id


def every_kind(tx: Connection, agent: AgentConfig) -> str:
    """A conversation that waits, with cards that were decided, that are in doubt, that wait."""
    conversation = conversations.create(tx, AGENT, title="Every kind of card")
    run_id = speak(tx, conversation, agent)
    asked = requests.of_runs(tx, [run_id])[run_id]
    at = now()
    done = {"started_at": at, "ended_at": at}

    def become(request: ToolRequest, status: str, **values: Any) -> None:
        requests.change(tx, request, status, status=status, **values)

    for place in (1, 3, 4):
        assert decisions.decide(tx, asked[place].id, Approve(), by=ME).accepted
    assert decisions.decide(tx, asked[2].id, Reject("It came in time."), by=ME).accepted
    assert decisions.decide(tx, asked[6].id, Answer("It arrived on Monday."), by=ME).accepted
    become(asked[0], "succeeded", result='{"order": 1042, "total": 189.0}', **done)
    become(asked[1], "succeeded", result="sent", **done)
    become(asked[3], "unknown", started_at=at)
    become(asked[4], "failed", result="The customer has open orders.", **done)
    become(asked[5], "expired", ended_at=at)
    assert runs.park(tx, run_id, ME)
    return conversation


def some_grants(tx: Connection, agent: AgentConfig) -> None:
    """One that holds and one that was revoked."""
    conversation = conversations.create(tx, AGENT, title="Grants")
    run_id = speak(tx, conversation, agent)
    asked = requests.of_runs(tx, [run_id])[run_id]
    grants.give(tx, asked[5], AGENT, "agent", ME)
    grants.revoke(tx, grants.give(tx, asked[8], AGENT, "call", ME).id, ME)
    grants.give(tx, asked[2], AGENT, "conversation", ME)
    runs.fail(tx, conversations.record(tx, run_id).run, ME, "It stops here.")


@pytest.fixture
def prepared(demo: AppServer) -> Iterator[str]:
    """The address of a conversation with every kind of card; nothing of it waits afterwards."""
    conversation = demo.desk.journal.write(every_kind, demo.desk.agents.get(AGENT))
    yield f"{demo.url}/?chat={conversation}"
    for request in demo.desk.pending():
        if request.is_in_doubt:
            demo.desk.resolve(request.id, ItDidNotHappen(), by="the test's end")
        else:
            demo.desk.decide(request.id, Reject("It is over."), by="the test's end")


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0)


def violations(page: Page) -> list[str]:
    """What axe finds, of any impact: the rule, the element, what is wrong with it."""
    return [
        f"{rule['id']}: {node['html'][:400]}: {node['failureSummary']}"
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
    ]


def assert_accessible(page: Page) -> None:
    """No violation in either theme and at any width, in a page that nobody points at."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    found: dict[str, list[str]] = {}
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 1000})
            at_rest(page)
            # What was still in motion gets a second look.
            for wrong in violations(page) and violations(page):
                found.setdefault(wrong, []).append(f"{scheme} {width}")
    assert not found, "\n\n".join(f"{', '.join(where)}: {what}" for what, where in found.items())


def test_empty_chat(demo: AppServer, visit: Visit) -> None:
    page = visit(f"{demo.url}/?agent={AGENT}")
    expect(message_box(page)).to_be_enabled()
    assert_accessible(page)


def test_chat_with_every_kind_of_card(prepared: str, visit: Visit) -> None:
    page = visit(prepared)
    expect(waiting(page)).to_have_count(3)
    expect(button(page, "Approve").first).to_be_enabled()
    assert_accessible(page)


def test_cards_that_are_edited_answered_and_allowed_for_good(prepared: str, visit: Visit) -> None:
    page = visit(prepared)
    expect(waiting(page)).to_have_count(3)
    button(page, "Answer instead").nth(0).click()
    expect(button(page, "Give this answer")).to_be_visible()
    button(page, "Always allow…").first.click()
    expect(button(page, "Approve and always allow")).to_be_visible()
    button(page, "Edit").last.click()
    expect(button(page, "Stop editing")).to_be_visible()
    assert_accessible(page)


def test_approvals(prepared: str, demo: AppServer, visit: Visit) -> None:
    page = visit(f"{demo.url}/approvals")
    expect(waiting(page)).to_have_count(3)
    expect(button(page, "Approve").first).to_be_enabled()
    assert_accessible(page)


def test_agents_with_a_form_to_try_a_tool(demo: AppServer, visit: Visit) -> None:
    page = visit(f"{demo.url}/agents?agent={AGENT}")
    for tool in ("find_orders", "refund_order"):
        page.locator(f".st-key-tool-{tool}").get_by_text("Try this tool", exact=True).click()
    expect(button(page, "Try it")).to_have_count(2)
    assert_accessible(page)


def test_grants(demo: AppServer, visit: Visit) -> None:
    demo.desk.journal.write(some_grants, demo.desk.agents.get(AGENT))
    page = visit(f"{demo.url}/grants")
    expect(button(page, "Revoke")).to_have_count(2)
    assert_accessible(page)
    for use in demo.desk.grants():
        demo.desk.revoke(use.grant.id, by="the test's end")


def test_details_of_a_run(demo: AppServer, visit: Visit) -> None:
    page = visit(f"{demo.url}/?agent={AGENT}")
    say(page, "hello")
    button(page, "Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("Model call 1")
    assert_accessible(page)


def test_summary_of_what_is_decided_at_once(prepared: str, visit: Visit) -> None:
    page = visit(prepared)
    button(page, "Approve all").click()
    expect(page.get_by_role("dialog")).to_contain_text("Approve these 3 requests?")
    assert_accessible(page)


def test_card_is_found_judged_and_rejected_by_keyboard_alone(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """From the page's top, with Tab, by the names that a screen reader says."""
    model.will(pay(1, 2))
    page = visit(app.url)
    say(page, "Pay both")
    expect(waiting(page)).to_have_count(2)
    expect(button(page, "Approve").last).to_be_enabled()
    for amount in (1, 2):
        group = page.get_by_role("group", name=f"pay: amount {amount}, to Ada", exact=True)
        expect(button(group, "Approve")).to_have_count(1)
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "Reason (optional)")
    page.keyboard.type("too dear")
    tab_to(page, "Reject")
    page.keyboard.press("Enter")
    expect(cards(page).first).to_contain_text("too dear")
    tab_to(page, REASON)
    tab_to(page, "Reject")
    model.will(Reply("Neither was paid."))
    page.keyboard.press("Space")
    shows(page, "Neither was paid.")
    assert app.effects() == []


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until the element with this name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(NAME) == name:
            return
    raise AssertionError(f"{name!r} can't be reached with Tab")


NAME = """() => {
  const it = document.activeElement
  return it.ariaLabel ?? it.labels?.[0]?.innerText ?? it.querySelector("p")?.innerText ?? ""
}"""
