"""Outcome unknown, to its end: nobody saw what came of a call, so a person says."""

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.tools import FunctionTool

from hitl import tool
from hitl.errors import Refused
from hitl.journal import Approve, ItDidNotHappen, ItWorked, Reject, RunAgain, ToolRequest
from hitl.journal.dispatch import IDEMPOTENT
from hitl.outcomes import NOT_DONE, UNKNOWN, WORKED
from hitl.verifying import verify
from tests.openai_server import Call
from tests.scripted import Gate, asks
from tests.stage import BY, Stage, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})


class Machine:
    """A tool that stops in the middle, as often as it is told to."""

    def __init__(self, **facts: Any) -> None:
        self.gates, self.done = [Gate()], []

        @tool(**facts)
        def pay(amount: int) -> str:
            """Pay an amount."""
            gate = self.gates[-1]
            gate.wait()
            self.done.append(amount)
            return f"paid {amount}"

        self.tool = FunctionTool.from_defaults(pay)

    def is_cut_off(self, on: Stage) -> None:
        """The process loses the tool in its middle: its engine ends, another one takes over."""
        assert self.gates[-1].was_reached()
        on.engine.stop()
        self.gates.append(Gate())


def cut_off(play: Play, machine: Machine, *replies: Any, free: str = "") -> tuple[Stage, str]:
    """A stage that took over from one whose tool was cut off; with the run's id."""
    config = agent(machine.tool, free=free)
    first = play(config, asks(PAY))
    _, run_id = first.send("Pay.")
    if not free:
        (request,) = first.waiting(run_id)
        first.approve(request)
    machine.is_cut_off(first)
    return play(config, *replies), run_id


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that stops gives its tools no time to come to their end."""
    monkeypatch.setattr("hitl.engine.engine.DRAIN_SECONDS", 0.01)


@pytest.fixture
def machine() -> Any:
    machine = Machine()
    yield machine
    for gate in machine.gates:
        gate.open()


def doubtful(on: Stage, run_id: str) -> ToolRequest:
    (request,) = on.waiting_in_doubt(run_id)
    return request


@pytest.mark.parametrize(
    ("resolution", "status", "told"),
    [
        (ItWorked("The bank says so."), "worked", f"{WORKED} The bank says so."),
        (ItWorked(), "worked", WORKED),
        (ItDidNotHappen("The bank was closed."), "not_done", f"{NOT_DONE} The bank was closed."),
    ],
)
def test_a_person_says_what_came_of_it_and_the_agent_is_told(
    play: Play, machine: Machine, resolution: Any, status: str, told: str
):
    on, run_id = cut_off(play, machine, "I see.")
    request = doubtful(on, run_id)
    assert request.id in [each.id for each in on.desk.pending()]
    assert request.started_at is not None
    assert request.decided_by == BY
    assert on.desk.resolve(request.id, resolution, by="Grace").accepted
    record = on.ended(run_id)
    assert [each.status for each in record.requests] == [status]
    assert record.requests[0].resolved_by == "Grace"
    assert on.told() == [told]
    assert machine.done == []
    assert on.desk.count_pending() == 0
    on.journal.read(verify)


def test_run_again_is_another_request_that_runs_once(play: Play, machine: Machine):
    on, run_id = cut_off(play, machine, "Done.")
    request = doubtful(on, run_id)
    machine.gates[-1].open()
    assert on.desk.resolve(request.id, RunAgain(), by="Grace").accepted
    record = on.ended(run_id)
    assert [each.status for each in record.requests] == ["repeated", "succeeded"]
    again = record.requests[1]
    assert again.replaces == request.id
    assert again.decided_by == "Grace"
    assert machine.done == [1]
    assert on.told() == ["paid 1"]
    on.journal.read(verify)


def test_only_the_first_word_about_it_counts(play: Play, machine: Machine):
    on, run_id = cut_off(play, machine, "Done.")
    request = doubtful(on, run_id)
    assert on.desk.resolve(request.id, ItWorked(), by="Grace").accepted
    for late in (RunAgain(), ItDidNotHappen(), ItWorked("Again.")):
        verdict = on.desk.resolve(request.id, late, by="Eve")
        assert not verdict.accepted
        assert verdict.request is not None
        assert verdict.request.resolved_by == "Grace"
    on.ended(run_id)
    assert machine.done == []


def test_what_waits_to_be_resolved_can_be_neither_approved_nor_rejected(
    play: Play, machine: Machine
):
    on, run_id = cut_off(play, machine, "Done.")
    request = doubtful(on, run_id)
    assert not on.approve(request)
    assert not on.reject(request)
    assert on.status(request) == "unknown"
    on.desk.resolve(request.id, ItDidNotHappen(), by=BY)
    on.ended(run_id)
    assert machine.done == []


@pytest.mark.parametrize("word", [None, True, "it worked", 1, Approve(), Reject(), RunAgain])
def test_what_only_looks_like_a_resolution_is_refused(play: Play, machine: Machine, word: Any):
    on, run_id = cut_off(play, machine, "Done.")
    request = doubtful(on, run_id)
    with pytest.raises(TypeError, match="A resolution is"):
        on.desk.resolve(request.id, word, by=BY)
    assert doubtful(on, run_id) == request
    on.desk.resolve(request.id, ItDidNotHappen(), by=BY)
    on.ended(run_id)


def test_a_pending_request_and_an_unknown_id_cannot_be_resolved(play: Play, machine: Machine):
    on = play(agent(machine.tool), asks(PAY), "No.")
    _conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    assert not on.desk.resolve(request.id, ItWorked(), by=BY).accepted
    assert on.desk.resolve("nothing", RunAgain(), by=BY).request is None
    foreign = on.desk.handler(on.start(), BY)
    assert foreign.resolve(request.id, ItWorked()).request is None
    assert on.status(request) == "pending"
    on.reject(request)
    on.ended(run_id)
    assert machine.done == []


def test_it_cannot_run_again_in_a_run_that_was_stopped(play: Play, machine: Machine):
    on = play(agent(machine.tool), asks(PAY))
    conversation, run_id = on.send("Pay.")
    on.approve(on.waiting(run_id)[0])
    assert machine.gates[-1].was_reached()
    on.desk.stop(conversation, by=BY)
    request = doubtful(on, run_id)
    with pytest.raises(Refused, match="send the message again"):
        on.desk.resolve(request.id, RunAgain(), by=BY)
    on.desk.resolve(request.id, ItWorked(), by=BY)
    record = on.ended(run_id, "cancelled")
    assert [each.status for each in record.requests] == ["worked"]


def test_a_message_waits_while_something_is_in_doubt(play: Play, machine: Machine):
    on, run_id = cut_off(play, machine, "I see.", "Hello.")
    request = doubtful(on, run_id)
    conversation = request.conversation_id
    on.send("Hello?", conversation)
    assert [run.status for run in on.desk.held(conversation)] == ["held"]
    on.desk.resolve(request.id, ItWorked(), by=BY)
    on.ended(run_id)
    (held,) = on.desk.held(conversation)
    on.desk.send_held(held.id)
    on.until(lambda: not on.desk.is_busy(conversation))


def test_left_in_doubt_it_is_told_as_unknown_and_can_still_be_cleared_up(
    play: Play, machine: Machine
):
    on = play(agent(machine.tool), asks(PAY), "Hm.", "Ah.")
    conversation, run_id = on.send("Pay.")
    on.approve(on.waiting(run_id)[0])
    assert machine.gates[-1].was_reached()
    on.desk.stop(conversation, by=BY)
    request = doubtful(on, run_id)
    on.desk.stop(conversation, by=BY)
    on.ended(run_id, "cancelled")
    assert on.desk.count_pending() == 0
    on.ended(on.send("Hello?", conversation)[1])
    assert on.told() == [UNKNOWN]
    assert on.desk.resolve(request.id, ItWorked("I looked."), by=BY).accepted
    on.ended(on.send("And now?", conversation)[1])
    assert on.told() == [f"{WORKED} I looked."]
    on.journal.read(verify)


# Tools that may run twice


def test_an_idempotent_tool_is_run_again_by_itself(play: Play):
    machine = Machine(idempotent=True)
    config = agent(machine.tool)
    first = play(config, asks(PAY))
    _, run_id = first.send("Pay.")
    first.approve(first.waiting(run_id)[0])
    machine.is_cut_off(first)
    machine.gates[-1].open()
    on = play(config, "Done.")
    record = on.ended(run_id)
    machine.gates[0].open()
    assert [each.status for each in record.requests] == ["repeated", "succeeded"]
    assert [each.decided_by for each in record.requests] == [BY, BY]
    assert record.requests[0].resolved_by == IDEMPOTENT
    on.journal.read(verify)


def test_an_idempotent_tool_that_takes_the_process_along_again_and_again_is_left_to_a_person(
    play: Play,
):
    machine = Machine(idempotent=True)
    config = agent(machine.tool, free="pay")
    on = play(config, asks(PAY))
    _, run_id = on.send("Pay.")
    for _ in range(on.engine.limits.idempotent_attempts):
        machine.is_cut_off(on)
        on = play(config, "Given up.") if len(machine.gates) > 3 else play(config)
    request = doubtful(on, run_id)
    on.desk.resolve(request.id, ItDidNotHappen(), by=BY)
    record = on.ended(run_id)
    for gate in machine.gates:
        gate.open()
    assert [each.status for each in record.requests] == ["repeated", "repeated", "not_done"]
