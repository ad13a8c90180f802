"""Cards that wait, and what they look like at special moments."""

from playwright.sync_api import expect
from studio import Studio, opened
from tour import alone
from written import asked, call, change, conversation

from hitl.journal import Reject
from hitl.journal.rows import now
from tests.browser.app_server import running
from tests.browser.visitor import button, say, waiting

REFUND = {"order": 1042, "amount": 25.0, "reason": "The milk frother came late."}


def adding(studio: Studio) -> None:
    """The plainest agent there is."""
    page = studio.chat("Addition Agent", "What is 10 + 10?")
    studio.shoot("asks-addition", alone(page))
    studio.shoot("page-addition", page)


def rows(studio: Studio) -> None:
    """A refund with the order as it is now, its raw call, and the e-mail beside it."""
    page = studio.chat("Back Office", "Refund order 1042 in full and tell the customer by e-mail.")
    alone(page, 2)
    studio.shoot("asks-with-rows", waiting(page).first)
    studio.shoot("page-refund", page)
    button(waiting(page).first, "Raw call").click()
    expect(page.get_by_text('"tool": "refund_order"')).to_be_visible()
    studio.shoot("page-raw-call", page)


def files(studio: Studio) -> None:
    """What a file would become, where it would go, and what would be gone."""
    page = studio.chat("Workspace", 'Add "Order paper bags" to todo.md.')
    studio.shoot("asks-to-write", alone(page))
    studio.shoot("page-workspace", page)
    opened(waiting(page), "Edit", "Stop editing")
    content = page.get_by_label("content", exact=True)
    content.fill(content.input_value().replace("paper bags", "80 paper bags"))
    content.blur()
    expect(page.get_by_text("What you changed (1)")).to_be_visible()
    studio.shoot("editing-a-file", waiting(page))
    page = studio.chat(
        "Workspace",
        "Rename notes/ideas.md to notes/spring.md and delete stock/prices-last-year.csv.",
    )
    alone(page, 2)
    studio.shoot("asks-to-move", waiting(page).first)
    studio.shoot("asks-to-delete", waiting(page).last)
    page = studio.chat("Workspace", "Move notes/ideas.md to notes/meeting.md")
    studio.shoot("asks-to-move-onto-another", alone(page))


def injected_order(studio: Studio) -> None:
    """An address that a customer's note has put into the agent's mouth."""
    page = studio.chat("Back Office", "Send the customer of order 1053 the invoice.")
    studio.shoot("asks-origin-warning", alone(page))
    studio.shoot("page-origin-warning", page)


def lookalike(studio: Studio) -> None:
    """An address that only looks like one that the user wrote."""
    mail = {"to": "ines.bellweather@examp1e.com", "subject": "Your order 1045", "body": "Hello."}
    mailing = call(
        studio,
        "send_email",
        mail,
        origins={
            "to": {"from": "neither", "lookalike": True, "resembles": "user"},
            "subject": {"from": "neither"},
            "body": {"from": "neither"},
        },
    )
    page = studio.visit(f"/?chat={conversation(studio, mailing)}")
    studio.shoot("asks-lookalike", alone(page))


def expiring(studio: Studio) -> None:
    """A countdown with time, one with little time, and the tab's reminder of it."""
    calls = [
        call(studio, "refund_order", REFUND, expires_after=3600, rule="ask when amount > 20"),
        call(studio, "tag_order", {"order": 1042, "tag": "gift"}, expires_after=300),
    ]
    written = conversation(studio, *calls)
    page = studio.visit(f"/?chat={written}")
    alone(page, 2)
    studio.shoot("asks-expires-later", waiting(page).first)
    change(studio, written, 1, asked_at=now() - 555, expires_at=now() + 45)
    page = studio.visit(f"/?chat={written}")
    expect(page.get_by_text("expires in").first).to_be_visible()
    alone(page, 2)
    studio.shoot("asks-expires-soon", waiting(page).last)
    studio.shoot("page-reminder", page)
    studio.app.desk.stop(written, by="the photographer")


def rejected_before(studio: Studio) -> None:
    """The model asks again for what was rejected, after something else was executed."""
    rejected = conversation(studio, call(studio, "refund_order", REFUND))
    first = asked(studio, rejected)
    no = Reject("It came in time; look at the carrier's report.")
    assert studio.app.desk.decide(first.id, no, by="Dana").accepted
    again = conversation(studio, call(studio, "refund_order", REFUND, earlier=first.id))
    page = studio.visit(f"/?chat={again}")
    studio.shoot("asks-rejected-before", alone(page))


def asked_anew(studio: Studio) -> None:
    """Its rule changed while it waited, so that the approval did not run it."""
    written = conversation(studio, call(studio, "tag_order", {"order": 1043, "tag": "fragile"}))
    page = studio.visit(f"/?chat={written}")
    old = alone(page)
    file = studio.agents / "back_office.yaml"
    before = file.read_text()
    file.write_text(before.replace("shop.tag_order: ask\n", "shop.tag_order: always_ask\n"))
    try:
        button(old, "Approve").click()
        expect(old).to_contain_text("asked anew")
        studio.shoot("decided-void", old)
        studio.shoot("asks-anew", alone(page))
    finally:
        file.write_text(before)
    studio.app.desk.stop(written, by="the photographer")


def not_armed(studio: Studio) -> None:
    """Buttons that just appeared."""
    with running(studio.folder / "slow", env={"HITL_ARM_SECONDS": "60"}) as slow:
        page = studio.visit("/?agent=Addition Agent", slow)
        say(page, "What is 10 + 10?")
        expect(waiting(page)).to_have_count(1)
        studio.shoot("asks-not-armed", waiting(page))


ASKED = (
    *(adding, rows, files, injected_order, lookalike, expiring),
    *(rejected_before, asked_anew, not_armed),
)
