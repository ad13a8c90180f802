"""The app as it comes, without a key: the demo model, both agents, the shop."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.visitor import (
    approve,
    button,
    card,
    cards,
    choose_agent,
    reject,
    say,
    shows,
    waiting,
)


def row(page: Page, beginning: str) -> Locator:
    """A row of the shop's tables."""
    return page.get_by_role("row", name=re.compile(rf"^{beginning}\b"))


def changed(page: Page) -> Locator:
    return page.get_by_role("row").filter(has_text="changed")


def sample(page: Page, text: str) -> Locator:
    """A sample prompt; the sidebar's list has the same words once it was used."""
    return button(page.get_by_test_id("stMain"), text)


def test_empty_app_says_what_it_is_and_offers_three_things(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    shows(page, "Demo model")
    for text in ("What is 10 + 10?", "Add 123456 and 654321", "What is 1 + 2, and what is 3 + 4?"):
        expect(sample(page, text)).to_be_visible()


def test_addition_is_approved(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    sample(page, "What is 10 + 10?").click()
    expect(waiting(page)).to_contain_text("Add 10 and 10")
    approve(waiting(page))
    shows(page, "10 + 10 is 20.")
    expect(cards(page)).to_contain_text("Approved")


def test_addition_is_rejected_with_a_reason(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    say(page, "What is 10 + 10?")
    reject(waiting(page), "I can do that in my head")
    shows(page, "Reason: I can do that in my head")
    expect(cards(page)).to_contain_text("Rejected")


def test_two_sums_are_asked_for_at_once_and_decided_apart(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    sample(page, "What is 1 + 2, and what is 3 + 4?").click()
    expect(waiting(page)).to_have_count(2)
    reject(card(page, "Add 1 and 2"), "easy")
    approve(card(page, "Add 3 and 4"))
    shows(page, "I did not add 1 and 2. Reason: easy")
    shows(page, "3 + 4 is 7.")


def test_shop_stays_as_it_is_until_a_refund_is_approved(demo: AppServer, visit: Visit) -> None:
    page = visit(f"{demo.url}/?agent=Back+Office")
    page.set_viewport_size({"width": 1600, "height": 1400})
    button(page, "Reset demo data").click()
    order = row(page, "1042")
    expect(order).to_have_count(1)
    expect(changed(page)).to_have_count(0)
    sample(page, "Refund order 1042 in full and tell the customer by e-mail.").click()
    expect(waiting(page)).to_have_count(2)
    before = order.inner_text()
    expect(changed(page)).to_have_count(0)
    approve(card(page, "refund_order"))
    expect(order).to_contain_text("changed")
    assert order.inner_text() != before
    reject(card(page, "send_email"), "I call them")
    shows(page, "I did not write to")
    shows(page, "I refunded")
    button(page, "Reset demo data").click()
    expect(changed(page)).to_have_count(0)
    assert order.inner_text() == before


def test_chooser_leads_to_the_back_office(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    choose_agent(page, "Back Office")
    shows(page, "refund_order")
    expect(page.get_by_role("heading", name="Shop")).to_be_visible()
    sample(page, "Which orders of Ines Bellweather are still open?").click()
    shows(page, "Still open")
    expect(waiting(page)).to_have_count(0)


def test_off_script_it_says_that_it_is_scripted(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    say(page, "Write me a poem about the sea")
    shows(page, "script")
    expect(page.get_by_test_id("stChatMessage").last).to_contain_text("What is 10 + 10?")


def test_presenter_can_run_the_whole_of_it_twice(demo: AppServer, visit: Visit) -> None:
    page = visit(demo.url)
    for _ in range(2):
        sample(page, "What is 10 + 10?").click()
        approve(waiting(page))
        shows(page, "10 + 10 is 20.")
        button(page, "New chat").click()
        expect(cards(page)).to_have_count(0)
