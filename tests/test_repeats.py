"""No nagging: a rejected call is not asked again unless something happened, and an end to it."""

from collections.abc import Callable

import pytest

from hitl.outcomes import AGAIN, NOT_APPROVED
from hitl.verifying import verify
from tests.openai_server import Call
from tests.scripted import asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})


def look(what: str) -> str:
    """Look something up."""
    return f"found {what}"


def test_the_same_call_again_is_answered_with_the_old_reason_and_nobody_is_asked(
    play: Play, till: Till
):
    on = play(agent(till.tool()), PAY, PAY, "Then not.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.reject(request, "Ada was paid already.")
    record = on.ended(run_id)
    repeated = record.requests[1]
    assert (repeated.status, repeated.decision) == ("rejected", None)
    assert (repeated.earlier, repeated.reason) == (request.id, "Ada was paid already.")
    assert on.told()[-1] == (
        f"{NOT_APPROVED} Nothing was executed. {AGAIN} Reason: Ada was paid already."
    )
    assert till.paid == []
    on.journal.read(verify)


def test_it_is_asked_again_once_something_was_executed_since(play: Play, till: Till):
    on = play(
        agent(till.tool(), look, free="look"), PAY, Call("look", {"what": "Ada"}), PAY, "Done."
    )
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.reject(request, "Look her up first.")
    (again,) = on.waiting(run_id)
    assert again.earlier == request.id
    assert again.id != request.id
    on.approve(again)
    on.ended(run_id)
    assert till.paid == [1]


@pytest.mark.parametrize("other", [{"amount": 2}, {"amount": 10}])
def test_other_arguments_are_another_call(play: Play, till: Till, other: dict[str, int]):
    on = play(agent(till.tool()), PAY, Call("pay", other), "Done.")
    _, run_id = on.send("Pay.")
    on.reject(on.waiting(run_id)[0], "no")
    (request,) = on.waiting(run_id)
    assert request.earlier is None
    on.reject(request)
    on.ended(run_id)


def test_another_run_asks_again(play: Play, till: Till):
    on = play(agent(till.tool()), PAY, "Then not.", PAY, "Done.")
    conversation, run_id = on.send("Pay.")
    on.reject(on.waiting(run_id)[0], "no")
    on.ended(run_id)
    _, second = on.send("I changed my mind: pay.", conversation)
    (request,) = on.waiting(second)
    on.approve(request)
    on.ended(second)
    assert till.paid == [1]


def test_a_model_that_insists_five_times_is_stopped_with_a_clear_message(play: Play, till: Till):
    on = play(agent(till.tool()), *[PAY] * 6)
    _, run_id = on.send("Pay.")
    on.reject(on.waiting(run_id)[0], "no")
    record = on.ended(run_id, "failed")
    assert record.run.error is not None
    assert "asked 5 times more for a call that was rejected" in record.run.error
    assert len(record.requests) == 6
    assert till.paid == []


def test_a_model_that_was_stopped_may_ask_for_something_else_after_retry(play: Play, till: Till):
    """Also beside a call that needs nobody."""

    def look() -> str:
        """Look."""
        return "seen"

    other = asks(Call("pay", {"amount": 2}), Call("look", {}))
    on = play(agent(till.tool(), look, free="look"), *[PAY] * 6, other, "Well then.")
    _, run_id = on.send("Pay.")
    on.reject(on.waiting(run_id)[0], "no")
    on.ended(run_id, "failed")
    on.desk.retry(run_id)
    asked = on.waiting(run_id)[0]
    assert asked.arguments == {"amount": 2}
    on.reject(asked, "no")
    on.ended(run_id)
    assert till.paid == []


def test_an_approval_with_other_arguments_tells_the_model_what_really_ran(play: Play, till: Till):
    on = play(agent(till.tool()), PAY, "Done.")
    _, run_id = on.send("Pay.")
    on.approve(on.waiting(run_id)[0], {"amount": 3})
    on.ended(run_id)
    assert on.told() == [
        'A person changed the arguments before approving. What ran: {"amount": 3}\npaid 3'
    ]


def test_a_rejection_in_one_batch_counts_for_the_next(play: Play, till: Till):
    batch = asks(PAY, Call("pay", {"amount": 2}))
    on = play(agent(till.tool()), batch, batch, "Done.")
    _, run_id = on.send("Pay.")
    first, second = on.waiting(run_id, 2)
    on.reject(first, "no")
    on.reject(second, "neither")
    record = on.ended(run_id)
    assert [each.reason for each in record.requests] == ["no", "neither", "no", "neither"]
    assert {each.decided_by for each in record.requests[:2]} == {BY}
