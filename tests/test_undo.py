"""Undo: a decision can be taken back before it takes effect, and truthfully not after that."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from hitl.journal import Answer, Approve, Decision, Reject, decisions
from hitl.verifying import verify
from tests.openai_server import Call
from tests.scripted import asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})
LONG, SHORT = 60.0, 0.2


def decided(play: Play, till: Till, seconds: float, decision: Decision, *replies: Any) -> Any:
    """A stage on which one request was decided, to take effect after some seconds."""
    on = play(agent(till.tool()), asks(PAY), *replies)
    on.desk.undo_seconds = seconds
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    assert on.desk.decide(request.id, decision, by=BY).accepted
    return on, run_id, request


@pytest.mark.parametrize(
    "decision", [Approve(), Reject("no"), Answer("paid"), Approve({"amount": 7})]
)
def test_a_decision_that_is_taken_back_leaves_the_request_as_it_was(
    play: Play, till: Till, decision: Decision
):
    """It waits again, for anybody; nothing ran, and no word of it reached the model."""
    on, run_id, request = decided(play, till, LONG, decision, "Done.")
    assert on.status(request) == "decided"
    assert on.desk.undo(request.id, by=BY).accepted
    (again,) = on.waiting(run_id)
    columns = ("decision", "edited", "reason", "result", "decided_by", "receipt", "effective_at")
    assert all(getattr(again, name) == getattr(request, name) for name in columns)
    on.desk.undo_seconds = 0.0
    on.approve(again)
    on.ended(run_id)
    assert till.paid == [1]
    assert on.journal.read(verify).requests == 1


@pytest.mark.parametrize(
    ("decision", "status", "paid"),
    [
        (Approve(), "succeeded", [1]),
        (Approve({"amount": 7}), "succeeded", [7]),
        (Reject("no"), "rejected", []),
        (Answer("paid"), "answered", []),
    ],
)
def test_a_decision_that_nobody_takes_back_takes_effect(
    play: Play, till: Till, decision: Decision, status: str, paid: list[int]
):
    """Without anybody doing anything more."""
    on, run_id, request = decided(play, till, SHORT, decision, "Done.")
    on.ended(run_id)
    assert (on.status(request), till.paid) == (status, paid)
    assert on.journal.read(verify).requests == 1


def test_once_the_tool_has_started_an_undo_says_so_and_changes_nothing(play: Play, till: Till):
    """The verdict holds what became of the request."""
    on, run_id, request = decided(play, till, SHORT, Approve(), "Done.")
    on.ended(run_id)
    verdict = on.desk.undo(request.id, by=BY)
    assert not verdict.accepted
    assert verdict.request is not None
    assert verdict.request.status == "succeeded"


def test_a_decision_takes_effect_in_the_next_process_too(play: Play, till: Till):
    """It was acknowledged, so it is not lost."""
    on, run_id, _ = decided(play, till, SHORT, Approve())
    on.engine.stop()
    after = play(agent(till.tool()), "Done.")
    after.ended(run_id)
    assert till.paid == [1]


def test_undoing_while_it_takes_effect_has_one_outcome(play: Play, till: Till):
    """Either it was taken back and nothing ran, or it ran and the undo was refused."""
    on = play(
        agent(till.tool()), script=lambda chat: "Done." if chat[-1].role == "tool" else asks(PAY)
    )
    for _ in range(20):
        on.desk.undo_seconds = 0.01
        till.paid.clear()
        _, run_id = on.send("Pay.")
        (request,) = on.waiting(run_id)
        on.desk.decide(request.id, Approve(), by=BY)
        start, taken_back = threading.Barrier(2), []

        def take_effect(start: Any = start, request: Any = request) -> None:
            start.wait()
            on.journal.write(decisions.take_effect, request.id)

        other = threading.Thread(target=take_effect)
        other.start()
        start.wait()
        taken_back.append(on.desk.undo(request.id, by=BY).accepted)
        other.join()
        on.desk.undo_seconds = 0.0
        if taken_back[0]:
            assert on.status(request) == "pending"
            assert till.paid == []
            on.reject(request)
        on.ended(run_id)
        assert till.paid == ([] if taken_back[0] else [1])
    on.journal.read(verify)


def test_stopping_the_run_ends_a_decision_that_has_not_taken_effect(play: Play, till: Till):
    """Nothing of the run starts afterwards."""
    on, run_id, request = decided(play, till, LONG, Approve())
    conversation = on.run(run_id).run.conversation_id
    on.desk.stop(conversation, by=BY)
    on.ended(run_id, "cancelled")
    assert (on.status(request), till.paid) == ("cancelled", [])
    assert not on.desk.undo(request.id, by=BY).accepted


def test_others_of_the_turn_start_while_one_can_still_be_taken_back(play: Play, till: Till):
    """Deciding one never waits for another; the model speaks once all have their outcome."""
    on = play(agent(till.tool()), asks(PAY, Call("pay", {"amount": 2})), "Done.")
    _, run_id = on.send("Pay.")
    first, second = on.waiting(run_id, 2)
    on.desk.undo_seconds = LONG
    on.approve(first)
    on.desk.undo_seconds = 0.0
    on.approve(second)
    on.until(lambda: till.paid == [2])
    assert on.status(first) == "decided"
    assert on.desk.undo(first.id, by=BY).accepted
    on.reject(first)
    on.ended(run_id)
    assert till.paid == [2]
