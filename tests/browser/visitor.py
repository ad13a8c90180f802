"""What a visitor does and sees, by the names that the project promises."""

import re
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.browser.app_server import until

REASON = "Reason (optional)"
# A page's script: lets a test say when news reach the page, by `ears.onmessage()`.
EARS = """
window.WebSocket = class extends WebSocket {
  constructor(where, ...more) {
    super(where, ...more)
    if (String(where).includes("/api/live")) window.ears = this
  }
}
"""


def message_box(page: Page) -> Locator:
    return page.get_by_placeholder(re.compile("^Message"))


def at_rest(page: Page) -> None:
    """Nothing is being drawn."""
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0)


def say(page: Page, text: str) -> None:
    """Write into the message box and send."""
    box = message_box(page)
    expect(box).to_be_enabled()
    box.fill(text)
    box.press("Enter")


def button(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def cards(page: Page) -> Locator:
    """All cards, decided or not."""
    return page.locator("[class*='st-key-request-']")


def card(page: Page, text: str) -> Locator:
    """The one card that says this."""
    return cards(page).filter(has_text=text)


def waiting(page: Page) -> Locator:
    """The cards that can be decided."""
    return cards(page).filter(has=button(page, "Approve"))


def request_id(card: Locator) -> str:
    """The id of a card's request, from its container's key."""
    found = re.search(r"st-key-request-([a-z0-9-]+)", card.get_attribute("class") or "")
    assert found, "the card has no key"
    return found.group(1)


def approve(card: Locator) -> None:
    button(card, "Approve").click()


def reject(card: Locator, reason: str = "") -> None:
    if reason:
        card.get_by_label(REASON).fill(reason)
    button(card, "Reject").click()


def conversation_id(page: Page) -> str:
    """The conversation in the page's address."""
    page.wait_for_url(re.compile("[?&]chat="))
    return parse_qs(urlsplit(page.url).query)["chat"][0]


def choose_agent(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Agent").click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.get_by_role("combobox", name="Agent")).to_have_value(name)


def shows(page: Page, text: str | re.Pattern[str]) -> None:
    """The page says this, somewhere beside the sidebar."""
    expect(page.locator("[data-testid=stMain]")).to_contain_text(text)


def never_shows(page: Page, text: str) -> None:
    expect(page.locator("[data-testid=stMain]")).not_to_contain_text(text)


def press(page: Page, pressed: Locator) -> None:
    """Press until it counts: where a press comes too soon, the page says so."""
    refused = page.get_by_text(re.compile("[Pp]ress (Approve )?again"))
    for _ in range(6):
        pressed.click()
        with suppress(AssertionError):
            until(lambda: not pressed.count() or refused.count(), "a press that counts", 8)
        if not pressed.count():
            return
        until(lambda: not refused.count(), "the end of the toast", 25)
    raise AssertionError("no press counted")
