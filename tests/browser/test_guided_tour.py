"""The guided scenario, followed in a browser by somebody who has not seen it before."""

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from hitl.journal import audit
from hitl.verifying import verify
from tests.browser.app_server import AppServer, until
from tests.browser.conftest import Visit
from tests.browser.visitor import button, card, cards, conversation_id, press, say, shows, waiting

NOTHING_EXECUTED = "Nothing was executed"


def step(page: Page, number: int, cards_that_wait: int = 1) -> Locator:
    """Wait for a step of the tour; returns the cards that wait in it."""
    shows(page, f"{number} of 9")
    expect(waiting(page)).to_have_count(cards_that_wait)
    expect(button(page, "Approve").first).to_be_enabled()
    return waiting(page)


def test_the_tour_shows_every_kind_of_card_and_tells_the_truth(
    demo: AppServer, visit: Visit
) -> None:
    """Approved, edited, rejected, many at once, answered, granted, revoked, seen through, denied:
    the card, the agent and the audit tell each as it was."""
    page = visit(f"{demo.url}/?agent=Back%20Office")
    button(page, "Reset demo data").click()
    page.get_by_role("button", name="Show me around").click()

    button(step(page, 1), "Approve").click()
    shows(page, "I wrote to tomas.kaneko@example.com.")

    refund = step(page, 2)
    button(refund, "Edit").click()
    amount = refund.get_by_label("amount", exact=True)
    amount.fill("1.2")
    amount.press("Enter")
    expect(refund.get_by_role("row").filter(has_text="12.0")).to_contain_text("1.2")
    press(page, button(refund, "Approve"))
    shows(page, "I refunded 1.20")
    expect(card(page, "Refund")).to_contain_text("Changed by a person before approving")

    deletion = step(page, 3)
    expect(deletion).to_contain_text("High risk")
    expect(button(deletion, "Always allow…")).to_have_count(0)
    deletion.get_by_label("Reason (optional)").fill("he still buys from us")
    button(deletion, "Reject").click()
    shows(page, "he still buys from us")
    expect(card(page, "Delete the customer")).to_contain_text(NOTHING_EXECUTED)

    step(page, 4, 3)
    button(page, "Approve all").click()
    button(page.get_by_role("dialog"), "Approve 3 requests").click()

    button(step(page, 5), "Answer instead").click()
    page.get_by_label("Your answer").fill("The parcel arrived yesterday.")
    button(cards(page), "Give this answer").click()
    expect(cards(page).filter(has_text="Answered instead")).to_contain_text(NOTHING_EXECUTED)

    button(step(page, 6), "Always allow…").click()
    page.get_by_text("with any arguments, in this conversation").click()
    button(cards(page), "Approve and always allow").click()

    step(page, 7)
    expect(page.get_by_text(re.compile("^tag_order · done"))).to_have_count(2)
    grants = visit(f"{demo.url}/grants")
    ours = grants.locator("[class*='st-key-grant-card-']").filter(has_text="in one conversation")
    ours = ours.filter(has=button(grants, "Revoke"))
    expect(ours).to_contain_text("used 2 times")
    button(ours, "Revoke").click()
    expect(ours).to_have_count(0)
    button(waiting(page), "Approve").click()
    tag = card(page, "Tag order").filter(has=button(page, "Approve"))
    expect(button(tag, "Approve")).to_be_enabled()
    button(tag, "Approve").click()

    trap = step(page, 8)
    expect(trap.get_by_role("alert")).to_contain_text("Not from the user")
    expect(trap.get_by_role("alert")).to_contain_text("look_up_order → customer_note")
    trap.get_by_label("Reason (optional)").fill("that address is not ours")
    button(trap, "Reject").click()

    shows(page, "9 of 9")
    page.get_by_text(re.compile("^refund_order · nothing was executed")).last.wait_for()
    outbox = page.locator("[data-testid=stTable]").last
    expect(outbox).not_to_contain_text("parcel-invoices.example")
    _is_told_by_the_audit(demo, conversation_id(page))


def _is_told_by_the_audit(demo: AppServer, conversation: str) -> None:
    """Each decision of the tour, in its order, as the chain holds it."""
    demo.desk.journal.read(verify)
    entries = [json.loads(line)["body"] for line in demo.desk.journal.read(_exported)]
    record = demo.desk.transcript(conversation, limit=1)[0]
    ours = {request.id for request in record.requests}
    kinds = [entry["kind"] for entry in entries if entry["request"] in ours]
    told = [kind for kind in kinds if kind in ("approved", "rejected", "answered", "granted")]
    assert told.count("rejected") == 2
    assert told.count("answered") == 1
    assert told.count("granted") == 1
    assert kinds.count("grant ended") == 1
    edited = [
        e["set"]["edited"] for e in entries if e["request"] in ours and e["set"].get("edited")
    ]
    assert edited[0]["amount"] == 1.2
    denied = [request for request in record.requests if request.status == "denied"]
    assert [request.tool for request in denied] == ["refund_order"]


def _exported(tx: Any) -> list[str]:
    return list(audit.export(tx))


def test_workspace_changes_a_file_only_after_its_diff_was_approved(
    demo: AppServer, visit: Visit
) -> None:
    """It reads freely; what it would write is shown line by line, and then it is written."""
    folder = demo.folder / "data" / "workspace"
    page = visit(f"{demo.url}/?agent=Workspace")
    button(page, "Reset demo data").click()
    until((folder / "todo.md").exists, "the sample files")
    before = {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}
    say(page, 'Add "Order more tea" to todo.md.')
    here = waiting(page)
    expect(here.locator("[class*='st-key-preview-']")).to_contain_text("Order more tea")
    assert (folder / "todo.md").read_text() == before["todo.md"]
    button(here, "Approve").click()
    expect(cards(page)).to_contain_text("Done")
    assert "Order more tea" in (folder / "todo.md").read_text()
