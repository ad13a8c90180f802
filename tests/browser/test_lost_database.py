"""The database goes away under an open page and comes back: the page says so, nothing is lost."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import AppServer, running, until
from tests.browser.conftest import Visit, endpoint
from tests.browser.model import Model, pay
from tests.browser.visitor import (
    REASON,
    approve,
    at_rest,
    button,
    cards,
    conversation_id,
    message_box,
    say,
    shows,
    waiting,
)
from tests.openai_server import Reply
from tests.postgres import Line, Postgres

AWAY = "The database can't be reached; nothing is lost"
NOTHING_DONE = "Nothing was done"
FROM_THE_TOP = """element => {
  let top = element.getBoundingClientRect().top
  for (let outer = element.parentElement; outer; outer = outer.parentElement) top += outer.scrollTop
  return top
}"""


@pytest.fixture(scope="module")
def module_line(postgres: Postgres) -> Iterator[Line]:
    line = Line(postgres.socket)
    yield line
    line.cut()


@pytest.fixture(scope="module")
def module_server(
    tmp_path_factory: pytest.TempPathFactory,
    package_model: Model,
    postgres: Postgres,
    module_line: Line,
) -> Iterator[AppServer]:
    url = postgres.new_journal()
    env = {**endpoint(package_model.server.url), "HITL_DATABASE_URL": module_line.url_of(url)}
    with running(tmp_path_factory.mktemp("lost"), env=env) as server:
        yield server
    postgres.drop(url)


@pytest.fixture
def line(module_line: Line) -> Iterator[Line]:
    """The line between the server and its database; whole again after the test."""
    yield module_line
    if module_line.is_cut:
        module_line.restore()


@pytest.fixture
def server(module_server: AppServer, line: Line) -> AppServer:
    """The real server, with its journal on Postgres behind the line."""
    (module_server.folder / "effects").unlink(missing_ok=True)
    return module_server


def banner(page: Page) -> Locator:
    return page.get_by_role("alert").filter(has_text=AWAY)


def toast(page: Page) -> Locator:
    return page.get_by_test_id("stToast").filter(has_text=NOTHING_DONE)


def top_of(card: Locator) -> float:
    """Where the card begins, however far the page is scrolled."""
    return float(card.evaluate(FROM_THE_TOP))


def a_request(page: Page, model: Model, amount: int) -> None:
    """Have a request wait on the page, and the page come to rest."""
    model.will(pay(amount))
    say(page, f"Pay {amount}")
    expect(button(waiting(page), "Reject")).to_have_count(1)
    expect(waiting(page).get_by_role("table")).to_contain_text("amount")
    at_rest(page)


def test_an_open_page_keeps_what_it_shows_says_so_once_and_recovers_by_itself(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    page = visit(server.url)
    a_request(page, model, 7)
    card, top = cards(page).inner_text(), top_of(cards(page))
    line.cut()
    expect(banner(page)).to_have_count(1)
    expect(cards(page)).to_have_text(card, use_inner_text=True)
    assert top_of(cards(page)) == top
    line.restore()
    expect(banner(page)).to_have_count(0)
    assert top_of(cards(page)) == top
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")
    assert server.effects() == ["pay 7 Ada"]


def test_a_click_meanwhile_says_so_and_changes_nothing_and_what_was_typed_stays(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    page = visit(server.url)
    a_request(page, model, 8)
    reason = waiting(page).get_by_label(REASON)
    line.cut()
    expect(banner(page)).to_have_count(1)
    reason.fill("Not today")
    approve(waiting(page))
    expect(toast(page)).to_have_count(1)
    expect(waiting(page)).to_have_count(1)
    expect(reason).to_have_value("Not today")
    line.restore()
    expect(banner(page)).to_have_count(0)
    expect(reason).to_have_value("Not today")
    model.will(Reply("As you wish."))
    button(waiting(page), "Reject").click()
    shows(page, "As you wish.")
    assert model.told()[0].endswith("Reason: Not today")
    assert server.effects() == []


def test_a_card_stays_though_the_database_went_before_the_first_news(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    """Nothing of the page has been drawn a second time then."""
    page = visit(server.url)
    a_request(page, model, 10)
    page.route_web_socket(re.compile("/api/live"), lambda ears: ears.close())
    page.reload()
    expect(button(waiting(page), "Reject")).to_be_enabled()
    line.cut()
    button(waiting(page), "Edit").click()
    expect(waiting(page).get_by_label("amount")).to_have_value("10")
    approve(waiting(page))
    expect(toast(page)).to_have_count(1)
    expect(waiting(page)).to_have_count(1)
    line.restore()
    model.will(Reply("Paid."))
    approve(waiting(page))
    until(lambda: server.effects() == ["pay 10 Ada"], "the payment")


def test_a_message_that_can_not_be_sent_stays_in_the_box(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    page = visit(server.url)
    model.will(Reply("Hello."), Reply("I do."))
    say(page, "Hello")
    shows(page, "Hello.")
    line.cut()
    expect(banner(page)).to_have_count(1)
    say(page, "Do you still hear me?")
    expect(toast(page)).to_have_count(1)
    expect(message_box(page)).to_have_value("Do you still hear me?")
    line.restore()
    expect(banner(page)).to_have_count(0)
    expect(message_box(page)).to_have_value("Do you still hear me?")
    message_box(page).press("Enter")
    shows(page, "I do.")


def test_a_message_stays_in_the_box_also_beside_a_reason_that_was_just_typed(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    page = visit(server.url)
    a_request(page, model, 11)
    line.cut()
    expect(banner(page)).to_have_count(1)
    waiting(page).get_by_label(REASON).fill("Not today")
    say(page, "And then?")
    expect(toast(page)).to_have_count(1)
    expect(message_box(page)).to_have_value("And then?")
    line.restore()
    expect(banner(page)).to_have_count(0)
    model.will(Reply("As you wish."))
    button(waiting(page), "Reject").click()
    shows(page, "As you wish.")
    assert model.told()[0].endswith("Reason: Not today")


def test_a_dialog_meanwhile_says_so(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    page = visit(server.url)
    model.will(Reply("Hello."))
    say(page, "Hello")
    expect(button(page, "Details")).to_have_count(1)
    line.cut()
    expect(banner(page)).to_have_count(1)
    button(page, "Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Not now: the database can't be reached.")
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.keyboard.press("Escape")
    button(page, "Try a change").click()
    dialog.get_by_label("System prompt").fill("You are a poet.")
    button(dialog, "Use this").click()
    expect(dialog).to_contain_text("Not now: the database can't be reached.")
    expect(dialog.get_by_label("System prompt")).to_have_value("You are a poet.")
    line.restore()
    expect(banner(page)).to_have_count(0)
    button(dialog, "Use this").click()
    shows(page, "Prompt changed")


def test_a_page_that_is_opened_meanwhile_says_so_once_and_comes_alive_by_itself(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    page = visit(server.url)
    a_request(page, model, 9)
    address = f"{server.url}/?chat={conversation_id(page)}"
    line.cut()
    for where in (address, f"{server.url}/approvals"):
        late = visit(where, alone=True)
        expect(banner(late)).to_have_count(1)
        expect(late.get_by_test_id("stAlert")).to_have_count(0)
        expect(cards(late)).to_have_count(0)
    page.goto(address)
    expect(banner(page)).to_have_count(1)
    line.restore()
    expect(banner(late)).to_have_count(0)
    expect(waiting(late)).to_have_count(1)
    expect(waiting(page)).to_have_count(1)
    model.will(Reply("Paid."))
    approve(waiting(late))
    shows(page, "Paid.")


def test_a_server_that_is_started_meanwhile_comes_alive_by_itself(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    server.kill()
    line.cut()
    server.launch()
    try:
        page = visit_when_it_listens(server, visit)
        unreachable = page.get_by_role("alert").filter(has_text="can't be used")
        expect(unreachable).to_have_count(1)
    finally:
        line.restore()
        server.ready()
    expect(unreachable).to_have_count(0)
    model.will(Reply("Here I am."))
    say(page, "Are you there?")
    shows(page, "Here I am.")


def visit_when_it_listens(server: AppServer, visit: Visit) -> Page:
    from tests.browser.app_server import START_SECONDS, until

    until(lambda: server.health()[0] == 503, "the server to listen", START_SECONDS)
    return visit(server.url)


def test_a_new_chat_that_starts_over_while_the_database_is_away_comes_back_whole(
    server: AppServer, model: Model, visit: Visit, line: Line
) -> None:
    """It asks whether the chat that it showed had begun, which nobody can say then."""
    page = visit(server.url)
    expect(message_box(page)).to_be_enabled()
    line.cut()
    expect(banner(page)).to_have_count(1)
    drawing = page.evaluate("hitlShown.drawing")
    page.evaluate("hitlStartOver()")
    page.wait_for_function("(before) => hitlShown.drawing !== before", arg=drawing)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(message_box(page)).to_have_count(1)
    line.restore()
    expect(banner(page)).to_have_count(0)
    model.will(Reply("Hello."))
    say(page, "Hi")
    shows(page, "Hello.")
