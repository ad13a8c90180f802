"""What waits is noticed in time: by the title, a notification, a sound, and before it expires."""

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from hitl.journal import Approve, Reject, deeds
from hitl.toolcalls import checked_call
from tests.browser.app_server import AppServer, until
from tests.browser.conftest import Visit
from tests.browser.visitor import approve, card

AGENT = "Workshop"
TITLE = "You decide"
SOON = re.compile(r"^pay \(Workshop\) expires in \d+ s$")
# What the browser is asked to show and to play, written down instead.
RECORDER = """
window.told = []
window.tones = 0
document.hasFocus = () => !window.isAway
window.Notification = class {
  static permission = "granted"
  constructor(title, { body, tag }) {
    window.told.push([title, body, tag])
    window.newest = this
  }
  close() { this.isClosed = true }
}
const start = OscillatorNode.prototype.start
OscillatorNode.prototype.start = function (at) { window.tones += 1; start.call(this, at) }
"""
# All titles that the page ever had.
TITLES = """
window.titles = []
new MutationObserver(() => window.titles.push(document.title))
  .observe(document, { subtree: true, childList: true, characterData: true })
"""


def ask(app: AppServer, to: str = "Ada", tool: str = "pay", expires: float | None = None) -> str:
    """Somebody else has a tool wait; returns the request's id."""
    agent = app.desk.agents.get(AGENT)
    call = checked_call(agent, "pay", {"amount": 1, "to": to}, "by-hand")
    call = replace(call, tool=tool, expires_after=expires)
    new = app.desk.journal.write(deeds.try_call, AGENT, call, "Bo", agent.snapshot())
    (asked,) = app.desk.pending(conversation_id=new)
    return asked.id


def ask_earlier(
    monkeypatch: pytest.MonkeyPatch, app: AppServer, *, ago: float, expires: float
) -> str:
    """`ask`, but some seconds ago."""
    earlier = time.time() - ago
    with monkeypatch.context() as past:
        past.setattr("hitl.journal.rows.time.time", lambda: earlier)
        return ask(app, expires=expires)


def decide(app: AppServer, request_id: str) -> None:
    assert app.desk.decide(request_id, Reject("no"), by="Bo").accepted


def notifications(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar").get_by_text("Notifications", exact=True)


def switch(page: Page, name: str) -> Locator:
    """A switch among the notifications, which are opened for it."""
    box = page.get_by_test_id("stSidebar").get_by_role("switch", name=name)
    if not box.is_visible():
        notifications(page).click()
    return box


def turn_on(page: Page, name: str) -> None:
    switch(page, name).click()
    expect(switch(page, name)).to_be_checked()


def look_away(page: Page) -> None:
    page.evaluate("window.isAway = true")


def told(page: Page, count: int) -> list[Any]:
    """The notifications of a page: title, text and tag; once there are that many."""
    return until(lambda: len(all_told(page)) >= count and all_told(page), f"{count} told")


def all_told(page: Page) -> list[Any]:
    return list(page.evaluate("window.told"))


def tones(page: Page) -> int:
    return int(page.evaluate("window.tones"))


def has_title(page: Page, count: int, *, alarm: bool = False) -> None:
    mark = ("⏰ " if alarm else "") + (f"({count}) " if count else "")
    expect(page).to_have_title(mark + TITLE)


def all_have_title(tabs: list[Page], count: int) -> None:
    for tab in tabs:
        has_title(tab, count)


def line(page: Page) -> Locator:
    return page.locator(".soon")


# The title


def test_title_counts_what_waits_in_every_tab_and_on_every_page(
    app: AppServer, visit: Visit
) -> None:
    """It follows what is asked, and decided, elsewhere."""
    chat, inbox = visit(app.url), visit(f"{app.url}/approvals")
    has_title(chat, 0)
    first = ask(app)
    has_title(chat, 1)
    has_title(inbox, 1)
    ask(app, to="Cy")
    has_title(chat, 2)
    for name in ("Agents", "Approvals", "Chat"):
        chat.get_by_test_id("stSidebar").get_by_role("link", name=re.compile(f"^{name}")).click()
        has_title(chat, 2)
    approve(card(inbox, "Pay 1 to Cy"))
    has_title(inbox, 1)
    has_title(chat, 1)
    decide(app, first)
    has_title(inbox, 0)
    has_title(chat, 0)


def test_title_keeps_its_count_when_the_page_writes_its_own(app: AppServer, visit: Visit) -> None:
    """Streamlit writes the title too, whenever it likes to."""
    page = visit(app.url)
    waits = ask(app)
    has_title(page, 1)
    page.evaluate("document.title = 'Grants'")
    expect(page).to_have_title("(1) Grants")
    page.evaluate("document.title = ''")
    expect(page).to_have_title("(1)")
    page.evaluate("document.title = 'You decide'")
    decide(app, waits)
    has_title(page, 0)


# Notifications


def test_nothing_is_told_unless_somebody_wants_it(app: AppServer, visit: Visit) -> None:
    """Neither before the switches are on, nor what waited when they were turned on."""
    page = visit(app.url, alone=True, script=RECORDER)
    has_title(page, 0)
    look_away(page)
    ask(app)
    has_title(page, 1)
    assert (all_told(page), tones(page)) == ([], 0)
    turn_on(page, "Desktop notifications")
    new = ask(app)
    assert told(page, 1) == [["pay waits for your decision", "Workshop asks for it", new]]
    assert tones(page) == 0


def test_opened_page_tells_nothing_of_what_waited_before(app: AppServer, visit: Visit) -> None:
    """The switches are remembered; more waits than a page is told of, and one of it is decided."""
    page = visit(app.url, alone=True, script=RECORDER)
    turn_on(page, "Desktop notifications")
    turn_on(page, "Sound")
    waited = [ask(app) for _ in range(12)]
    has_title(page, 12)
    page.reload()
    has_title(page, 12)
    look_away(page)
    expect(switch(page, "Desktop notifications")).to_be_checked()
    expect(switch(page, "Sound")).to_be_checked()
    for each in waited[6:]:
        decide(app, each)
    has_title(page, 6)
    new = ask(app)
    assert [tag for _, _, tag in told(page, 1)] == [new]
    assert tones(page) == 2


def test_only_a_page_that_nobody_looks_at_notifies(app: AppServer, visit: Visit) -> None:
    """While it is looked at it only sounds."""
    page = visit(app.url, alone=True, script=RECORDER)
    turn_on(page, "Desktop notifications")
    turn_on(page, "Sound")
    assert tones(page) == 2  # what it will sound like
    ask(app)
    until(lambda: tones(page) == 4, "a sound")
    assert all_told(page) == []
    look_away(page)
    new = ask(app)
    assert [tag for _, _, tag in told(page, 1)] == [new]


def test_of_several_tabs_one_tells(app: AppServer, visit: Visit) -> None:
    """And none does while one of them is looked at."""
    tabs = [visit(app.url, alone=True, script=RECORDER)]
    turn_on(tabs[0], "Desktop notifications")
    for _ in range(2):
        tab = tabs[0].context.new_page()
        tab.add_init_script(RECORDER)
        tab.goto(app.url)
        expect(notifications(tab)).to_be_visible()
        tabs.append(tab)
    for tab in tabs:
        look_away(tab)
    asked = []
    for count in range(1, 4):
        asked.append(ask(app))
        all_have_title(tabs, count)
        until(lambda: len(_tags(tabs)) >= len(asked), "a notification")
    tabs[1].evaluate("window.isAway = false")
    ask(app)
    all_have_title(tabs, 4)
    look_away(tabs[1])
    asked.append(ask(app))
    all_have_title(tabs, 5)
    until(lambda: len(_tags(tabs)) >= len(asked), "a notification")
    assert sorted(_tags(tabs)) == sorted(asked)


def _tags(tabs: list[Page]) -> list[str]:
    return [tag for tab in tabs for _, _, tag in all_told(tab)]


def test_notification_is_taken_back_when_somebody_else_decides(
    app: AppServer, visit: Visit
) -> None:
    page = visit(app.url, alone=True, script=RECORDER)
    turn_on(page, "Desktop notifications")
    look_away(page)
    waits = ask(app)
    told(page, 1)
    assert not page.evaluate("window.newest.isClosed")
    decide(app, waits)
    until(lambda: page.evaluate("window.newest.isClosed"), "the notification to go")


def test_hostile_name_is_plain_text_with_nothing_hidden(app: AppServer, visit: Visit) -> None:
    """In the notification, in the line of the page, and in the title."""
    page = visit(app.url, alone=True, script=RECORDER)
    turn_on(page, "Desktop notifications")
    look_away(page)
    ask(app, tool="pay\u202e<img src=x onerror=alert(1)>" + "x" * 500, expires=5)
    (title, body, _), (soon, _, _) = told(page, 2)
    shown = "pay[U+202E]<img src=x onerror=alert(1)>"
    assert title.startswith(shown)
    assert soon.startswith(shown)
    assert len(title) < 120
    assert body == "Workshop asks for it"
    assert page.get_by_test_id("stSidebar").locator("img").count() == 0


def test_browser_that_refuses_is_said_in_a_sentence(app: AppServer, visit: Visit) -> None:
    """The real browser's answer, to a switch that was reached and pressed by the keyboard."""
    page = visit(app.url, alone=True)
    wanted = switch(page, "Desktop notifications")
    wanted.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("Your browser blocks notifications of this page")).to_be_visible()
    expect(wanted).not_to_be_checked()
    page.context.grant_permissions(["notifications"], origin=app.url)
    page.keyboard.press("Space")
    expect(wanted).to_be_checked()
    expect(page.get_by_text("Your browser blocks")).to_have_count(0)
    page.context.clear_permissions()
    page.reload()
    expect(switch(page, "Desktop notifications")).not_to_be_checked()


def test_browser_without_notifications_is_said_in_a_sentence(app: AppServer, visit: Visit) -> None:
    page = visit(app.url, alone=True, script="delete window.Notification")
    switch(page, "Desktop notifications").click()
    expect(page.get_by_text("This browser can't show notifications")).to_be_visible()
    expect(switch(page, "Desktop notifications")).not_to_be_checked()
    turn_on(page, "Sound")


# Before it expires


def test_before_it_expires_title_line_and_notification_say_so(
    app: AppServer, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each request; the line counts down although nothing is sent for it."""
    page = visit(app.url, alone=True, script=RECORDER)
    turn_on(page, "Desktop notifications")
    look_away(page)
    ask(app, expires=6000)
    assert len(told(page, 1)) == 1
    has_title(page, 1)
    expect(line(page)).to_be_hidden()
    waits = ask_earlier(monkeypatch, app, ago=550, expires=600)
    has_title(page, 2, alarm=True)
    expect(line(page)).to_have_text(SOON)
    soon, _, tag = told(page, 3)[2]
    assert SOON.match(soon)
    assert tag == waits
    first = line(page).inner_text()
    until(lambda: line(page).inner_text() != first, "the line to count down")
    expect(line(page)).to_have_text(SOON)
    assert len(all_told(page)) == 3, "it was told once already"
    decide(app, waits)
    has_title(page, 1)
    expect(line(page)).to_be_hidden()


def test_request_that_expires_leaves_nothing_behind(app: AppServer, visit: Visit) -> None:
    """With everybody's clock as it is, the line and the count go when its time is over."""
    page = visit(app.url, script=TITLES)
    expect(notifications(page)).to_be_visible()
    waits = ask(app, expires=8)
    until(lambda: f"⏰ (1) {TITLE}" in page.evaluate("window.titles"), "a reminder", 20)
    has_title(page, 0)
    expect(line(page)).to_be_hidden()
    ended = app.desk.request(waits)
    assert ended is not None
    assert ended.status == "expired"
    assert not app.desk.decide(waits, Approve(), by="Bo").accepted
