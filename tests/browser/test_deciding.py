"""Approve and reject: what was decided happens once, and everybody sees it."""

import pytest
from playwright.sync_api import Page, expect

from hitl.journal import Approve, Reject
from tests.browser.app_server import AppServer, until
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import (
    REASON,
    approve,
    button,
    card,
    cards,
    conversation_id,
    reject,
    request_id,
    say,
    shows,
    waiting,
)
from tests.openai_server import Reply

# A tab that can be made deaf: what the server sends it arrives later, as on a bad connection.
DEAF = """
window.missed = []
window.WebSocket = class extends WebSocket {
  constructor(...where) {
    super(...where)
    this.addEventListener("message", (event) => {
      if (!window.deaf) return
      event.stopImmediatePropagation()
      window.missed.push(() => this.dispatchEvent(new MessageEvent("message", event)))
    })
  }
}
"""


def open_with_requests(visit: Visit, app: AppServer, model: Model, *amounts: int) -> Page:
    """A page with a card for each amount."""
    model.will(pay(*amounts))
    page = visit(app.url)
    say(page, f"Pay {amounts}")
    expect(waiting(page)).to_have_count(len(amounts))
    return page


def test_approved_call_runs_once_and_its_answer_streams_in(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 7)
    expect(cards(page)).to_contain_text("pay")
    expect(cards(page)).to_contain_text("Pay 7 to Ada")
    assert app.effects() == []
    model.will(Reply("alpha " + "word " * 60 + "omega", chunk_size=10, chunk_delay=0.05))
    approve(waiting(page))
    shows(page, "alpha")
    assert "omega" not in page.locator("body").inner_text(), "it came in one piece"
    shows(page, "omega")
    expect(cards(page)).to_contain_text("Approved")
    expect(cards(page)).to_contain_text("paid 7 to Ada")
    assert app.effects() == ["pay 7 Ada"]
    assert model.told() == ["paid 7 to Ada"]


def test_rejected_call_never_runs_and_its_reason_reaches_the_model(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 8)
    model.will(Reply("Then I leave it."))
    reject(waiting(page), "Ada was paid already")
    shows(page, "Then I leave it.")
    expect(cards(page)).to_contain_text("Rejected")
    expect(cards(page)).to_contain_text("Ada was paid already")
    assert app.effects() == []
    [told] = model.told()
    assert "Ada was paid already" in told
    assert "not approved" in told


def test_reason_typed_just_before_the_click_is_not_lost(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 8)
    model.will(Reply("Understood."))
    page.get_by_label(REASON).click()
    page.keyboard.type("too dear")
    button(page, "Reject").click()
    shows(page, "Understood.")
    assert "too dear" in model.told()[0]


def test_double_click_decides_that_card_alone_and_moves_no_neighbour(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 1, 2)
    first, second = card(page, "Pay 1 to Ada"), card(page, "Pay 2 to Ada")
    page.set_viewport_size({"width": 1280, "height": 1600})
    for each in (first, second):  # once they stand still: a part of a card can be loaded late
        expect(button(each, "Approve")).to_be_enabled()
    before = second.bounding_box()
    button(first, "Approve").dblclick()
    expect(first).to_contain_text("Approved")
    until(app.effects, "the first payment")
    expect(first).to_contain_text("paid 1 to Ada")
    assert second.bounding_box() == pytest.approx(before, abs=1)  # pixels
    expect(button(second, "Approve")).to_be_visible()
    assert app.effects() == ["pay 1 Ada"]
    model.will(Reply("Both done."))
    reject(second, "enough")
    shows(page, "Both done.")
    assert app.effects() == ["pay 1 Ada"]


def test_mixed_decisions_reach_the_model_in_its_order(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 1, 2, 3)
    model.will(Reply("Two of three."))
    approve(card(page, "Pay 3 to Ada"))
    reject(card(page, "Pay 2 to Ada"), "no")
    approve(card(page, "Pay 1 to Ada"))
    shows(page, "Two of three.")
    assert sorted(app.effects()) == ["pay 1 Ada", "pay 3 Ada"]
    first, second, third = model.told()
    assert (first, third) == ("paid 1 to Ada", "paid 3 to Ada")
    assert "not approved" in second


def test_second_tab_sees_the_decision_without_reload_and_who_made_it(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 5)
    other = visit(page.url)
    expect(waiting(other)).to_have_count(1)
    assert request_id(cards(other)) == request_id(cards(page))
    name = other.get_by_role("textbox", name="Your name")
    name.fill("Grace Hopper")
    name.press("Enter")
    model.will(Reply("Paid."))
    approve(waiting(other))
    expect(cards(page)).to_contain_text("Approved")
    expect(cards(page)).to_contain_text("Grace Hopper")
    expect(button(page, "Approve")).to_have_count(0)
    shows(page, "Paid.")
    assert app.effects() == ["pay 5 Ada"]


def test_stale_click_loses_and_is_told_who_was_first(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(6))
    page = visit(app.url, script=DEAF)
    say(page, "Pay 6")
    expect(waiting(page)).to_have_count(1)
    expect(button(page, "Approve")).to_be_enabled()
    page.evaluate("window.deaf = true")
    model.will(Reply("Not paid."))
    verdict = app.desk.decide(request_id(cards(page)), Reject("mine"), by="Bea")
    assert verdict.accepted
    until(lambda: len(model.requests) == 2, "the model to hear of it")
    approve(waiting(page))
    page.evaluate("window.deaf = false; window.missed.forEach(arrives => arrives())")
    expect(page.get_by_test_id("stToast")).to_contain_text("rejected by Bea")
    expect(cards(page)).to_contain_text("Rejected")
    expect(cards(page)).to_contain_text("Bea")
    assert app.effects() == []


def test_reason_being_typed_survives_a_decision_made_elsewhere(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 1, 2)
    first, second = card(page, "Pay 1 to Ada"), card(page, "Pay 2 to Ada")
    reason = first.get_by_label(REASON)
    reason.click()
    page.keyboard.type("half a ")
    app.desk.decide(request_id(second), Approve(), by="Bea")
    expect(second).to_contain_text("paid 2 to Ada")
    expect(reason).to_be_focused()
    expect(reason).to_have_value("half a ")
    page.keyboard.type("reason")
    model.will(Reply("So be it."))
    button(first, "Reject").click()
    shows(page, "So be it.")
    assert "half a reason" in model.told()[0]


def test_reload_and_a_new_tab_bring_the_waiting_card_back(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_requests(visit, app, model, 9)
    wanted = request_id(cards(page))
    page.reload()
    expect(waiting(page)).to_have_count(1)
    assert request_id(cards(page)) == wanted
    other = visit(f"{app.url}/?chat={conversation_id(page)}", alone=True)
    expect(waiting(other)).to_have_count(1)
    model.will(Reply("Paid at last."))
    approve(waiting(other))
    shows(page, "Paid at last.")
    shows(other, "Paid at last.")
    assert app.effects() == ["pay 9 Ada"]


def test_run_can_ask_again_after_a_decision(app: AppServer, model: Model, visit: Visit) -> None:
    page = open_with_requests(visit, app, model, 1)
    model.will(pay(2))
    approve(waiting(page))
    expect(cards(page)).to_have_count(2)
    model.will(Reply("Done twice."))
    approve(waiting(page))
    shows(page, "Done twice.")
    assert app.effects() == ["pay 1 Ada", "pay 2 Ada"]
