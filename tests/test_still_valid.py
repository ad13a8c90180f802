"""Still valid at dispatch: what changed while a request waited does not run on the old approval."""

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.tools import FunctionTool

from hitl.journal import ToolRequest
from hitl.outcomes import DENIED
from hitl.verifying import verify
from tests.openai_server import Call
from tests.scripted import Gate, asks
from tests.stage import Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 150})


def pay_otherwise(ran: list[int]) -> FunctionTool:
    def pay(amount: int) -> str:
        """Pay an amount."""
        ran.append(amount * 2)
        return f"paid twice {amount}"

    return FunctionTool.from_defaults(pay)


def asked(on: Stage) -> tuple[str, ToolRequest]:
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    return run_id, request


def test_an_approval_does_not_run_code_that_changed_since_and_is_asked_for_anew(
    play: Play, till: Till
):
    on = play(agent(till.tool()), asks(PAY), "Done.")
    run_id, request = asked(on)
    ran: list[int] = []
    on.agents.agent = agent(pay_otherwise(ran))
    assert on.approve(request)
    (anew,) = on.waiting(run_id)
    void = on.desk.request(request.id)
    assert void is not None
    assert (void.status, void.result) == ("void", "The tool's code changed.")
    assert (anew.replaces, anew.arguments) == (request.id, request.arguments)
    assert anew.fingerprint != request.fingerprint
    assert ran == till.paid == []
    assert on.approve(anew)
    on.ended(run_id)
    assert ran == [300]
    assert on.told() == ["paid twice 150"], "one message, for one call"
    on.journal.read(verify)


def test_a_tool_that_is_the_same_but_for_its_comments_is_the_same(play: Play, till: Till):
    on = play(agent(till.tool()), asks(PAY), "Done.")
    run_id, request = asked(on)
    on.agents.agent = agent(Till().tool())
    on.approve(request)
    assert on.ended(run_id).requests[0].status == "succeeded"


@pytest.mark.parametrize(
    ("before", "after", "then"),
    [
        (["ask"], ["ask when amount > 100", "ask"], "void"),
        (["ask"], ["deny when amount > 100", "ask"], "denied"),
        (["ask"], ["deny"], "denied"),
        (["ask"], ["allow"], "void"),
        (["ask when amount > 100"], ["ask when amount > 1"], "void"),
    ],
)
def test_where_its_rule_changed_the_stricter_holds(
    play: Play, till: Till, before: list[str], after: list[str], then: str
):
    def ruled(rules: list[str]) -> Any:
        return agent(till.tool()).model_copy(update={"rules": {"pay": rules}})

    on = play(ruled(before), asks(PAY), "Done.")
    run_id, request = asked(on)
    on.agents.agent = ruled(after)
    assert on.approve(request)
    if then == "void":
        (anew,) = on.waiting(run_id)
        assert on.status(request) == "void"
        assert till.paid == []
        on.approve(anew)
    record = on.ended(run_id)
    told = {"denied": f"{DENIED}{'; '.join(after).split(';')[0]}"}.get(then, "paid 150")
    assert on.told() == [told]
    assert till.paid == ([] if then == "denied" else [150])
    assert record.requests[-1].status == ("denied" if then == "denied" else "succeeded")
    on.journal.read(verify)


def test_what_ran_freely_asks_where_its_rule_says_so_by_now(play: Play, till: Till):
    gate = Gate()

    def look() -> str:
        """Look."""
        gate.wait()
        return "seen"

    on = play(agent(till.tool(), look, free="look pay"), asks(Call("look", {}), PAY), "Done.")
    # The engine asks at each start what holds now; the file changed between asking and starting.
    on.agents.agent = agent(till.tool(), look, free="look")
    run_id = on.send("Go.")[1]
    gate.open()
    (request,) = on.waiting(run_id)
    assert request.tool == "pay"
    assert till.paid == []
    on.approve(request)
    on.ended(run_id)


def test_a_tool_that_is_gone_is_told_to_the_model(play: Play, till: Till):
    def note(text: str) -> str:
        """Write a note."""
        return text

    on = play(agent(till.tool(), note), asks(PAY), "Sorry.")
    run_id, request = asked(on)
    on.agents.agent = agent(note)
    on.approve(request)
    record = on.ended(run_id)
    assert [each.status for each in record.requests] == ["void", "failed"]
    assert "Tool pay does not exist" in on.told()[0]
    assert till.paid == []


def test_edited_arguments_survive_being_asked_anew(play: Play, till: Till):
    on = play(agent(till.tool()), asks(PAY), "Done.")
    run_id, request = asked(on)
    ran: list[int] = []
    on.agents.agent = agent(pay_otherwise(ran))
    on.approve(request, {"amount": 7})
    (anew,) = on.waiting(run_id)
    assert anew.arguments == {"amount": 150}
    assert anew.final_arguments == {"amount": 7}
    on.approve(anew)
    on.ended(run_id)
    assert ran == [14]
    assert on.told()[0].startswith("A person changed the arguments before approving.")


def test_an_edit_cannot_dodge_a_rule(play: Play, till: Till):
    config = agent(till.tool()).model_copy(
        update={"rules": {"pay": ["deny when amount > 1000", "ask"]}}
    )
    on = play(config, asks(PAY), "Done.")
    run_id, request = asked(on)
    with pytest.raises(ValueError, match="deny when amount > 1000"):
        on.approve(request, {"amount": 5000})
    assert on.status(request) == "pending"
    on.approve(request, {"amount": 500})
    on.ended(run_id)
    assert till.paid == [500]


def test_while_its_file_is_broken_the_tool_that_was_approved_runs(play: Play, till: Till):
    on = play(agent(till.tool()), asks(PAY), "Done.")
    run_id, request = asked(on)
    on.approve(request)
    on.ended(run_id)
    assert till.paid == [150]
