"""What a card says when time runs out, a rule speaks, or the same is asked for again."""

import re

from playwright.sync_api import Page, expect

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import (
    approve,
    button,
    cards,
    reject,
    say,
    shows,
    waiting,
)
from tests.openai_server import Call, Reply

SECRET = "hunter2-canary"


def zeal(app: AppServer, visit: Visit) -> Page:
    return visit(f"{app.url}/?agent=Zeal")


def test_card_counts_down_warns_and_ends_as_nobodys_no(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(1), Reply("Too late then."))
    page = zeal(app, visit)
    say(page, "Pay")
    timer = cards(page).get_by_role("timer")
    expect(timer).to_have_text(re.compile(r"expires in 0:0\d"))
    expect(timer).to_have_class("soon")
    shows(page, "Too late then.")
    expect(cards(page)).to_contain_text("Expired")
    expect(cards(page)).to_contain_text("nobody decided in time")
    expect(cards(page)).to_contain_text("Nothing was executed")
    assert "nobody decided in time" in model.told()[0]
    assert app.effects() == []


def test_rule_that_denies_is_told_to_model_and_person_and_asks_nobody(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(5000), Reply("Not allowed."))
    page = zeal(app, visit)
    say(page, "Pay a lot")
    shows(page, "Not allowed.")
    expect(cards(page)).to_have_count(0)
    page.get_by_text(re.compile("^pay · nothing was executed")).click()
    shows(page, "deny when amount > 1000")
    assert "deny when amount > 1000" in model.told()[0]
    assert app.effects() == []


def test_card_says_which_rule_asked(app: AppServer, model: Model, visit: Visit) -> None:
    model.will(pay(7), Reply("No."))
    page = zeal(app, visit)
    say(page, "Pay")
    expect(waiting(page)).to_contain_text("Rule: ask when amount > 0")
    reject(waiting(page), "no")
    shows(page, "No.")


def test_what_was_rejected_before_is_answered_so_and_asked_again_only_after_something_ran(
    app: AppServer, model: Model, visit: Visit
) -> None:
    wants = Reply(calls=[Call("note", {"text": "moss"})])
    looks = Reply(calls=[Call("look", {"text": "moss"})])
    model.will(wants)
    page = zeal(app, visit)
    say(page, "Note")
    expect(waiting(page)).to_have_count(1)
    model.will(wants, looks, wants)
    reject(waiting(page), "Look it up first.")
    expect(cards(page)).to_have_count(2)
    expect(waiting(page)).to_contain_text("You rejected this before: Look it up first.")
    expect(page.get_by_text(re.compile("^note · rejected before"))).to_have_count(1)
    model.will(Reply("Noted."))
    approve(waiting(page))
    shows(page, "Noted.")
    assert app.effects() == ["look moss", "note moss"]


def test_secret_argument_is_masked_until_revealed_and_whole_when_executed(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply(calls=[Call("unlock", {"door": "left", "password": SECRET})]))
    page = zeal(app, visit)
    say(page, "Unlock")
    expect(waiting(page)).to_contain_text("(secret)")
    assert SECRET not in page.content()
    page.get_by_text("Reveal secrets").click()
    expect(waiting(page)).to_contain_text(SECRET)
    model.will(Reply("Open."))
    approve(waiting(page))
    shows(page, "Open.")
    assert app.effects() == [f"unlock left {SECRET}"]
    assert SECRET not in app.log()
    page.reload()
    shows(page, "Open.")
    assert SECRET not in page.content()
    button(page, "Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("unlock")
    expect(page.get_by_role("dialog")).to_contain_text("Receipts")
    assert SECRET not in page.content()
