"""The reviewer's card: judge in seconds, change it, answer instead, trust it; never by accident."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from hitl.journal import Approve, Reject
from hitl.outcomes import ANSWERED
from hitl.verifying import verify
from tests.browser.app_server import AppServer, running, until
from tests.browser.conftest import Visit, endpoint
from tests.browser.model import Model, pay
from tests.browser.visitor import approve, button, card, cards, press, say, shows, waiting
from tests.openai_server import Call, Reply

LETTER = {"to": "billing@evil.example", "subject": "Invoice 5", "body": "Dear Ann,\nhere it is."}
PARCEL = {"count": 2, "address": {"street": "Elm 1", "city": "Bonn"}, "when": "2026-12-01"}


def asks(tool: str, **arguments: Any) -> Reply:
    return Reply(calls=[Call(tool, arguments)])


def review(app: AppServer, visit: Visit, text: str = "Do it") -> Page:
    page = visit(f"{app.url}/?agent=Zoom")
    say(page, text)
    return page


@pytest.fixture
def audited(app: AppServer) -> Iterator[None]:
    """Whatever a test did, shown = approved = executed, and the audit says so."""
    yield
    app.desk.journal.read(verify)


def told_once(app: AppServer, model: Model) -> str:
    (told,) = model.told()
    return str(told)


# Judged


def test_card_shows_risk_kinds_preview_and_the_raw_call(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """Everything that tells a good call from a bad one, without reading JSON."""
    model.will(asks("mail", **LETTER))
    page = review(app, visit)
    (here,) = [cards(page)]
    expect(here).to_contain_text("High risk")
    expect(here).to_contain_text("Write to")
    preview = here.locator("[class*='st-key-preview-']")
    expect(preview).to_contain_text("Invoice 5")
    expect(preview).to_contain_text("here it is.")
    expect(here.get_by_role("cell", name="billing@evil.example")).to_be_visible()
    button(here, "Raw call").click()
    expect(page.get_by_text('"to": "billing@evil.example"')).to_be_visible()
    page.keyboard.press("Escape")
    model.will(Reply("No."))
    button(waiting(page), "Reject").click()
    shows(page, "No.")
    expect(here.locator("[class*='st-key-preview-']")).to_have_count(0)


def test_injected_address_is_seen_at_one_glance(app: AppServer, model: Model, visit: Visit) -> None:
    """It stands in a note that a tool returned; the user never wrote it."""
    model.will(asks("find", text="order 5"), asks("mail", **LETTER))
    page = review(app, visit, "Send the invoice of order 5")
    here = waiting(page)
    expect(here.get_by_role("alert")).to_contain_text("Not from the user")
    expect(here.get_by_role("alert")).to_contain_text("find → note")
    model.will(Reply("Not sent."))
    button(here, "Reject").click()
    shows(page, "Not sent.")
    assert app.effects() == []


def test_address_from_a_field_of_its_own_says_so_and_warns_of_nothing(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """A tool's result is what calls are made of, as long as it is the field for it."""
    letter = {**LETTER, "to": "ann@example.com"}
    model.will(asks("find", text="order 5"), asks("mail", **letter))
    page = review(app, visit, "Write to the customer of order 5")
    here = waiting(page)
    expect(here).to_contain_text("find → email")
    expect(here.get_by_role("alert")).to_have_count(0)
    model.will(Reply("Not sent."))
    button(here, "Reject").click()
    shows(page, "Not sent.")


# Edited


@pytest.mark.usefixtures("audited")
def test_edited_call_runs_as_edited_after_the_change_was_shown(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """Side by side before it counts; the agent, the card and the audit tell what really ran."""
    model.will(pay(5))
    page = review(app, visit)
    here = waiting(page)
    button(here, "Edit").click()
    here.get_by_label("to", exact=True).fill("Bea")
    amount = here.get_by_label("amount", exact=True)
    amount.fill("4")
    amount.press("Enter")
    expect(here).to_contain_text("You changed it to")
    rows = here.get_by_role("row")
    expect(rows.filter(has_text="Ada")).to_contain_text("Bea")
    assert app.effects() == [], "Enter in a field approved it"
    model.will(Reply("Paid, as changed."))
    press(page, button(page, "Approve"))
    shows(page, "Paid, as changed.")
    assert app.effects() == ["pay 4 Bea"]
    assert '"amount": 4' in told_once(app, model)
    expect(cards(page)).to_contain_text("Changed by a person before approving")


def test_invalid_edit_is_explained_at_its_field_and_cannot_be_approved(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The bounds of the schema, in words, where they were broken."""
    model.will(asks("ship", **PARCEL))
    page = review(app, visit)
    here = waiting(page)
    button(here, "Edit").click()
    count = here.get_by_label("count", exact=True)
    count.fill("12")
    count.press("Enter")
    expect(here).to_contain_text("less than or equal to 9")
    button(here, "Approve").click()
    expect(page.get_by_text("Nothing was decided")).to_be_visible()
    assert app.effects() == []
    count.fill("3")
    count.press("Enter")
    city = here.get_by_label("city", exact=True)
    city.fill("Ulm")
    city.press("Enter")
    expect(here.get_by_role("row").filter(has_text="Bonn")).to_contain_text("Ulm")
    model.will(Reply("Shipped."))
    press(page, button(page, "Approve"))
    shows(page, "Shipped.")
    assert app.effects() == ["ship 3 Ulm 2026-12-01 slow False "]


def test_two_tabs_edit_one_request_and_one_of_them_wins(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The other one sees whose it was, and nothing runs twice."""
    model.will(pay(5))
    page = review(app, visit)
    expect(waiting(page)).to_have_count(1)
    other = visit(f"{app.url}/approvals")
    for tab, name in ((page, "Bea"), (other, "Cy")):
        button(waiting(tab), "Edit").click()
        to = waiting(tab).get_by_label("to", exact=True)
        to.fill(name)
        to.press("Enter")
        expect(waiting(tab).get_by_role("row").filter(has_text="Ada")).to_contain_text(name)
    model.will(Reply("Paid."))
    press(page, button(page, "Approve"))
    shows(page, "Paid.")
    expect(cards(other)).to_contain_text("Approved")
    expect(cards(other)).to_contain_text("Bea")
    assert app.effects() == ["pay 5 Bea"]


# Many at once


@pytest.mark.usefixtures("audited")
def test_all_are_approved_after_a_summary(app: AppServer, model: Model, visit: Visit) -> None:
    """The first click decides nothing; the summary says what the second one will."""
    model.will(pay(1, 2, 3))
    page = review(app, visit)
    expect(waiting(page)).to_have_count(3)
    button(page, "Approve all").click()
    summary = page.get_by_role("dialog")
    expect(summary).to_contain_text("Approve these 3 requests?")
    expect(summary).to_contain_text("3 × pay")
    assert app.effects() == []
    model.will(Reply("All paid."))
    button(summary, "Approve 3 requests").click()
    shows(page, "All paid.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert sorted(app.effects()) == ["pay 1 Ada", "pay 2 Ada", "pay 3 Ada"]


def test_all_are_rejected_with_one_reason(app: AppServer, model: Model, visit: Visit) -> None:
    """Each of the calls is told the same reason."""
    model.will(pay(1, 2))
    page = review(app, visit)
    button(page, "Reject all").click()
    summary = page.get_by_role("dialog")
    summary.get_by_label("One reason for all (optional)").fill("not today")
    model.will(Reply("Neither."))
    button(summary, "Reject 2 requests").click()
    shows(page, "Neither.")
    assert [told.count("not today") for told in model.told()] == [1, 1]
    assert app.effects() == []


def test_some_are_selected_on_the_approvals_page(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """What was not selected goes on waiting, and what was typed into it stays."""
    model.will(pay(1, 2, 3))
    review(app, visit)
    page = visit(f"{app.url}/approvals")
    expect(waiting(page)).to_have_count(3)
    left = card(page, "Pay 2 to Ada")
    left.get_by_label("Reason (optional)").fill("I am still thinking")
    for place in (0, 2):
        page.get_by_text("Select", exact=True).nth(place).click()
    button(page, "Approve 2 selected").click()
    summary = page.get_by_role("dialog")
    expect(summary).to_contain_text("Approve these 2 requests?")
    button(summary, "Approve 2 requests").click()
    until(lambda: len(app.effects()) == 2, "two payments")
    assert sorted(app.effects()) == ["pay 1 Ada", "pay 3 Ada"]
    expect(cards(page)).to_have_count(1)  # it has moved up
    expect(left.get_by_label("Reason (optional)")).to_have_value("I am still thinking")
    model.will(Reply("Two of three."))
    press(page, button(left, "Reject"))
    assert not app.desk.count_pending()


# Answered instead


@pytest.mark.usefixtures("audited")
def test_person_answers_instead_and_everybody_is_told_so(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The card, the agent and the audit say that a person did, and that nothing ran."""
    model.will(pay(5))
    page = review(app, visit)
    here = waiting(page)
    button(here, "Answer instead").click()
    words = page.get_by_label("Your answer")
    words.fill("Ada was paid yesterday")
    words.press("Enter")
    assert app.desk.count_pending() == 1, "Enter in the field answered"
    model.will(Reply("Good to know."))
    button(cards(page), "Give this answer").click()
    shows(page, "Good to know.")
    assert told_once(app, model) == f"{ANSWERED} Ada was paid yesterday"
    expect(cards(page)).to_contain_text("Answered instead")
    expect(cards(page)).to_contain_text("Nothing was executed")
    assert app.effects() == []


def test_empty_answer_decides_nothing(app: AppServer, model: Model, visit: Visit) -> None:
    """One sentence says why; the request waits, and can be decided otherwise."""
    model.will(pay(5))
    page = review(app, visit)
    button(waiting(page), "Answer instead").click()
    button(cards(page), "Give this answer").click()
    expect(page.get_by_text("needs words")).to_be_visible()
    button(cards(page), "Back").click()
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")


# Trusted


@pytest.mark.usefixtures("audited")
def test_grant_is_given_used_listed_and_revoked(app: AppServer, model: Model, visit: Visit) -> None:
    """Its scope in words first; then it runs without asking; then it asks again, at once."""
    model.will(pay(5))
    page = review(app, visit)
    button(waiting(page), "Always allow…").click()
    scope = page.get_by_role("radiogroup")
    expect(scope).to_contain_text("with exactly these arguments")
    expect(scope).to_contain_text("in this conversation")
    page.get_by_text("pay with any arguments, in this conversation").click()
    model.will(Reply("Paid once."))
    button(cards(page), "Approve and always allow").click()
    shows(page, "Paid once.")
    model.will(pay(6), Reply("Paid twice."))
    say(page, "And 6")
    shows(page, "Paid twice.")
    assert app.effects() == ["pay 5 Ada", "pay 6 Ada"]
    page.get_by_text(re.compile("^pay · done")).click()
    shows(page, "Allowed by a grant of")
    grants = visit(f"{app.url}/grants")
    here = grants.locator("[class*='st-key-grant-card-']").first
    expect(here).to_contain_text("pay of Zoom with any arguments, in one conversation")
    expect(here).to_contain_text("used once")
    button(here, "Revoke").click()
    expect(grants.get_by_text("revoked by")).to_be_visible()
    model.will(pay(7))
    say(page, "And 7")
    expect(waiting(page)).to_have_count(1)
    model.will(Reply("No."))
    button(waiting(page), "Reject").click()
    shows(page, "No.")


def test_what_must_always_be_asked_offers_no_grant(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The rule says so on the file's side; the card does not promise what the desk refuses."""
    model.will(asks("note", text="hello"))
    page = review(app, visit)
    expect(button(waiting(page), "Approve")).to_be_enabled()
    expect(button(waiting(page), "Always allow…")).to_have_count(0)
    model.will(Reply("Noted."))
    approve(waiting(page))
    shows(page, "Noted.")


# Taken back


def test_decision_is_taken_back_in_time_and_truthfully_not_after(
    tmp_path_factory: pytest.TempPathFactory, package_model: Model, visit: Visit
) -> None:
    """Undo for as long as the server was told; then the card says what has happened."""
    folder = tmp_path_factory.mktemp("undo")
    env = {**endpoint(package_model.server.url), "HITL_UNDO_SECONDS": "4"}
    package_model.begin()
    with running(folder, env=env) as app:
        package_model.will(pay(5))
        page = review(app, visit)
        approve(waiting(page))
        expect(cards(page)).to_contain_text("Not started yet")
        button(cards(page), "Undo").click()
        expect(waiting(page)).to_have_count(1)
        assert app.effects() == []
        package_model.will(Reply("Paid."))
        approve(waiting(page))
        expect(button(cards(page), "Undo")).to_be_visible()
        shows(page, "Paid.")
        expect(button(cards(page), "Undo")).to_have_count(0)
        assert app.effects() == ["pay 5 Ada"]
        app.desk.journal.read(verify)
    package_model.check()


# What a sceptic tried

# Presses a button of that name as soon as it is there and enabled; keeps how long that took.
PRESS_AT_ONCE = """(name) => new MutationObserver((_, watch) => {
  const found = [...document.querySelectorAll("button")].find(
    (each) => each.innerText.trim().endsWith(name) && each.offsetParent)
  if (!found) return
  window.appeared ??= performance.now()
  if (found.disabled) return
  watch.disconnect()
  window.took = performance.now() - window.appeared
  found.click()
}).observe(document, { subtree: true, childList: true, attributes: true })"""
ARMS_AFTER = 3000


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, package_model: Model) -> Iterator[AppServer]:
    """A server whose buttons arm slowly, and whose decisions can be taken back for long."""
    env = {
        **endpoint(package_model.server.url),
        "HITL_ARM_SECONDS": str(ARMS_AFTER / 1000),
        "HITL_UNDO_SECONDS": "60",
    }
    with running(tmp_path_factory.mktemp("slow"), env=env) as app:
        app.desk.undo_seconds = 60
        yield app


def asked(app: AppServer, visit: Visit, model: Model, *amounts: int) -> Page:
    model.will(pay(*amounts))
    page = review(app, visit, "Pay")
    expect(waiting(page)).to_have_count(len(amounts))
    return page


def took(page: Page) -> float:
    """Milliseconds from when the button appeared until it could be pressed."""
    return float(until(lambda: page.evaluate("window.took"), "the press", 25))


def test_summary_that_is_opened_again_arms_again(
    slow: AppServer, model: Model, visit: Visit
) -> None:
    """A double click on "Approve all" never confirms what it opens."""
    page = asked(slow, visit, model, 1, 2)
    button(page, "Reject all").click()
    expect(button(page.get_by_role("dialog"), "Reject 2 requests")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.evaluate(PRESS_AT_ONCE, "Approve 2 requests")
    button(page, "Approve all").click()
    assert took(page) >= ARMS_AFTER * 0.8
    slow.clear()


def test_undo_can_be_reached_on_a_phone(slow: AppServer, model: Model, visit: Visit) -> None:
    """Inside of the card, at 390 px."""
    page = asked(slow, visit, model, 1)
    page.set_viewport_size({"width": 390, "height": 900})
    (request,) = slow.desk.pending()
    slow.desk.decide(request.id, Approve(), by="Bob")
    expect(button(page, "Undo")).to_be_in_viewport(ratio=1)
    slow.clear()


def test_of_many_those_that_somebody_else_decided_are_told(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The others are decided; one sentence says which were not."""
    page = asked(app, visit, model, 1, 2, 3)
    button(page, "Approve all").click()
    summary = page.get_by_role("dialog")
    expect(button(summary, "Approve 3 requests")).to_be_enabled()
    app.desk.decide(app.desk.pending()[1].id, Reject("no"), by="Bob")
    model.will(Reply("Two."))
    button(summary, "Approve 3 requests").click()
    expect(page.get_by_text("already decided by somebody else")).to_be_visible()
    shows(page, "Two.")
    assert sorted(app.effects()) == ["pay 1 Ada", "pay 3 Ada"]


def test_second_page_of_approvals_shows_what_the_first_does_not(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """In the order in which they were asked."""
    asked(app, visit, model, *range(1, 14))
    page = visit(f"{app.url}/approvals")
    expect(waiting(page)).to_have_count(10)
    page.get_by_role("button", name="Page 2").click()
    expect(cards(page)).to_have_count(3)
    for amount in (11, 12, 13):
        expect(card(page, f"Pay {amount} to Ada")).to_have_count(1)


def test_what_a_person_typed_is_not_told_as_the_users_words(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """The card says who changed it."""
    model.will(asks("mail", to="a@example.com", subject="Invoice 5", body="x"))
    page = review(app, visit, "Send Invoice 5")
    expect(waiting(page)).to_have_count(1)
    (request,) = app.desk.pending()
    model.will(Reply("Sent."))
    bill = {"to": "a@example.com", "subject": "Bill", "body": "x"}
    app.desk.decide(request.id, Approve(bill), by="Bob")
    shows(page, "Sent.")
    row = cards(page).get_by_role("row").filter(has_text="Bill")
    expect(row).to_contain_text("changed by Bob")
    expect(row).not_to_contain_text("the user's words")
