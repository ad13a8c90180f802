"""Messages at a time when the agent waits or works; and Stop."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import AppServer, until
from tests.browser.conftest import Visit
from tests.browser.model import Held, Model, pay
from tests.browser.visitor import (
    approve,
    button,
    cards,
    conversation_id,
    message_box,
    never_shows,
    say,
    shows,
    waiting,
)
from tests.openai_server import Call, Reply


def user_messages(body: dict) -> list[str]:
    return [each["content"] for each in body["messages"] if each["role"] == "user"]


def open_with_held_message(visit: Visit, app: AppServer, model: Model) -> Page:
    """A page where two requests wait, and a message that was typed meanwhile is held."""
    model.will(pay(1, 2))
    page = visit(app.url)
    say(page, "Pay both")
    expect(waiting(page)).to_have_count(2)
    say(page, "Pay Bob instead")
    expect(held(page)).to_contain_text("Pay Bob instead")
    assert len(model.requests) == 1
    return page


def held(page: Page) -> Locator:
    return page.locator("[class*='st-key-held-']")


def test_held_message_can_reject_what_waits_and_be_sent(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_held_message(visit, app, model)
    model.will(Reply("Bob it is."))
    button(page, "Reject 2 waiting and send").click()
    shows(page, "Bob it is.")
    expect(held(page)).to_have_count(0)
    expect(cards(page).nth(0)).to_contain_text("Rejected")
    expect(cards(page).nth(1)).to_contain_text("Pay Bob instead")
    assert len(model.requests) == 2
    assert user_messages(model.requests[-1]) == ["Pay both", "Pay Bob instead"]
    assert all("not approved" in told and "Pay Bob instead" in told for told in model.told())
    assert app.effects() == []


def test_held_message_can_wait_until_all_is_decided(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = open_with_held_message(visit, app, model)
    button(page, "Send when they are decided").click()
    expect(button(page, "Send when they are decided")).to_have_count(0)
    shows_next = page.get_by_text("Pay Bob instead")
    expect(shows_next.first).to_be_visible()
    assert len(model.requests) == 1
    model.will(Reply("Both are paid."), Reply("Bob it is."))
    approve(waiting(page).first)
    expect(waiting(page)).to_have_count(1)
    approve(waiting(page))
    shows(page, "Both are paid.")
    shows(page, "Bob it is.")
    assert user_messages(model.requests[-1]) == ["Pay both", "Pay Bob instead"]
    assert sorted(app.effects()) == ["pay 1 Ada", "pay 2 Ada"]


def test_held_message_can_be_discarded(app: AppServer, model: Model, visit: Visit) -> None:
    page = open_with_held_message(visit, app, model)
    button(page, "Discard").click()
    expect(held(page)).to_have_count(0)
    expect(waiting(page)).to_have_count(2)
    never_shows(page, "Pay Bob instead")
    model.will(Reply("Both are paid."))
    approve(waiting(page).first)
    expect(waiting(page)).to_have_count(1)
    approve(waiting(page))
    shows(page, "Both are paid.")
    assert user_messages(model.requests[-1]) == ["Pay both"]


def test_message_to_a_working_agent_is_queued_shown_and_sent_next(
    app: AppServer, model: Model, visit: Visit
) -> None:
    slow = Held(Reply("First answer."))
    model.will(slow, Reply("Second answer."))
    page = visit(app.url)
    say(page, "First question")
    until(lambda: model.requests, "the model to be asked")
    expect(button(page, "Stop")).to_be_visible()
    say(page, "Second question")
    bottom = page.get_by_test_id("stBottom")
    expect(bottom).to_contain_text("Next")
    expect(bottom).to_contain_text("Second question")
    assert len(model.requests) == 1
    slow.let_go()
    shows(page, "First answer.")
    shows(page, "Second answer.")
    assert user_messages(model.requests[-1]) == ["First question", "Second question"]
    expect(bottom).not_to_contain_text("Second question")


def test_stop_cancels_what_waits_and_leaves_the_conversation_usable(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(3))
    page = visit(app.url)
    say(page, "Pay 3")
    expect(waiting(page)).to_have_count(1)
    button(page, "Stop").click()
    expect(cards(page)).to_contain_text("Cancelled")
    expect(waiting(page)).to_have_count(0)
    expect(button(page, "Stop")).to_have_count(0)
    model.will(Reply("At your service."))
    say(page, "Are you there?")
    shows(page, "At your service.")
    assert "not" in model.told()[0].lower()
    assert app.effects() == []


def test_stop_while_the_model_speaks_ends_the_answer(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply("alpha " + "word " * 200 + "omega", chunk_size=10, chunk_delay=0.05))
    page = visit(app.url)
    say(page, "Tell me everything")
    shows(page, "alpha")
    button(page, "Stop").click()
    expect(button(page, "Stop")).to_have_count(0)
    never_shows(page, "omega")
    shows(page, re.compile("[Ss]topped|[Cc]ancelled"))
    model.will(Reply("Short this time."))
    say(page, "In short?")
    shows(page, "Short this time.")


def test_stop_in_the_middle_of_a_tool_says_that_its_outcome_is_unknown(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("dig", {"depth": 3})]))
    page = visit(app.url)
    say(page, "Dig")
    approve(waiting(page))
    until(app.effects, "the digging to begin")
    button(page, "Stop").click()
    expect(cards(page)).to_contain_text("outcome unknown")
    app.let_go()
    until(lambda: len(app.effects()) == 2, "the digging to end")
    button(page, "Stop").click()  # nobody says what came of it
    expect(cards(page)).to_contain_text("not run again")
    model.will(Reply("I do not know how deep."))
    say(page, "How deep is it?")
    shows(page, "I do not know how deep.")
    assert "unknown" in model.told()[0]
    assert app.effects() == ["dig 3", "dug 3"]


def test_empty_message_is_not_sent(app: AppServer, model: Model, visit: Visit) -> None:
    page = visit(app.url)
    say(page, "   ")
    expect(message_box(page)).to_be_enabled()
    assert "chat=" not in page.url or not app.desk.active(conversation_id(page))
    model.will(Reply("Hello."))
    say(page, "Hi")
    shows(page, "Hello.")
    assert len(model.requests) == 1
