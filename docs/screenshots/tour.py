"""The guided tour of Back Office, as a person takes it: most kinds of cards come in it."""

from playwright.sync_api import Locator, Page, expect
from studio import Studio, opened, press

from tests.browser.visitor import REASON, button, reject, waiting

WHY = "He still buys from us."
ANSWER = "The carrier says that the parcel arrived on Monday."


def guided_tour(studio: Studio) -> None:
    """From the first e-mail to the rule that denies; each card as it waits, and once decided."""
    page = studio.chat("Back Office", "Show me around in five minutes")
    card = alone(page)
    studio.shoot("page-chat", page)
    studio.shoot("asks-with-email", card)
    press(page, button(card, "Approve"))
    edit(studio, page)
    reject_with_reason(studio, page)
    decide_many(studio, page)
    answer_instead(studio, page)
    grant_and_revoke(studio, page)
    see_through_the_injected_order(studio, page)


def alone(page: Page, count: int = 1) -> Locator:
    """The last of the cards that wait, once there are so many."""
    expect(waiting(page)).to_have_count(count)
    expect(button(waiting(page).last, "Approve")).to_be_enabled()
    return kept(waiting(page).last)


def kept(card: Locator) -> Locator:
    """The same card, also after it was decided."""
    name = next(
        part for part in (card.get_attribute("class") or "").split() if "st-key-request-" in part
    )
    return card.page.locator(f".{name}")


def edit(studio: Studio, page: Page) -> None:
    card = opened(alone(page), "Edit", "Stop editing")
    studio.shoot("editing-unchanged", card)
    amount = card.get_by_label("amount", exact=True)
    amount.fill("0")
    amount.press("Enter")
    expect(card).to_contain_text("Nothing can be approved")
    studio.shoot("editing-invalid", card)
    amount.fill("1.20")
    amount.press("Enter")
    reason = card.get_by_label("reason", exact=True)
    reason.fill("For a scratch on the table, as agreed with Tomas.")
    reason.press("Enter")
    expect(card).to_contain_text("You changed it to")
    expect(card).to_contain_text("What you changed (2)")
    studio.shoot("editing-with-changes", card)
    press(page, button(card, "Approve"))
    expect(card).to_contain_text("Done")
    studio.shoot("decided-edited", card)


def reject_with_reason(studio: Studio, page: Page) -> None:
    card = alone(page)
    studio.shoot("asks-high-risk", card)
    card.get_by_label(REASON).fill(WHY)
    reject(card, WHY)
    expect(card).to_contain_text("Nothing was executed")
    studio.shoot("decided-rejected", card)


def decide_many(studio: Studio, page: Page) -> None:
    alone(page, 3)
    studio.shoot("page-three-wait", page)
    inbox = page.context.new_page()
    inbox.goto(f"{studio.app.url}/approvals")
    alone(inbox, 3)
    inbox.get_by_role("checkbox", name="Select").first.check(force=True)
    inbox.get_by_role("checkbox", name="Select").nth(2).check(force=True)
    expect(button(inbox, "Approve 2 selected")).to_be_visible()
    inbox.get_by_text("requests wait for you").first.scroll_into_view_if_needed()
    studio.shoot("page-approvals-selected", inbox)
    studio.shoot("asks-in-approvals", waiting(inbox).first)
    inbox.close()
    button(page, "Approve all").click()
    dialog = page.get_by_role("dialog")
    expect(button(dialog, "Approve 3 requests")).to_be_enabled()
    studio.shoot("page-approve-all", page)
    studio.shoot("approve-all", dialog)
    press(page, button(dialog, "Approve 3 requests"))


def answer_instead(studio: Studio, page: Page) -> None:
    card = alone(page)
    studio.shoot("asks-plain", card)
    opened(card, "Answer instead", "Give this answer")
    card.get_by_label("Your answer").fill(ANSWER)
    studio.shoot("answering", card)
    press(page, button(card, "Give this answer"))
    expect(card).to_contain_text("Answered instead")
    studio.shoot("decided-answered", card)


def grant_and_revoke(studio: Studio, page: Page) -> None:
    card = opened(alone(page), "Always allow…", "Approve and always allow")
    card.get_by_text("with any arguments, in this conversation").click()
    studio.shoot("always-allow", card)
    press(page, button(card, "Approve and always allow"))
    mail = alone(page)
    step = page.locator("[class*='st-key-step-']").last
    step.locator("summary").click()
    expect(step).to_contain_text("Allowed by a grant")
    studio.shoot("granted-step", step)
    grants = page.context.new_page()
    grants.goto(f"{studio.app.url}/grants")
    expect(button(grants, "Revoke")).to_have_count(1)
    studio.shoot("page-grants", grants)
    button(grants, "Revoke").click()
    expect(grants.get_by_text("Ended", exact=True).first).to_be_visible()
    grants.close()
    press(page, button(mail, "Approve"))
    press(page, button(alone(page), "Approve"))


def see_through_the_injected_order(studio: Studio, page: Page) -> None:
    card = alone(page)
    studio.shoot("asks-origin-warning-tour", card)
    reject(card, "The address came from the note.")
    denied = page.locator("[class*='st-key-step-']").filter(has_text="nothing was executed").last
    denied.locator("summary").click()
    expect(denied).to_contain_text("deny when amount")
    studio.shoot("denied-step", denied)
    studio.shoot("page-end-of-the-tour", page)


TOUR = (guided_tour,)
