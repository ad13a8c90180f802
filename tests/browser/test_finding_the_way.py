"""Pages, addresses, the list of conversations, and the approvals over all of them."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import AppServer
from tests.browser.conftest import Visit
from tests.browser.model import Model, pay
from tests.browser.visitor import (
    EARS,
    approve,
    at_rest,
    button,
    card,
    cards,
    choose_agent,
    conversation_id,
    message_box,
    never_shows,
    reject,
    request_id,
    say,
    shows,
    waiting,
)
from tests.openai_server import Call, Reply

WITH_NEWS = "(button) => { ears.onmessage(); button.click() }"
Instant = tuple[Page, Callable[[Locator], None]]


def navigation(page: Page) -> str:
    return page.get_by_test_id("stSidebar").get_by_role("link", name=re.compile("^Approvals"))


def test_unknown_conversation_is_said_and_a_new_chat_is_offered(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = visit(f"{app.url}/?chat=no-such-id")
    shows(page, re.compile("no such conversation", re.IGNORECASE))
    model.will(Reply("Hello."))
    say(page, "Hi")
    shows(page, "Hello.")
    assert conversation_id(page) != "no-such-id"


def test_approvals_page_decides_over_conversations_and_its_count_follows(
    app: AppServer, model: Model, visit: Visit
) -> None:
    inbox = visit(f"{app.url}/approvals")
    shows(inbox, "Nothing waits for you.")
    model.will(pay(11), pay(22))
    page = visit(app.url)
    say(page, "Pay 11")
    expect(waiting(page)).to_have_count(1)
    button(page, "New chat").click()
    expect(cards(page)).to_have_count(0)
    say(page, "Pay 22")
    expect(waiting(page)).to_have_count(1)
    expect(waiting(inbox)).to_have_count(2)
    expect(navigation(inbox)).to_contain_text("2")
    expect(navigation(page)).to_contain_text("2")
    expect(cards(inbox).first).to_contain_text("Pay 11 to Ada")
    model.will(Reply("Paid."))
    approve(card(inbox, "Pay 22 to Ada"))
    expect(card(inbox, "Pay 22 to Ada")).to_contain_text("Approved")
    shows(page, "Paid.")
    expect(navigation(page)).to_contain_text("1")
    model.will(Reply("Not paid."))
    reject(card(inbox, "Pay 11 to Ada"), "no")
    expect(card(inbox, "Pay 11 to Ada")).to_contain_text("Rejected")
    expect(navigation(inbox)).to_have_text(re.compile(r"Approvals\s*$"))
    assert app.effects() == ["pay 22 Ada"]


def test_approvals_page_links_into_the_conversation(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(33))
    page = visit(app.url)
    say(page, "Pay 33")
    expect(waiting(page)).to_have_count(1)
    wanted = conversation_id(page), request_id(cards(page))
    navigation(page).click()
    expect(page).to_have_url(re.compile("/approvals"))
    expect(waiting(page)).to_have_count(1)
    page.get_by_test_id("stMain").get_by_role("link", name=re.compile("conversation")).click()
    page.wait_for_url(re.compile("[?]chat="))
    expect(message_box(page)).to_be_visible()
    expect(waiting(page)).to_have_count(1)
    assert (conversation_id(page), request_id(cards(page))) == wanted


def test_new_chat_and_search_find_the_way_back(app: AppServer, model: Model, visit: Visit) -> None:
    model.will(Reply("About a zebra."), Reply("About a gnu."))
    page = visit(app.url)
    say(page, "Tell me of zebras")
    shows(page, "About a zebra.")
    zebra = conversation_id(page)
    button(page, "New chat").click()
    never_shows(page, "About a zebra.")
    assert "chat=" not in page.url
    say(page, "Tell me of gnus")
    shows(page, "About a gnu.")
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("button", name="Tell me of gnus")).to_be_visible()
    sidebar.get_by_label("Search conversations").fill("zebra")
    expect(sidebar.get_by_role("button", name="Tell me of gnus")).to_have_count(0)
    sidebar.get_by_role("button", name="Tell me of zebras").click()
    shows(page, "About a zebra.")
    never_shows(page, "About a gnu.")
    assert conversation_id(page) == zebra


def test_chooser_changes_the_agent_and_says_what_it_may_do(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = visit(app.url)
    shows(page, "Asks first: pay, note, dig, break_down")
    shows(page, "Runs freely: look")
    choose_agent(page, "Yard")
    shows(page, "I only look things up.")
    never_shows(page, "Asks first")
    model.will(Reply(calls=[Call("look", {"text": "moss"})]), Reply("Moss."))
    say(page, "Look for moss")
    shows(page, "Moss.")
    assert "You work in a yard." in model.requests[0]["messages"][0]["content"]
    assert [tool["function"]["name"] for tool in model.requests[0]["tools"]] == ["look"]
    page.reload()
    shows(page, "Moss.")
    expect(page.get_by_role("combobox", name="Agent")).to_have_value("Yard")


def test_sample_starts_a_conversation_with_one_click(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(pay(1))
    page = visit(app.url)
    button(page.get_by_test_id("stMain"), "Pay Ada").click()
    expect(waiting(page)).to_have_count(1)
    assert model.requests[0]["messages"][-1]["content"] == "Pay Ada"


def test_page_switch_and_back_keeps_the_conversation(
    app: AppServer, model: Model, visit: Visit
) -> None:
    model.will(Reply("Remember me."))
    page = visit(app.url)
    say(page, "Hi")
    shows(page, "Remember me.")
    wanted = conversation_id(page)
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_role("link", name="Agents").click()
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    sidebar.get_by_role("link", name="Chat").click()
    shows(page, "Remember me.")
    assert conversation_id(page) == wanted


@pytest.fixture
def instant(app: AppServer, visit: Visit) -> Instant:
    """A page, and how to click there in the instant of news.

    The browser sends both in one message, of which Streamlit would draw the part alone.
    """
    page = visit(app.url, script=EARS)
    page.wait_for_function("() => window.ears")

    def click(what: Locator) -> None:
        at_rest(page)
        what.evaluate(WITH_NEWS)

    return page, click


def test_click_in_the_instant_of_news_is_not_taken_for_a_part_of_it(
    instant: Instant, model: Model
) -> None:
    page, click = instant
    model.will(*(Reply(f"Answer {number}.") for number in range(11)))
    for number in range(11):
        say(page, "Hello.")
        shows(page, f"Answer {number}.")
    click(button(page, "Details").last)  # in a part of the page
    expect(page.get_by_role("dialog")).to_contain_text("Model call 1")
    click(page.get_by_role("switch", name="Reveal secrets"))
    expect(page.get_by_role("switch", name="Reveal secrets")).to_be_checked()
    button(page, "Close").click()
    page.reload()
    shows(page, "Answer 10.")
    expect(page.get_by_text("Answer 0.")).to_have_count(0)
    click(button(page, "Show older"))
    expect(page.get_by_text("Answer 0.")).to_have_count(1)
    click(button(page, "Details").first)  # in none
    expect(page.get_by_role("dialog")).to_contain_text("Model call 1")
    button(page, "Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    click(button(page, "Try a change"))
    expect(page.get_by_role("dialog")).to_have_count(1)
    prompt = page.get_by_role("dialog").get_by_label("System prompt")
    prompt.fill("You are a poet.")
    prompt.press("Tab")
    click(button(page.get_by_role("dialog"), "Use this"))
    shows(page, "Prompt changed")
    click(button(page, "New chat"))
    expect(page.get_by_text("Answer 10.")).to_have_count(0)
    expect(message_box(page)).to_be_enabled()


def test_card_and_summary_open_in_the_instant_of_news(instant: Instant, model: Model) -> None:
    page, click = instant
    model.will(pay(1, 2))
    say(page, "Pay 1 and 2")
    expect(waiting(page)).to_have_count(2)
    click(button(waiting(page).first, "Raw call"))
    expect(page.get_by_text('"amount": 1')).to_be_visible()
    page.keyboard.press("Escape")
    click(button(waiting(page).first, "Edit"))
    expect(waiting(page).first.get_by_label("amount")).to_have_count(1)
    click(button(page, "Reject all"))
    summary = page.get_by_role("dialog")
    expect(button(summary, "Reject 2 requests")).to_be_enabled()
    model.will(Reply("Not then."))
    click(button(summary, "Reject 2 requests"))
    shows(page, "Not then.")


@pytest.mark.parametrize(
    "at_once",
    [
        "(link) => { ears.onmessage(); link.click() }",
        "(link) => { link.click(); ears.onmessage() }",
        "(link) => { ears.onmessage(); setTimeout(() => link.click(), 5) }",
        "(link) => { ears.onmessage(); setTimeout(() => link.click(), 20) }",
    ],
)
def test_news_never_lead_back_to_the_page_that_is_being_left(
    app: AppServer, model: Model, visit: Visit, at_once: str
) -> None:
    page = visit(app.url, script=EARS)
    model.will(Reply("Hello."))
    say(page, "Hi")
    shows(page, "Hello.")
    chat = page.get_by_test_id("stSidebar").get_by_role("link", name="Chat")
    page.wait_for_function("() => window.ears")
    for _ in range(3):
        for link in (navigation(page), chat):
            at_rest(page)
            expect(link).to_have_count(1)
            link.evaluate(at_once)
            if link is chat:
                shows(page, "Hello.")
            else:
                expect(page.get_by_role("heading", name="Approvals", exact=True)).to_be_visible()
