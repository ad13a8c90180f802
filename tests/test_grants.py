"""Always allow…: trust that is spelled out, counted, and ends at once when it is revoked."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from hitl import tool
from hitl.errors import Refused
from hitl.journal import Scope, ToolRequest, grants
from hitl.journal.tables import tool_grant
from hitl.verifying import Broken, verify
from tests.openai_server import Call
from tests.scripted import Gate, asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
SCOPES: tuple[Scope, ...] = ("call", "conversation", "agent")


def pays(amount: int) -> Call:
    return Call("pay", {"amount": amount})


def granted(on: Stage, scope: Scope, text: str = "Pay.") -> tuple[str, ToolRequest]:
    """Send a message, and answer its request with a grant; returns the conversation."""
    conversation, run_id = on.send(text)
    (request,) = on.waiting(run_id)
    assert on.desk.grant(request.id, scope, by=BY).accepted
    on.ended(run_id)
    return conversation, request


@pytest.mark.parametrize(
    ("scope", "same_call", "same_conversation", "elsewhere"),
    [
        ("call", True, False, False),
        ("conversation", True, True, False),
        ("agent", True, True, True),
    ],
)
def test_a_grant_covers_what_its_scope_says_and_no_more(
    play: Play, till: Till, scope: Scope, same_call: bool, same_conversation: bool, elsewhere: bool
):
    """Exactly these arguments; the tool in this conversation; or the tool of this agent."""
    on = play(agent(till.tool()), script=_pays_what_it_is_told)
    conversation, first = granted(on, scope, "1")
    for text, where, covered in (
        ("1", conversation, same_call),
        ("2", conversation, same_conversation),
        ("2", None, elsewhere),
    ):
        _, run_id = on.send(text, where)
        if not covered:
            (request,) = on.waiting(run_id)
            on.reject(request)
        record = on.ended(run_id)
        (request,) = record.requests
        assert (request.grant_id is not None) == covered
        assert request.status == ("succeeded" if covered else "rejected")
        assert not covered or (request.decided_by, request.decision) == (BY, None)
    (use,) = on.desk.grants()
    assert use.times == same_call + same_conversation + elsewhere
    assert (use.grant.scope, use.grant.granted_by, use.grant.request_id) == (scope, BY, first.id)
    on.journal.read(verify)


def _pays_what_it_is_told(chat: list[Any]) -> Any:
    last = chat[-1]
    return "Done." if last.role == "tool" else asks(pays(int(last.content)))


@pytest.mark.parametrize("scope", SCOPES)
def test_a_revoked_grant_counts_for_nothing_from_then_on(play: Play, till: Till, scope: Scope):
    """The next call waits for a person; the page still knows what there was."""
    on = play(agent(till.tool()), script=_pays_what_it_is_told)
    conversation, _ = granted(on, scope, "1")
    (use,) = on.desk.grants()
    assert on.desk.revoke(use.grant.id, by="Bob")
    assert not on.desk.revoke(use.grant.id, by="Bob")
    _, run_id = on.send("1", conversation)
    (request,) = on.waiting(run_id)
    on.reject(request)
    on.ended(run_id)
    (use,) = on.desk.grants()
    assert (use.grant.ended_by, use.grant.ended_why) == ("Bob", grants.REVOKED)
    assert till.paid == [1]
    on.journal.read(verify)


def test_revoking_takes_effect_for_what_is_queued_too(play: Play, till: Till):
    """What the grant had allowed, and what had not started, waits for a person after all."""
    gate = Gate()

    def hold(seat: int) -> str:
        """Hold a seat."""
        gate.wait()
        return "held"

    holds = [Call("hold", {"seat": seat}) for seat in range(4)]  # as many as run at once
    on = play(
        agent(till.tool(), hold, free="hold"), asks(pays(1)), "Ok.", asks(*holds, pays(1)), "Done."
    )
    conversation, _ = granted(on, "agent")
    _, run_id = on.send("Again.", conversation)
    assert gate.was_reached()
    queued = on.until(lambda: [r for r in on.run(run_id).requests if r.grant_id])
    assert [request.status for request in queued] == ["approved"]
    on.desk.revoke(on.desk.grants()[0].grant.id, by=BY)
    assert on.status(queued[0]) == "pending"
    gate.open()
    (request,) = on.waiting(run_id)
    assert (request.asks, request.grant_id, request.receipt) == (True, None, None)
    assert till.paid == [1]
    on.approve(request)
    on.ended(run_id)
    assert till.paid == [1, 1]
    on.journal.read(verify)


def test_a_grant_used_while_it_is_revoked_either_ran_before_or_asks(play: Play, till: Till):
    """There is no third outcome, and the audit tells the same story."""
    on = play(agent(till.tool()), script=_pays_what_it_is_told)
    for number in range(1, 13):
        till.paid.clear()
        conversation, _ = granted(on, "conversation", str(number))
        till.paid.clear()
        grant = on.desk.grants()[0].grant
        start = threading.Barrier(2)

        def revoke(start: Any = start, grant: Any = grant) -> None:
            start.wait()
            on.desk.revoke(grant.id, by=BY)

        other = threading.Thread(target=revoke)
        other.start()
        start.wait()
        _, run_id = on.send(str(number), conversation)
        other.join()
        record = on.until(
            lambda run_id=run_id: (
                (found := on.run(run_id)).run.status in ("answered", "waiting") and found
            )
        )
        (request,) = record.requests
        assert till.paid == ([number] if request.status == "succeeded" else [])
        if request.status == "pending":
            on.reject(request)
        on.ended(run_id)
    on.journal.read(verify)


def test_a_grant_ends_when_its_tool_changes(play: Play, till: Till):
    """The person trusted another tool; the page says why it ended."""
    on = play(agent(till.tool()), script=_pays_what_it_is_told)
    conversation, _ = granted(on, "agent", "1")

    def pay(amount: int) -> str:
        """Pay an amount, twice."""
        till.paid.extend([amount, amount])
        return "paid twice"

    on.agents.agent = agent(pay)
    _, run_id = on.send("1", conversation)
    (request,) = on.waiting(run_id)
    on.reject(request)
    on.ended(run_id)
    (use,) = on.desk.grants()
    assert use.grant.ended_why == grants.TOOL_CHANGED
    assert till.paid == [1]
    on.journal.read(verify)


@pytest.mark.parametrize("rule", ["deny when amount == 13", "always_ask when amount == 13"])
def test_denials_and_always_ask_beat_grants(play: Play, till: Till, rule: str):
    """A grant answers only where a person would have been asked, and could have granted it."""
    config = agent(till.tool(), rules={"pay": [rule, "ask"]})
    on = play(config, script=_pays_what_it_is_told)
    conversation, _ = granted(on, "agent", "1")
    _, run_id = on.send("13", conversation)
    if rule.startswith("always_ask"):
        (request,) = on.waiting(run_id)
        on.reject(request)
    (request,) = on.ended(run_id).requests
    assert request.status in ("denied", "rejected")
    assert request.grant_id is None
    assert till.paid == [1]


@pytest.mark.parametrize("rule", ["always_ask", ["always_ask when amount == 1", "ask"]])
def test_what_must_always_be_asked_cannot_be_granted(play: Play, till: Till, rule: Any):
    """The click is refused with a sentence, and nothing is decided by it."""
    on = play(agent(till.tool(), rules={"pay": rule}), asks(pays(1)), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    with pytest.raises(Refused, match="always_ask"):
        on.desk.grant(request.id, "agent", by=BY)
    assert on.status(request) == "pending"
    assert on.desk.grants() == []
    on.reject(request)
    on.ended(run_id)


def test_a_condition_that_cannot_be_evaluated_is_not_answered_by_a_grant(play: Play):
    """What it would have denied must not run under a grant."""
    done: list[Any] = []

    def note(data: dict[str, Any]) -> str:
        """Note something."""
        done.append(data)
        return "noted"

    config = agent(note, rules={"note": ["deny when data.level > 3", "ask"]})
    calls = [asks(Call("note", {"data": data})) for data in ({"level": 1}, {"level": "high"})]
    on = play(config, calls[0], "Ok.", calls[1], "Done.")
    conversation, _ = granted(on, "agent")
    _, run_id = on.send("Again.", conversation)
    (request,) = on.waiting(run_id)
    on.reject(request)
    on.ended(run_id)
    assert done == [{"level": 1}]


def test_what_was_rejected_in_this_run_is_asked_even_under_a_grant(play: Play, till: Till):
    """A no to exactly this call is worth more than a yes to its kind."""
    on = play(
        agent(till.tool()),
        asks(pays(1), pays(2)),
        asks(pays(1)),
        "Done.",
    )
    _, run_id = on.send("Pay.")
    first, second = on.waiting(run_id, 2)
    on.reject(first, "not this one")
    on.desk.grant(second.id, "agent", by=BY)
    (again,) = on.waiting(run_id)
    assert (again.arguments, again.earlier) == ({"amount": 1}, first.id)
    on.reject(again)
    on.ended(run_id)
    assert till.paid == [2]


def test_a_second_click_gives_no_second_grant(play: Play, till: Till):
    """The grant and the approval are one decision: somebody else's rejection wins both."""
    on = play(agent(till.tool()), asks(pays(1)), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.reject(request)
    assert not on.desk.grant(request.id, "agent", by=BY).accepted
    assert on.desk.grants() == []
    on.ended(run_id)


def test_taking_the_approval_back_ends_its_grant(play: Play, till: Till):
    """Undo undoes all of it."""
    on = play(agent(till.tool()), asks(pays(1)), "Done.")
    on.desk.undo_seconds = 60
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.desk.grant(request.id, "agent", by=BY)
    on.desk.undo(request.id, by=BY)
    (use,) = on.desk.grants()
    assert use.grant.ended_why == grants.TAKEN_BACK
    on.desk.undo_seconds = 0
    on.reject(request)
    on.ended(run_id)
    on.journal.read(verify)


@pytest.mark.parametrize(
    "forged", [{"scope": "agent"}, {"arguments": {"amount": 2}}, {"ended_at": 5.0}, {"tool": "x"}]
)
def test_a_tampered_grant_is_noticed(play: Play, till: Till, forged: dict[str, Any]):
    """Whatever somebody writes into the table, the audit says otherwise."""
    on = play(agent(till.tool()), asks(pays(1)), "Done.")
    granted(on, "call")
    on.journal.read(verify)
    on.journal.write(lambda tx: tx.execute(update(tool_grant).values(**forged)))
    with pytest.raises(Broken, match="grant"):
        on.journal.read(verify)


def test_a_secret_argument_of_a_grant_is_in_no_audit(play: Play):
    """A commitment stands in its place, as everywhere."""

    @tool(secret=["phrase"])
    def unlock(phrase: str) -> str:
        """Unlock."""
        return "open"

    on = play(agent(unlock), asks(Call("unlock", {"phrase": "hunter2"})), "Done.")
    granted(on, "call")
    entries = on.journal.read(lambda tx: list(grants.audit.export(tx)))
    assert not any("hunter2" in entry for entry in entries)
    on.journal.read(verify)
