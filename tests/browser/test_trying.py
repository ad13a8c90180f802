"""Looking inside of a run, changing the agent by hand, running a message again."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import (
    button,
    cards,
    conversation_id,
    never_shows,
    say,
    shows,
    waiting,
)
from tests.openai_server import Call, Reply


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog")


def choose_rule(page: Page, tool: str, rule: str) -> None:
    drawer(page).locator(f".st-key-asks-{tool}").get_by_text(rule, exact=True).click()


def test_details_show_what_was_sent_offered_and_answered(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("look", {"text": "moss"})]), Reply("Moss it is."))
    page = visit(app.url)
    say(page, "Look for moss")
    shows(page, "Moss it is.")
    button(page, "Details").click()
    expect(drawer(page)).to_contain_text("You work in a workshop.")
    expect(drawer(page)).to_contain_text("user_name: Logan")
    expect(drawer(page)).to_contain_text("Look for moss")
    expect(drawer(page)).to_contain_text("Model call 1")
    expect(drawer(page)).to_contain_text("tokens")
    drawer(page).get_by_role("tab", name="Tools offered").last.click()
    expect(drawer(page)).to_contain_text('"break_down"')
    drawer(page).get_by_role("tab", name="Reply").last.click()
    expect(drawer(page)).to_contain_text('"text": "Moss it is."')


def test_changed_prompt_and_policy_count_from_the_next_message_on(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(1))
    page = visit(app.url)
    say(page, "Pay 1")
    expect(waiting(page)).to_have_count(1)
    model.will(Reply("Not paid."))
    button(cards(page), "Reject").click()
    shows(page, "Not paid.")
    button(page, "Try a change").click()
    prompt = drawer(page).get_by_label("System prompt")
    expect(prompt).to_have_value("You work in a workshop.")
    prompt.fill("You are a pirate.")
    choose_rule(page, "pay", "Runs freely")
    button(drawer(page), "Use this").click()
    expect(drawer(page)).to_have_count(0)
    shows(page, "Prompt changed")
    shows(page, "pay runs freely")
    shows(page, "Runs freely: pay, look")
    model.will(pay(2), Reply("Arr."))
    say(page, "Pay 2")
    shows(page, "Arr.")
    expect(waiting(page)).to_have_count(0)
    assert model.requests[-1]["messages"][0]["content"].startswith("You are a pirate.")
    assert app.effects() == ["pay 2 Ada"]
    page.reload()
    shows(page, "Prompt changed")


def test_change_before_the_first_message_belongs_to_that_conversation_alone(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = visit(app.url)
    button(page, "Try a change").click()
    drawer(page).get_by_label("System prompt").fill("You are a poet.")
    button(drawer(page), "Use this").click(force=True)  # as a person clicks: once
    shows(page, "Prompt changed")
    model.will(Reply("Roses are red."))
    say(page, "Hello")
    shows(page, "Roses are red.")
    assert model.requests[0]["messages"][0]["content"].startswith("You are a poet.")
    shows(page, "Prompt changed")
    button(page, "New chat").click()
    never_shows(page, "Prompt changed")


def test_copy_as_agent_file_has_the_change(app: AppServer, model: Model, visit: Visit) -> None:
    page = visit(app.url)
    button(page, "Try a change").click()
    drawer(page).get_by_label("System prompt").fill("You are a poet.")
    choose_rule(page, "pay", "Runs freely")
    drawer(page).get_by_text("Copy as agent file").click()
    code = drawer(page).get_by_test_id("stCode")
    expect(code).to_contain_text("You are a poet.")
    expect(code).to_contain_text("pay: allow")
    expect(code).to_contain_text("note: ask")


def test_run_again_forks_a_conversation_up_to_that_message(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply("One."), Reply("Two."))
    page = visit(app.url)
    say(page, "First")
    shows(page, "One.")
    say(page, "Second")
    shows(page, "Two.")
    first = conversation_id(page)
    model.will(Reply("Two, otherwise."))
    button(page, "Run again").last.click()
    shows(page, "Two, otherwise.")
    never_shows(page, "Two.")
    assert conversation_id(page) != first
    said = [each["content"] for each in model.requests[-1]["messages"][1:]]
    assert said == ["First", "One.", "Second"]
    page.goto(f"{app.url}/?chat={first}")
    shows(page, "Two.")
    never_shows(page, "otherwise")
