"""Cards that nobody can decide any more: what was decided, by whom, and what came of it."""

from playwright.sync_api import expect
from sqlalchemy import Connection
from studio import Studio, press
from tour import alone, kept
from written import ME, asked, call, change, conversation

from hitl.journal import Approve, decisions, grants, requests
from hitl.journal.rows import now
from hitl.journal.values import ToolCall
from tests.browser.app_server import running
from tests.browser.visitor import button, cards, say, waiting

REFUND = {"order": 1040, "amount": 9.9, "reason": "The shade of the lamp is dented."}


def done_and_failed(studio: Studio) -> None:
    """Approved: one worked, the other could not."""
    good = call(studio, "refund_order", REFUND)
    bad = call(studio, "cancel_order", {"order": 1044, "reason": "Asked for in the chat."})
    page = studio.visit(f"/?chat={conversation(studio, good, bad)}")
    alone(page, 2)
    first, last = kept(waiting(page).first), kept(waiting(page).last)
    press(page, button(first, "Approve"))
    press(page, button(last, "Approve"))
    expect(first).to_contain_text("Done")
    expect(last).to_contain_text("Failed")
    studio.shoot("decided-done", first)
    studio.shoot("decided-failed", last)
    studio.shoot("page-decided", page)


def over_without_anybody(studio: Studio) -> None:
    """Expired, and cancelled because the run was stopped."""
    written = conversation(studio, call(studio, "refund_order", REFUND, expires_after=600))
    change(studio, written, asked_at=now() - 660, expires_at=now() - 60)
    assert studio.app.desk.journal.write(decisions.expire, asked(studio, written).id)
    show(studio, "decided-expired", written, "Expired")
    written = conversation(studio, call(studio, "refund_order", REFUND))
    studio.app.desk.stop(written, by="Dana")
    show(studio, "decided-cancelled", written, "Cancelled")


def in_doubt(studio: Studio) -> None:
    """Cut off; then the three things that a person can say of it."""
    for word, name in (
        ("It worked", "decided-worked"),
        ("It did not happen", "decided-not-done"),
        ("Run again", "decided-repeated"),
    ):
        page = studio.visit(f"/?chat={cut_off(studio, call(studio, 'refund_order', REFUND))}")
        here = kept(cards(page).first)
        expect(button(here, word)).to_be_enabled()
        if word == "It worked":
            studio.shoot("asks-what-came-of-it", here)
            here.get_by_label("What the agent is told").fill("The payment is in the bank's list.")
        press(page, button(here, word))
        expect(here).to_contain_text(
            "outcome unknown; run again" if "again" in word else "a person says"
        )
        studio.shoot(name, here)
        if word == "Run again":
            studio.shoot("decided-run-again", cards(page).nth(1))


def cut_off(studio: Studio, what: ToolCall) -> str:
    """A conversation with an approved call whose end nobody saw."""
    written = conversation(studio, what)
    desk, request = studio.app.desk, asked(studio, written)

    def crash(tx: Connection) -> None:
        assert decisions.decide(tx, request.id, Approve(), by="Dana").accepted
        requests.change(tx, request, "unknown", status="unknown", started_at=now(), ended_at=now())

    desk.journal.write(crash)
    return written


def taken_back(studio: Studio) -> None:
    """Decided, and it can still be undone for a while."""
    with running(
        studio.folder / "undo", env={"HITL_ARM_SECONDS": "0", "HITL_UNDO_SECONDS": "30"}
    ) as app:
        page = studio.visit("/?agent=Back Office", app)
        say(page, "Refund 25 of order 1042")
        here = alone(page)
        press(page, button(here, "Approve"))
        expect(button(here, "Undo")).to_be_visible()
        studio.shoot("decided-undo", here)


def all_grants(studio: Studio) -> None:
    """Grants of each scope, and one that ended."""
    tag = call(studio, "tag_order", {"order": 1042, "tag": "gift"})
    mail = call(
        studio,
        "send_email",
        {
            "to": "wim.oosterhuis@example.com",
            "subject": "Your order 1044",
            "body": "Dear Wim Oosterhuis,\n\nyour bookshelf is on its way.\n\nKind regards",
        },
    )
    written = conversation(studio, tag, mail, call(studio, "refund_order", REFUND))

    def give(tx: Connection) -> None:
        for place, scope in ((0, "agent"), (1, "call"), (2, "conversation")):
            grants.give(tx, asked(studio, written, place), "Back Office", scope, ME)
        ended = grants.give(tx, asked(studio, written), "Back Office", "conversation", "Dana")
        grants.revoke(tx, ended.id, ME)

    studio.app.desk.journal.write(give)
    page = studio.visit("/grants")
    expect(button(page, "Revoke").first).to_be_visible()
    studio.shoot("page-grants-all", page)
    studio.app.desk.stop(written, by=ME)


def show(studio: Studio, name: str, conversation_id: str, word: str) -> None:
    page = studio.visit(f"/?chat={conversation_id}")
    expect(cards(page).first).to_contain_text(word)
    studio.shoot(name, cards(page).first)


DECIDED = (done_and_failed, over_without_anybody, in_doubt, taken_back, all_grants)
