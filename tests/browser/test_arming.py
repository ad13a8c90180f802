"""Buttons that can't be hit by accident, and can be pressed on purpose, by hand and by keyboard."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import AppServer, running, until
from tests.browser.conftest import Visit, endpoint
from tests.browser.model import Model, pay
from tests.browser.visitor import (
    REASON,
    approve,
    button,
    card,
    cards,
    reject,
    request_id,
    say,
    shows,
    waiting,
)
from tests.openai_server import Reply

Hear = Callable[[bytes | str], None]
MOMENT = 600  # milliseconds
# Notes when the first card's Approve button changes between disabled and enabled.
NOTES = """
window.noted = []
new MutationObserver(() => {
  const button = document.querySelector('[class*="st-key-approve-"] button')
  const disabled = button ? button.disabled : null
  if (noted.at(-1)?.disabled !== disabled) noted.push({ disabled, at: performance.now() })
}).observe(document, { subtree: true, childList: true, attributes: true })
"""
# As on a busy machine, where the first look at a new size comes before the event that tells of it.
NO_RESIZE_EVENTS = """
addEventListener("resize", (event) => event.stopImmediatePropagation(), true)
"""
GROW = "document.querySelector('[data-testid=stMainBlockContainer]').style.paddingTop = '20rem'"
# As Streamlit marks a page that is being drawn, for some milliseconds.
DRAWS_FOR = """(moment) => {
  const mark = document.body.appendChild(document.createElement("i"))
  mark.dataset.testScriptState = "running"
  setTimeout(() => { mark.remove(); window.drawn = performance.now() }, moment)
}"""


@pytest.fixture(scope="module")
def slow_server(
    tmp_path_factory: pytest.TempPathFactory, package_model: Model
) -> Iterator[AppServer]:
    env = {**endpoint(package_model.server.url), "HITL_ARM_SECONDS": "4"}
    with running(tmp_path_factory.mktemp("slow"), env=env) as server:
        yield server


@pytest.fixture
def slow(slow_server: AppServer) -> Iterator[AppServer]:
    """A server whose cards take four seconds to arm, in which a test can try a lot."""
    yield slow_server
    slow_server.clear()


def ask(
    visit: Visit,
    app: AppServer,
    model: Model,
    *amounts: int,
    hear: Hear | None = None,
    script: str = "",
) -> Page:
    """A page on which the model has just asked to pay these amounts."""
    model.will(pay(*amounts))
    page = visit(app.url, script=NOTES + script)
    if hear:
        page.on("websocket", lambda socket: socket.on("framesent", hear))
    page.set_viewport_size({"width": 1280, "height": 1600})
    say(page, f"Pay {amounts}")
    expect(waiting(page)).to_have_count(len(amounts))
    return page


def armed(page: Page) -> None:
    """Wait until all cards can be decided."""
    for each in button(page, "Approve").all():
        expect(each).to_be_enabled()


def noted(page: Page) -> list[bool]:
    """Whether Approve was disabled, at first and after each change, while it was there."""
    return [each["disabled"] for each in page.evaluate("noted") if each["disabled"] is not None]


def forget(page: Page) -> None:
    """Note from now on."""
    page.evaluate("noted.length = 0")


def look_for_a_second(page: Page) -> None:
    """As long as its scripts need to see what happened."""
    now = page.evaluate("performance.now()")
    page.wait_for_function("(then) => performance.now() > then", arg=now + 1000)


def box(where: Locator) -> Any:
    return where.bounding_box()


def test_new_card_is_disabled_for_a_moment_and_then_decided_by_one_click(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    changes = [each for each in page.evaluate("noted") if each["disabled"] is not None]
    assert [each["disabled"] for each in changes] == [True, False]
    assert changes[1]["at"] - changes[0]["at"] >= MOMENT
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")
    assert app.effects() == ["pay 7 Ada"]


def test_ten_cards_arm_at_once(app: AppServer, model: Model, visit: Visit) -> None:
    told: list[int] = []

    def look(frame: bytes | str) -> None:
        if isinstance(frame, bytes) and (found := re.search(rb"armed \d+ ([a-z0-9 -]+)", frame)):
            told.append(len(found[1].split()))

    page = ask(visit, app, model, *range(1, 11), hear=look)
    armed(page)
    assert told[0] == 10


def test_clicks_and_keys_before_a_card_is_armed_decide_nothing(
    slow: AppServer, model: Model, visit: Visit
) -> None:
    page = ask(visit, slow, model, 7)
    expect(button(page, "Approve")).to_be_disabled()
    expect(button(page, "Reject")).to_be_disabled()
    button(page, "Approve").click(force=True)
    button(page, "Reject").click(force=True)
    page.get_by_label(REASON).click()
    page.keyboard.type("never mind")
    for key in ("Enter", "Tab", "Enter", "Space", "Shift+Tab", "Enter"):
        page.keyboard.press(key)
    assert noted(page) == [True], "this machine was too slow to try it"
    armed(page)
    expect(button(page, "Approve")).not_to_be_focused()
    expect(button(page, "Reject")).not_to_be_focused()
    assert [request.id for request in slow.desk.pending()] == [request_id(cards(page))]
    model.will(Reply("Not paid."))
    button(page, "Reject").click()
    shows(page, "Not paid.")


def test_enter_in_the_reason_never_decides(app: AppServer, model: Model, visit: Visit) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    page.get_by_label(REASON).click()
    page.keyboard.type("too dear")
    for key in ("Enter", "Control+Enter", "Enter"):
        page.keyboard.press(key)
    model.will(Reply("Not paid."))
    button(page, "Reject").click()
    shows(page, "Not paid.")
    assert "too dear" in model.told()[0]
    assert app.effects() == []


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_key_on_the_focused_button_decides(
    app: AppServer, model: Model, visit: Visit, key: str
) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    page.get_by_label(REASON).focus()
    page.keyboard.press("Tab")
    expect(button(page, "Approve")).to_be_focused()
    model.will(Reply("Paid."))
    page.keyboard.press(key)
    shows(page, "Paid.")
    assert app.effects() == ["pay 7 Ada"]


def test_card_that_moved_is_disabled_at_once_and_arms_again(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    forget(page)
    page.evaluate(GROW)
    expect(button(page, "Approve")).to_be_disabled()
    armed(page)
    assert noted(page) == [False, True, False]
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")


def test_click_in_the_instant_of_a_move_is_refused_in_words(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    press = "document.querySelector('[class*=\"st-key-approve-\"] button').click()"
    page.evaluate(f"{GROW}; {press}")
    expect(page.get_by_test_id("stToast")).to_contain_text("just moved. Press again.")
    armed(page)
    assert app.effects() == []
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")


@pytest.mark.parametrize("script", ["", NO_RESIZE_EVENTS], ids=["told", "untold"])
def test_scrolling_and_resizing_disarm_nothing(
    app: AppServer, model: Model, visit: Visit, script: str
) -> None:
    page = ask(visit, app, model, 1, 2, 3, script=script)
    armed(page)
    forget(page)
    page.set_viewport_size({"width": 800, "height": 600})
    look_for_a_second(page)
    assert True not in noted(page)
    first = button(page, "Approve").first
    before = box(first)
    page.mouse.move(400, 300)
    page.mouse.wheel(0, 400)
    until(lambda: box(first) != before, "the page to scroll")
    look_for_a_second(page)
    assert True not in noted(page)


def test_resizing_while_the_page_is_drawn_disarms_nothing(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """A drawing can take longer than a new size is waited for, and nobody looks meanwhile."""
    page = ask(visit, app, model, 1, 2, 3)
    armed(page)
    forget(page)
    page.evaluate(DRAWS_FOR, 1500)
    page.set_viewport_size({"width": 800, "height": 600})
    page.wait_for_function("() => window.drawn > 0 && performance.now() > drawn + 500")
    assert True not in noted(page)
    page.set_viewport_size({"width": 1280, "height": 1600})  # nothing scrolls, nothing makes good
    resized = page.evaluate("performance.now()")
    page.wait_for_function("(then) => performance.now() > then", arg=resized + 1500)
    forget(page)
    page.evaluate(GROW)
    until(lambda: True in noted(page), "the buttons to be disabled again after a real move")


def test_size_that_changed_while_nothing_waited_excuses_no_move(
    app: AppServer, model: Model, visit: Visit
) -> None:
    """Nobody looked then; what a later card does is not the new size's doing."""
    page = ask(visit, app, model, 1)
    armed(page)
    model.will(Reply("Paid."))
    approve(waiting(page))
    shows(page, "Paid.")
    page.wait_for_function("() => !hitlArming.timer")
    page.set_viewport_size({"width": 800, "height": 600})
    model.will(pay(2))
    say(page, "Pay 2")
    page.wait_for_function("() => hitlArming.cards.size && hitlArming.size")
    assert not page.evaluate("hitlArming.resized")


def test_keyboards_focus_comes_back_to_a_button_that_moved(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    button(page, "Reject").focus()
    page.evaluate(GROW)
    expect(button(page, "Reject")).to_be_disabled()
    expect(button(page, "Reject")).to_be_enabled()
    expect(button(page, "Reject")).to_be_focused()
    model.will(Reply("Not paid."))
    page.keyboard.press("Enter")
    shows(page, "Not paid.")
    assert app.effects() == []


def test_card_that_is_seen_again_on_another_page_arms_again(
    app: AppServer, model: Model, visit: Visit
) -> None:
    page = ask(visit, app, model, 7)
    armed(page)
    for name in ("Approvals", "Chat"):
        page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name="Approvals")).to_have_count(
            int(name == "Approvals")
        )
        forget(page)
        expect(waiting(page)).to_have_count(1)
        armed(page)
        assert noted(page)[-2:] == [True, False], name


@pytest.mark.parametrize("width", [390, 768, 1600])
def test_approve_is_left_of_reject_and_never_comes_to_where_reject_was(
    app: AppServer, model: Model, visit: Visit, width: int
) -> None:
    page = ask(visit, app, model, 1, 2)
    page.set_viewport_size({"width": width, "height": 1400})
    armed(page)
    first, second = card(page, "Pay 1 to Ada"), card(page, "Pay 2 to Ada")
    for each in (first, second):
        yes, no = box(button(each, "Approve")), box(button(each, "Reject"))
        assert yes["x"] + yes["width"] <= no["x"]
        assert yes["y"] == no["y"]
    before = box(button(first, "Reject")), box(button(second, "Reject"))
    reject(first, "no")
    expect(first).to_contain_text("Rejected")
    now = box(button(second, "Approve"))
    assert not any(overlap(now, each) for each in before)
    assert app.effects() == []


def overlap(one: Any, other: Any) -> bool:
    """Whether a pointer could be over both boxes."""
    return all(
        one[edge] < other[edge] + other[size] and other[edge] < one[edge] + one[size]
        for edge, size in (("x", "width"), ("y", "height"))
    )
