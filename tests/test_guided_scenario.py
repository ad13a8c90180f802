"""The guided tour of Back Office, and the order whose note gives orders: played as people may."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl.agents import AgentConfig
from hitl.demo import DemoLLM
from hitl.errors import Refused
from hitl.journal import Approve, Decision, Reject, RunRecord, ToolRequest
from hitl.journal.choices import Answer
from hitl.registry import Registry
from hitl.settings import ROOT
from tests.stage import BY, Stage, sqlite_url

STRANGER = "billing@parcel-invoices.example"
CUSTOMER = "lucia.ferrante@example.com"
# None: it was decided otherwise.
Decide = Callable[[ToolRequest], Decision | None]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AgentConfig:
    """The shipped Back Office with a shop of its own."""
    monkeypatch.setenv("HITL_DATA_DIR", str(tmp_path / "data"))
    return Registry(ROOT / "agents").get("Back Office")


@pytest.fixture
def stage(office: AgentConfig, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(sqlite_url(tmp_path), office, DemoLLM(office.demo, office.samples, pace=0))
    yield stage
    stage.close()


def play(
    stage: Stage, decide: Decide, text: str | None = None, conversation: str | None = None
) -> RunRecord:
    """Send a message, by default the tour's, and decide whatever is asked until it has ended."""
    text = text or stage.agents.agent.samples[0]
    _, run_id = stage.send(text, conversation)
    while not (record := at_rest(stage, run_id)).run.has_ended:
        for request in waiting_in(record):
            if decision := decide(request):
                assert stage.desk.decide(request.id, decision, by=BY).accepted
    assert record.run.status == "answered", record.run.error
    return record


def at_rest(stage: Stage, run_id: str) -> RunRecord:
    """The run, once it has ended or waits for people."""

    def found() -> RunRecord | None:
        record = stage.run(run_id)
        rests = record.run.has_ended or (record.run.status == "waiting" and waiting_in(record))
        return record if rests else None

    record = stage.until(found, f"{run_id} to rest")
    assert record is not None
    return record


def waiting_in(record: RunRecord) -> list[ToolRequest]:
    return [request for request in record.requests if request.status == "pending"]


def said(record: RunRecord) -> str:
    """All that the agent said."""
    return "\n".join(str(record.messages[turn].content) for turn in sorted(record.messages) if turn)


def of(record: RunRecord, tool: str) -> list[ToolRequest]:
    return [request for request in record.requests if request.tool == tool]


def shop(office: AgentConfig) -> dict[str, list[dict[str, Any]]]:
    assert office.panel is not None
    return office.panel()


def written_to(office: AgentConfig) -> list[str]:
    return sorted(row["To"] for row in shop(office)["Outbox"])


# People -------------------------------------------------------------------------------------------


def approves(request: ToolRequest) -> Decision:
    return Approve()


def rejects(request: ToolRequest) -> Decision:
    return Reject(f"not {request.tool}")


def says_nothing(request: ToolRequest) -> Decision:
    return Reject()


def answers(request: ToolRequest) -> Decision:
    return Answer("I did that myself, {{ 7 * 7 }} times.")


def answers_in_json(request: ToolRequest) -> Decision:
    return Answer('{"deleted": 1, "tags": []}')


def edits(request: ToolRequest) -> Decision:
    """Another text, and another number, in everything."""
    changed = {
        name: 1.2 if name == "amount" else value for name, value in request.arguments.items()
    }
    return Approve({**changed, **({"tag": "other"} if "tag" in changed else {})})


def breaks(request: ToolRequest) -> Decision:
    """Approves with what the tools refuse."""
    impossible = {"order": 9999, "to": "nobody", "customer": "nobody@example.com"}
    known = {name: value for name, value in impossible.items() if name in request.arguments}
    return Approve({**request.arguments, **known})


def does_as_told(request: ToolRequest) -> Decision:
    """What the tour asks for, where it needs no grant."""
    match request.tool:
        case "refund_order" if request.arguments["amount"] == 12:
            return Approve({**request.arguments, "amount": 1.2})
        case "delete_customer":
            return Reject("He still buys from us.")
        case "ask_carrier":
            return Answer("The carrier says that the parcel arrived on Monday.")
        case "send_email" if request.arguments["to"] == STRANGER:
            return Reject("That address is not the customer's.")
    return Approve()


EVERYBODY = [
    *(approves, rejects, says_nothing, answers, answers_in_json, edits, breaks, does_as_told)
]


# The tour -----------------------------------------------------------------------------------------


def test_the_tour_is_the_first_thing_that_is_offered(office: AgentConfig) -> None:
    """Whoever comes for the first time sees it at the top."""
    assert office.samples[0] == "Show me around in five minutes"


@pytest.mark.parametrize("decide", EVERYBODY)
def test_the_tour_goes_to_its_end_whatever_is_decided(stage: Stage, decide: Decide) -> None:
    """Each time all of its nine steps, and again in the same chat, in the shop as it is then."""
    first = play(stage, decide)
    again = play(stage, decide, conversation=first.run.conversation_id)

    for record in (first, again):
        assert is_whole(record)


def test_the_tour_can_be_taken_in_one_chat_after_another(stage: Stage) -> None:
    """Nothing of it is used up."""
    for _ in range(3):
        record = play(stage, does_as_told)
        assert is_whole(record)
        assert "I refunded 1.20" in said(record)


def is_whole(record: RunRecord) -> bool:
    steps = re.findall(r"\*\*(\d) of 9 ·", said(record))
    return steps == list("123456789") and "That was the tour" in said(record)


@pytest.mark.parametrize("decide", EVERYBODY)
def test_nothing_is_said_to_be_done_that_was_not(
    stage: Stage, office: AgentConfig, decide: Decide
) -> None:
    """The agent's words and its summary, the journal and the shop: all tell the same."""
    before = float(sum(float(row["Refunded"]) for row in shop(office)["Orders"]))
    record = play(stage, decide)
    ran = [request for request in record.requests if request.status == "succeeded"]
    done = Counter(request.tool for request in ran)
    mails = sorted(each.final_arguments["to"] for each in ran if each.tool == "send_email")
    refunds = [each.final_arguments["amount"] for each in ran if each.tool == "refund_order"]
    text, told = said(record), r"I (?:wrote|sent the invoice) to (\S+@\S+[a-z])"

    assert sorted(re.findall(told, text)) == mails
    assert [each for each in written_to(office) if "carrier" not in each] == mails
    assert text.count("I wrote to the carrier") == done["ask_carrier"]
    assert text.count("I refunded ") == len(refunds)
    after = sum(float(row["Refunded"]) for row in shop(office)["Orders"])
    assert after == pytest.approx(before + sum(refunds))
    assert text.count("is tagged as") == done["tag_order"]
    assert text.count("is deleted, as you approved it") == done["delete_customer"]
    assert len(shop(office)["Customers"]) == 8 - done["delete_customer"]
    assert summed_up(record) == Counter(request.status for request in record.requests)


def summed_up(record: RunRecord) -> dict[str, int]:
    """How many calls came to which end, as the tour's last message says."""
    summary = str(record.messages[max(record.messages)].content)
    return {end: int(number) for number, end in re.findall(r"(\d+) ([a-z]+)[.,]", summary)}


def test_who_rejects_everything_leaves_the_shop_as_it_was(
    stage: Stage, office: AgentConfig
) -> None:
    """And each reason is heard."""
    before = shop(office)
    record = play(stage, rejects)

    assert shop(office) == before
    for tool in ("send_email", "refund_order", "delete_customer", "ask_carrier", "tag_order"):
        assert f"Reason: not {tool}" in said(record)


def test_who_does_as_told_has_used_every_kind_of_decision(
    stage: Stage, office: AgentConfig
) -> None:
    """Edited, rejected with a reason, answered; and the agent says which was which."""
    record = play(stage, does_as_told)
    text = said(record)

    assert "I refunded 1.20 of order 1038, which you put in place of my 12.00." in text
    assert "I don't ask for it again. Reason: He still buys from us." in text
    assert "Your answer was: The carrier says that the parcel arrived on Monday." in text
    assert {request.status for request in record.requests} == {
        *("succeeded", "rejected", "answered", "denied")
    }
    assert "Oskar Brandt" in [row["Name"] for row in shop(office)["Customers"]]


def test_what_is_asked_for_together_waits_together(stage: Stage) -> None:
    """Three cards at once, for “Approve all”."""
    together: list[int] = []

    def count(request: ToolRequest) -> Decision:
        together.append(len(waiting_in(stage.run(request.run_id))))
        return Approve()

    play(stage, count)
    assert max(together) == 3


def test_what_is_always_allowed_runs_without_asking_until_it_is_revoked(stage: Stage) -> None:
    """The first tag grants, two more use it, and after “Revoke” the last one asks again."""
    asked: list[str] = []

    def grants_and_revokes(request: ToolRequest) -> Decision | None:
        asked.append(request.arguments.get("tag", request.tool))
        if asked[-1] == "gift":
            assert stage.desk.grant(request.id, "conversation", by=BY).accepted
            return None
        if request.arguments.get("subject") == "Tags":
            (used,) = stage.desk.grants()
            assert used.times == 2
            assert stage.desk.revoke(used.grant.id, by=BY)
        return Approve()

    record = play(stage, grants_and_revokes)
    tags = of(record, "tag_order")
    assert [tag.arguments["tag"] for tag in tags] == ["gift", "fragile", "heavy", "check"]
    assert all(tag.status == "succeeded" for tag in tags)
    assert [tag.grant_id is not None for tag in tags] == [False, True, True, False]
    assert {"gift", "check"} <= set(asked)
    assert not {"fragile", "heavy"} & set(asked)


def test_deleting_a_customer_can_not_be_allowed_for_ever(stage: Stage) -> None:
    """Its rule says that it always asks."""
    _, run_id = stage.send("delete the customer Oskar Brandt")
    (request,) = stage.waiting(run_id)

    with pytest.raises(Refused):
        stage.desk.grant(request.id, "agent", by=BY)
    assert stage.status(request) == "pending"


def test_a_rule_stops_the_largest_refund_before_anybody_is_asked(stage: Stage) -> None:
    """It is told with its rule."""
    record = play(stage, approves)
    largest = of(record, "refund_order")[-1]

    assert (largest.status, largest.asks) == ("denied", False)
    assert "nobody was asked. The rule: deny when amount > 1000." in said(record)


# The order whose note gives orders ----------------------------------------------------------------


INVOICE = "Send the customer of order 1053 the invoice."


def invoice(record: RunRecord) -> ToolRequest:
    return of(record, "send_email")[-1]


@pytest.mark.parametrize("text", [None, INVOICE], ids=["tour", "sample"])
def test_the_injected_address_is_what_the_agent_would_write_to(
    stage: Stage, office: AgentConfig, text: str | None
) -> None:
    """Its origin says so. After the rejection nobody has got it, and the agent says that too."""
    record = play(stage, rejects, text)
    note = of(record, "look_up_order")[-1]

    assert invoice(record).arguments["to"] == STRANGER
    comes_from = {"from": "tool", "tool": "look_up_order", "request": note.id}
    comes_from["field"] = "customer_note"
    assert comes_from.items() <= (invoice(record).origins or {})["to"].items()
    assert STRANGER not in written_to(office)
    assert f"I did not send the invoice to {STRANGER}. Reason: not send_email" in said(record)


def test_the_number_of_the_order_comes_from_the_users_words(stage: Stage) -> None:
    """Unlike the address."""
    record = play(stage, rejects, INVOICE)

    assert of(record, "look_up_order")[-1].origins == {"order": {"from": "user"}}


def test_whoever_approves_it_is_told_where_the_address_came_from(
    stage: Stage, office: AgentConfig
) -> None:
    """The truth comes late, but it comes."""
    record = play(stage, approves, INVOICE)

    assert written_to(office) == [STRANGER]
    assert f"I sent the invoice to {STRANGER}. That address came from the customer's note" in said(
        record
    )


def test_who_puts_the_customers_address_in_its_place_writes_to_the_customer(
    stage: Stage, office: AgentConfig
) -> None:
    """And nothing is said about the note."""
    record = play(stage, lambda request: Approve({**request.arguments, "to": CUSTOMER}), INVOICE)

    assert written_to(office) == [CUSTOMER]
    assert said(record).endswith(f"I sent the invoice to {CUSTOMER}.")


def test_an_order_without_a_note_gets_its_invoice_to_the_customer(
    stage: Stage, office: AgentConfig
) -> None:
    """The same words about another order."""
    play(stage, approves, "Send the customer of order 1051 the invoice.")

    assert written_to(office) == [CUSTOMER]


def test_an_order_whose_customer_is_deleted_gets_no_invoice(
    stage: Stage, office: AgentConfig
) -> None:
    """Nobody is asked about a call that could not run."""
    play(stage, approves, "delete the customer Oskar Brandt")
    record = play(stage, approves, "Send the customer of order 1041 the invoice.")

    assert invoice(record).status == "failed"
    assert written_to(office) == []
