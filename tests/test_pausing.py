"""How runs pause and go on, through desk and engine, on a journal in a file."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.tools import FunctionTool

from hitl.errors import ModelError, NotFound, Refused
from hitl.events import ToolRequestEvent
from hitl.journal import Approve, ItDidNotHappen, Reject, RunRecord, decisions
from hitl.outcomes import chat_of
from hitl.toolcalls import InvalidArguments
from tests.openai_rules import violations_of_chat
from tests.openai_server import Call
from tests.scripted import Gate, Said, asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
UNKNOWN = "Started, outcome unknown, not run again."
CANCELLED = "Not executed: the run was stopped before this call could start."
NOT_APPROVED = "Tool call was not approved. Nothing was executed."


def pay(amount: int, id: str | None = None) -> Call:
    return Call("pay", {"amount": amount}, id)


def look(amount: int) -> str:
    """Look, which harms nobody."""
    return f"saw {amount}"


class GatedTill(Till):
    """A till that stands before its gate in the middle of its work."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    def pay(self, amount: int) -> str:
        """Pay an amount."""
        self.gate.wait()
        return super().pay(amount)


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def gated() -> Any:
    till = GatedTill()
    yield till
    till.gate.open()


def statuses(record: RunRecord) -> list[str]:
    return [request.status for request in record.requests]


def results(record: RunRecord) -> list[str]:
    return [str(message.content) for message in chat_of(record) if message.role == "tool"]


# One request: the table


Decide = Callable[[Stage, Any], Any]
TABLE: dict[str, tuple[Decide, list[int], str]] = {
    "approve and it runs": (lambda on, it: on.approve(it), [7], "paid 7"),
    "approve twice and it runs once": (
        lambda on, it: [on.approve(it), on.approve(it)],
        [7],
        "paid 7",
    ),
    "approve, then reject, and it has run": (
        lambda on, it: [on.approve(it), on.reject(it, "No.")],
        [7],
        "paid 7",
    ),
    "reject and it never runs": (lambda on, it: on.reject(it), [], NOT_APPROVED),
    "reject with a reason and the model is told": (
        lambda on, it: on.reject(it, "Too much."),
        [],
        f"{NOT_APPROVED} Reason: Too much.",
    ),
    "reject, then approve, and it never runs": (
        lambda on, it: [on.reject(it, "No."), on.approve(it)],
        [],
        f"{NOT_APPROVED} Reason: No.",
    ),
    "edit and the edited arguments run": (
        lambda on, it: on.approve(it, {"amount": 3}),
        [3],
        'A person changed the arguments before approving. What ran: {"amount": 3}\npaid 3',
    ),
    "approve with the arguments as they are and it was no edit": (
        lambda on, it: on.approve(it, {"amount": 7}),
        [7],
        "paid 7",
    ),
    "edit to what becomes the same and it was no edit": (
        lambda on, it: on.approve(it, {"amount": "7"}),
        [7],
        "paid 7",
    ),
}


@pytest.mark.parametrize(("decide", "paid", "said"), TABLE.values(), ids=TABLE)
def test_a_person_can(decide: Decide, paid: list[int], said: str, play: Play, till: Till):
    on = play(agent(till.tool()), pay(7), "Done.")
    _, run_id = on.send("Pay 7.")
    (request,) = on.waiting(run_id)
    assert till.paid == []
    decide(on, request)
    record = on.ended(run_id)
    assert till.paid == paid
    assert results(record) == on.told() == [said]
    assert chat_of(record)[-1].content == "Done."


def test_a_decision_keeps_who_when_and_why(play: Play, till: Till):
    on = play(agent(till.tool()), asks(pay(1), pay(2)), "Done.")
    _, run_id = on.send("Pay.")
    first, second = on.waiting(run_id, 2)
    on.desk.decide(first.id, Approve(), by="Ada")
    on.desk.decide(second.id, Reject("No."), by="Bob")
    first, second = on.ended(run_id).requests
    assert (first.decision, first.decided_by, first.reason) == ("approve", "Ada", "")
    assert (second.decision, second.decided_by, second.reason) == ("reject", "Bob", "No.")
    assert first.asked_at <= first.decided_at <= first.started_at <= first.ended_at


def test_the_loser_of_two_deciders_is_told_who_won(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.desk.decide(request.id, Reject("No."), by="Ada")
    verdict = on.desk.decide(request.id, Approve(), by="Bob")
    assert not verdict.accepted
    assert (verdict.request.decided_by, verdict.request.status) == ("Ada", "rejected")
    on.ended(run_id)


@pytest.mark.parametrize("arguments", [{"amount": "x"}, {}, {"amount": 1, "to": "me"}])
def test_an_edit_that_does_not_fit_is_refused_and_the_request_still_waits(
    arguments: dict[str, Any], play: Play, till: Till
):
    on = play(agent(till.tool()), pay(1), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    with pytest.raises(InvalidArguments):
        on.approve(request, arguments)
    assert on.status(request) == "pending"
    on.reject(request)
    on.ended(run_id)
    assert till.paid == []


def test_a_request_that_does_not_exist_cannot_be_decided(play: Play, till: Till):
    on = play(agent(till.tool()))
    verdict = on.desk.decide("nope-1-0", Approve(), by=BY)
    assert (verdict.accepted, verdict.request) == (False, None)


@pytest.mark.parametrize("decision", [True, "yes", None, Approve])
def test_what_only_looks_like_a_decision_decides_nothing(decision: Any, play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.")
    conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    with pytest.raises(TypeError, match="A decision is Approve"):
        on.desk.handler(conversation, BY).decide(request.id, decision)
    with pytest.raises(TypeError, match="A decision is Approve"):
        on.journal.write(decisions.decide, request.id, decision, BY)
    assert on.status(request) == "pending"
    on.approve(request)
    on.ended(run_id)


def test_a_tool_that_changed_while_a_request_waited_does_not_run_with_what_nobody_saw(
    play: Play, till: Till
):
    on = play(agent(till.tool()), pay(1), "Sorry.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    ran = []

    def pay_more(amount: int, to_everybody: bool = True) -> str:
        """Pay."""
        ran.append((amount, to_everybody))
        return "paid"

    on.agents.agent = agent(FunctionTool.from_defaults(pay_more, name="pay"))
    on.approve(request)
    (anew,) = on.waiting(run_id)
    assert anew.replaces == request.id
    assert anew.arguments == {"amount": 1, "to_everybody": True}
    void = on.desk.request(request.id)
    assert void is not None
    assert void.status == "void"
    assert void.result == "The tool's description, arguments and code changed."
    assert ran == till.paid == []
    on.reject(anew, "not to everybody")
    assert statuses(on.ended(run_id)) == ["void", "rejected"]
    assert ran == till.paid == []
    assert len(on.told()) == 1


def test_a_handler_decides_only_in_its_own_conversation(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.")
    conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    foreign = on.desk.handler(on.start(), BY)
    assert not foreign.decide(request.id, Approve()).accepted
    assert foreign.pending() == []
    assert on.desk.handler(conversation, BY).decide(request.id, Approve()).accepted
    on.ended(run_id)


# Several requests


def test_a_resumed_run_can_pause_again(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), pay(2), "Done.")
    _, run_id = on.send("Pay twice.")
    on.approve(on.waiting(run_id)[0])
    on.until(lambda: till.paid == [1])
    (second,) = on.waiting(run_id)
    assert second.turn == 2
    on.approve(second)
    on.ended(run_id)
    assert till.paid == [1, 2]


def test_what_waits_is_let_go_of_in_the_same_moment(play: Play, till: Till):
    """A commit that asks leaves nothing to do: killed right after it, all is in its place."""
    on = play(agent(till.tool()), asks(pay(1), pay(2)))
    seen: list[str] = []

    def look(touched: set[str]) -> None:
        for conversation in touched:
            for record in on.desk.transcript(conversation, limit=1):
                seen.extend(record.run.status for each in record.requests if each.waits)

    on.journal.listen(look)
    _, run = on.send("Pay")
    on.waiting(run, 2)
    assert on.until(lambda: seen) == ["waiting", "waiting"]


def test_free_calls_run_at_once_while_others_wait(play: Play, till: Till):
    on = play(
        agent(till.tool(), look, free="look"), asks(pay(1), Call("look", {"amount": 2})), "K."
    )
    _, run_id = on.send("Pay and look.")
    (request,) = on.waiting(run_id)
    assert statuses(on.run(run_id)) == ["pending", "succeeded"]
    assert till.paid == []
    on.approve(request)
    assert results(on.ended(run_id)) == ["paid 1", "saw 2"]


def test_the_model_speaks_only_when_all_are_decided(play: Play, till: Till):
    on = play(agent(till.tool()), asks(pay(1), pay(2), pay(3)), "Done.")
    _, run_id = on.send("Pay.")
    first, second, third = on.waiting(run_id, 3)
    on.approve(third)
    on.until(lambda: till.paid == [3])
    on.reject(first, "No.")
    assert on.waiting(run_id, 1) == [second]
    assert len(on.model.sent) == 1
    on.approve(second)
    on.ended(run_id)
    assert on.told() == [f"{NOT_APPROVED} Reason: No.", "paid 2", "paid 3"]


def test_when_all_are_rejected_the_model_is_told_and_answers(play: Play, till: Till):
    on = play(agent(till.tool()), asks(pay(1), pay(2)), "Then not.")
    _, run_id = on.send("Pay.")
    for request in on.waiting(run_id, 2):
        on.reject(request)
    record = on.ended(run_id)
    assert (till.paid, statuses(record)) == ([], ["rejected", "rejected"])
    assert on.told() == [NOT_APPROVED, NOT_APPROVED]


def test_a_decision_while_a_sibling_runs_starts_at_once(play: Play, till: Till, gated: GatedTill):
    slow = FunctionTool.from_defaults(gated.pay, name="slow")
    on = play(agent(till.tool(), slow), asks(Call("slow", {"amount": 1}), pay(2)), "Done.")
    _, run_id = on.send("Pay.")
    first, second = on.waiting(run_id, 2)
    on.approve(first)
    assert gated.gate.was_reached()
    on.approve(second)
    on.until(lambda: till.paid == [2])
    assert gated.paid == []
    gated.gate.open()
    assert results(on.ended(run_id)) == ["paid 1", "paid 2"]


def test_nothing_of_a_waiting_run_is_in_memory(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.until(lambda: not on.engine._segments)
    assert on.run(run_id).run.owner is None
    on.approve(request)
    on.ended(run_id)


# Stop


def test_stop_while_requests_wait_cancels_them(play: Play, till: Till):
    on = play(agent(till.tool()), asks(pay(1), pay(2)), "What else?")
    conversation, run_id = on.send("Pay.")
    first, _ = on.waiting(run_id, 2)
    on.desk.stop(conversation, by=BY)
    record = on.ended(run_id, "cancelled")
    assert statuses(record) == ["cancelled", "cancelled"]
    assert record.run.error == "Stopped by Ada."
    assert not on.approve(first)
    _, second = on.send("Hello?", conversation)
    on.ended(second)
    assert till.paid == []
    assert on.told() == [CANCELLED, CANCELLED]


def test_stop_while_the_model_speaks_ends_it_and_nothing_is_half_written(play: Play, till: Till):
    gate = Gate()
    on = play(agent(till.tool()), Said("Half an answ", [pay(1)], gate), "Yes?")
    conversation, run_id = on.send("Hi")
    assert gate.was_reached()
    on.until(lambda: on.engine.live_text(run_id) == "Half an answ")
    on.desk.stop(conversation, by=BY)
    on.until(lambda: not on.engine._segments)
    gate.open()
    record = on.ended(run_id, "cancelled")
    assert list(record.messages) == [0]
    assert record.requests == ()
    assert on.engine.live_text(run_id) == ""
    _, second = on.send("Hello?", conversation)
    on.ended(second)


def test_stop_while_a_tool_runs_leaves_its_outcome_unknown(play: Play, gated: GatedTill):
    on = play(agent(gated.tool()), asks(pay(1), pay(2)), "What else?")
    conversation, run_id = on.send("Pay.")
    first, _ = on.waiting(run_id, 2)
    on.approve(first)
    assert gated.gate.was_reached()
    on.desk.stop(conversation, by=BY)
    (in_doubt,) = on.waiting_in_doubt(run_id)
    assert in_doubt.id == first.id
    assert statuses(on.run(run_id)) == ["unknown", "cancelled"]
    gated.gate.open()
    on.until(lambda: gated.paid == [1], "the thread, which nobody can stop")
    on.desk.stop(conversation, by=BY)  # nobody wants to say what came of it
    assert on.ended(run_id, "cancelled").run.error == f"Stopped by {BY}."
    _, second = on.send("Hello?", conversation)
    on.ended(second)
    assert on.told() == [UNKNOWN, CANCELLED]
    assert on.status(first) == "unknown"


def test_stop_while_an_async_tool_runs_cancels_it(play: Play):
    gate, done = Gate(), []

    async def pay(amount: int) -> str:
        """Pay."""
        await gate.await_()
        done.append(amount)
        return "paid"

    on = play(agent(pay, free="pay"), Call("pay", {"amount": 1}))
    conversation, run_id = on.send("Pay.")
    assert gate.was_reached()
    on.desk.stop(conversation, by=BY)
    on.until(lambda: not on.engine._segments)
    gate.open()
    (in_doubt,) = on.waiting_in_doubt(run_id)
    on.desk.resolve(in_doubt.id, ItDidNotHappen(), by=BY)
    assert statuses(on.ended(run_id, "cancelled")) == ["not_done"]
    assert done == []


def test_stop_when_nothing_runs_does_nothing(play: Play, till: Till):
    on = play(agent(till.tool()), "Hi.")
    conversation, run_id = on.send("Hi")
    on.ended(run_id)
    on.desk.stop(conversation, by=BY)
    assert on.run(run_id).run.status == "answered"


# A message typed while something is going on


def held_behind_requests(
    play: Play, till: Till, *more: Any, count: int = 2
) -> tuple[Stage, str, str, str, list[Any]]:
    """A run with waiting requests, and a message held behind it."""
    on = play(agent(till.tool()), asks(*(pay(n + 1) for n in range(count))), *more)
    conversation, run_id = on.send("Pay.")
    waiting = on.waiting(run_id, count)
    _, held = on.send("Forget it.", conversation)
    assert [run.status for run in on.desk.held(conversation)] == ["held"]
    return on, conversation, run_id, held, waiting


def test_a_message_is_held_while_requests_wait_and_can_be_discarded(play: Play, till: Till):
    on, conversation, run_id, held, waiting = held_behind_requests(play, till, "Done.")
    on.desk.discard(held)
    assert on.desk.held(conversation) == []
    for request in waiting:
        on.approve(request)
    on.ended(run_id)
    assert not on.desk.is_busy(conversation)
    assert on.run(held).run.status == "discarded"
    assert len(on.desk.history(conversation)) == 5


def test_a_held_message_is_not_sent_by_itself(play: Play, till: Till):
    on, conversation, run_id, held, waiting = held_behind_requests(play, till, "Done.")
    for request in waiting:
        on.approve(request)
    on.ended(run_id)
    assert on.run(held).run.status == "held"
    assert not on.desk.is_busy(conversation)


def test_a_held_message_can_be_sent_once_all_are_decided(play: Play, till: Till):
    on, conversation, run_id, held, waiting = held_behind_requests(play, till, "Done.", "Sure.")
    on.desk.send_held(held)
    on.desk.send_held(held)
    assert on.waiting(run_id, 2) == waiting
    for request in waiting:
        on.approve(request)
    on.ended(run_id)
    on.until(lambda: not on.desk.is_busy(conversation))
    newest = on.desk.transcript(conversation, limit=2)
    assert [record.run.text for record in newest] == ["Pay.", "Forget it."]
    assert till.paid in ([1, 2], [2, 1])


def test_reject_and_send_rejects_what_was_seen_and_sends_the_text_once(play: Play, till: Till):
    on, conversation, run_id, held, waiting = held_behind_requests(play, till, "Forgotten.")
    seen = [request.id for request in waiting]
    assert on.desk.reject_and_send(held, seen, by=BY) == 2
    assert on.desk.reject_and_send(held, seen, by=BY) == 0
    record = on.ended(run_id, "superseded")
    assert results(record) == [f"{NOT_APPROVED} Reason: Forget it."] * 2
    on.until(lambda: not on.desk.is_busy(conversation))
    (newest,) = on.desk.transcript(conversation, limit=1)
    assert (newest.run.text, newest.run.status) == ("Forget it.", "answered")
    assert len(on.model.sent) == 2
    assert on.told() == results(record)
    assert till.paid == []


def test_reject_and_send_leaves_a_request_that_was_not_on_the_page(play: Play, till: Till):
    on, conversation, run_id, held, waiting = held_behind_requests(play, till, "Forgotten.")
    assert on.desk.reject_and_send(held, [waiting[0].id], by=BY) == 1
    assert on.waiting(run_id, 1) == [waiting[1]]
    assert on.desk.is_busy(conversation)
    on.approve(waiting[1])
    assert on.ended(run_id, "superseded").run.superseded
    on.until(lambda: not on.desk.is_busy(conversation))
    assert till.paid == [2]
    assert len(on.model.sent) == 2
    assert on.told() == [f"{NOT_APPROVED} Reason: Forget it.", "paid 2"]


def test_reject_and_send_lets_a_running_tool_finish_first(play: Play, gated: GatedTill):
    on = play(agent(gated.tool()), asks(pay(1), pay(2)), "Forgotten.")
    conversation, run_id = on.send("Pay.")
    first, second = on.waiting(run_id, 2)
    on.approve(first)
    assert gated.gate.was_reached()
    _, held = on.send("Forget it.", conversation)
    assert on.desk.reject_and_send(held, [first.id, second.id], by=BY) == 1
    assert statuses(on.run(run_id)) == ["running", "rejected"]
    assert len(on.model.sent) == 1
    gated.gate.open()
    record = on.ended(run_id, "superseded")
    assert results(record) == ["paid 1", f"{NOT_APPROVED} Reason: Forget it."]
    on.until(lambda: not on.desk.is_busy(conversation))
    assert len(on.model.sent) == 2


def test_reject_and_send_from_an_old_page_cuts_no_other_run_short(play: Play, till: Till):
    gate = Gate()
    other = Said("Something else.", gate=gate)
    on, conversation, run_id, held, waiting = held_behind_requests(
        play, till, "Done.", other, "Late.", count=1
    )
    on.approve(waiting[0])
    on.ended(run_id)
    _, unrelated = on.send("Something else?", conversation)
    assert gate.was_reached()
    assert on.desk.reject_and_send(held, [waiting[0].id], by=BY) == 0
    gate.open()
    record = on.ended(unrelated)
    assert chat_of(record)[-1].content == "Something else."
    assert not record.run.superseded
    on.until(lambda: not on.desk.is_busy(conversation))
    (newest,) = on.desk.transcript(conversation, limit=1)
    assert (newest.run.text, newest.run.status) == ("Forget it.", "answered")


def test_reject_and_send_touches_no_other_conversation(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), pay(2), "Forgotten.")
    _, other_run = on.send("Pay 1.")
    (other,) = on.waiting(other_run)
    conversation, run_id = on.send("Pay 2.")
    (request,) = on.waiting(run_id)
    _, held = on.send("Forget it.", conversation)
    assert on.desk.reject_and_send(held, [other.id, request.id], by=BY) == 1
    assert on.status(other) == "pending"
    on.until(lambda: not on.desk.is_busy(conversation))


def test_a_message_is_queued_while_the_agent_works_and_sees_its_answer(play: Play, till: Till):
    gate = Gate()
    on = play(agent(till.tool()), Said("First answer.", gate=gate), "Second answer.")
    conversation, first = on.send("First")
    assert gate.was_reached()
    _, second = on.send("Second", conversation)
    assert [run.status for run in on.desk.held(conversation)] == ["queued"]
    assert len(on.model.sent) == 1
    gate.open()
    on.ended(first)
    on.ended(second)
    assert [str(each.content) for each in on.model.sent[1][1:]] == [
        *("First", "First answer.", "Second")
    ]


def test_queued_messages_run_one_after_the_other_in_their_order(play: Play, till: Till):
    gate = Gate()
    on = play(agent(till.tool()), Said("A.", gate=gate), *(f"{n}." for n in range(4)))
    conversation, _ = on.send("Go")
    assert gate.was_reached()
    later = [on.send(f"Number {n}", conversation)[1] for n in range(4)]
    gate.open()
    for n, run_id in enumerate(later):
        assert chat_of(on.ended(run_id))[-1].content == f"{n}."


def test_stop_holds_what_was_queued(play: Play, till: Till):
    gate = Gate()
    on = play(agent(till.tool()), Said("", [pay(1)], gate), "Sent after all.")
    conversation, first = on.send("First")
    assert gate.was_reached()
    _, second = on.send("Second", conversation)
    on.desk.stop(conversation, by=BY)
    gate.open()
    on.ended(first, "cancelled")
    assert [run.status for run in on.desk.held(conversation)] == ["held"]
    assert not on.desk.is_busy(conversation)
    on.desk.send_held(second)
    on.until(lambda: not on.desk.is_busy(conversation) and not on.desk.held(conversation))
    (newest,) = on.desk.transcript(conversation, limit=1)
    assert (newest.run.text, newest.run.status) == ("Second", "answered")


def test_a_held_message_that_is_sent_late_comes_after_what_was_said_meanwhile(
    play: Play, till: Till
):
    on, conversation, run_id, held, waiting = held_behind_requests(
        play, till, "Done.", "In between.", "Late."
    )
    for request in waiting:
        on.reject(request)
    on.ended(run_id)
    _, between = on.send("Something else", conversation)
    on.ended(between)
    on.desk.send_held(held)
    on.until(lambda: not on.desk.held(conversation) and not on.desk.is_busy(conversation))
    said = [record.run.text for record in on.desk.transcript(conversation, limit=9)]
    assert said == ["Pay.", "Something else", "Forget it."]
    assert "In between." in [str(each.content) for each in on.model.sent[-1]]
    assert [str(each.content) for each in on.desk.history(conversation)][-2:] == [
        *("Forget it.", "Late.")
    ]


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_message_is_refused(text: str, play: Play, till: Till):
    on = play(agent(till.tool()))
    with pytest.raises(Refused, match="empty"):
        on.send(text)


# Errors, retry


def test_a_model_error_fails_the_run_and_the_conversation_goes_on(play: Play, till: Till):
    on = play(agent(till.tool()), RuntimeError("no credit"), "Better.")
    conversation, run_id = on.send("Hi")
    record = on.ended(run_id, "failed")
    assert record.run.error == "no credit"
    assert list(record.messages) == [0]
    _, second = on.send("And now?", conversation)
    on.ended(second)
    assert [str(each.content) for each in on.model.sent[1][1:]] == [
        *("Hi", "[No answer was given here: no credit]", "And now?")
    ]


def test_retry_goes_on_at_the_failed_call_and_repeats_nothing(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), RuntimeError("429"), RuntimeError("500"), "Paid.")
    conversation, run_id = on.send("Pay 1.")
    on.approve(on.waiting(run_id)[0])
    on.ended(run_id, "failed")
    on.desk.retry(run_id)
    on.until(lambda: on.run(run_id).run.error == "500")
    on.desk.retry(run_id)
    record = on.ended(run_id)
    assert till.paid == [1]
    assert on.model.sent[1] == on.model.sent[2] == on.model.sent[3]
    assert [str(each.role.value) for each in on.desk.history(conversation)] == [
        *("user", "assistant", "tool", "assistant")
    ]
    calls = on.desk.details(record.run.id)
    assert [call.error for call in calls] == [
        *(None, "RuntimeError: 429", "RuntimeError: 500", None)
    ]
    assert [call.turn for call in calls] == [1, 2, 2, 2]


def test_retry_is_refused_when_the_run_did_not_fail_or_the_talk_went_on(play: Play, till: Till):
    on = play(agent(till.tool()), RuntimeError("429"), "Ok.")
    conversation, failed = on.send("One")
    on.ended(failed, "failed")
    _, answered = on.send("Two", conversation)
    on.ended(answered)
    for run_id in (failed, answered):
        with pytest.raises(Refused):
            on.desk.retry(run_id)
    with pytest.raises(Refused):
        on.desk.retry("nope")


def test_an_approval_outlives_a_model_that_cannot_be_made(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Paid.")
    _, run_id = on.send("Pay 1.")
    (request,) = on.waiting(run_id)
    choose, on.engine._choose_llm = on.engine._choose_llm, _refuse
    assert on.approve(request)
    record = on.ended(run_id, "failed")
    assert record.run.error == "There is no such model."
    assert (statuses(record), till.paid) == (["succeeded"], [1])
    on.engine._choose_llm = choose
    on.desk.retry(run_id)
    on.ended(run_id)
    assert (on.told(), till.paid) == (["paid 1"], [1])


def _refuse(*_: Any, **__: Any) -> Any:
    raise ModelError("There is no such model.")


def test_a_history_that_cannot_be_read_costs_no_approval(
    play: Play, till: Till, monkeypatch: pytest.MonkeyPatch
):
    on = play(agent(till.tool()), pay(1), "Paid.")
    _, run_id = on.send("Pay 1.")
    (request,) = on.waiting(run_id)
    with monkeypatch.context() as patch:
        patch.setattr("hitl.engine.engine.memory_of", _refuse)
        assert on.approve(request)
        on.ended(run_id, "failed")
    assert till.paid == [1]
    on.desk.retry(run_id)
    on.ended(run_id)
    assert till.paid == [1]


def fails_with_open_requests(play: Play, till: Till, *more: Any) -> tuple[Stage, str, str]:
    """A run that failed, as its agent was gone for a moment, with one yes and one open request."""
    on = play(agent(till.tool()), asks(pay(1), pay(2)), *more)
    conversation, run_id = on.send("Pay.")
    first, _ = on.waiting(run_id, 2)
    get, on.agents.get = on.agents.get, _refuse
    assert on.approve(first)
    record = on.ended(run_id, "failed")
    on.agents.get = get
    assert statuses(record) == ["approved", "pending"]
    assert violations_of_chat(on.desk.history(conversation)) == []
    return on, conversation, run_id


def test_what_was_approved_or_waited_when_a_run_failed_is_there_after_retry(play: Play, till: Till):
    on, _, run_id = fails_with_open_requests(play, till, "Paid.")
    assert till.paid == []
    on.desk.retry(run_id)
    (second,) = on.waiting(run_id)
    assert till.paid == [1]
    on.approve(second)
    on.ended(run_id)
    assert till.paid == [1, 2]


def test_a_request_of_a_failed_run_can_be_decided_before_retry(play: Play, till: Till):
    on, _, run_id = fails_with_open_requests(play, till, "Paid.")
    assert on.reject(on.desk.pending()[0], "No.")
    on.desk.retry(run_id)
    on.ended(run_id)
    assert on.told() == ["paid 1", f"{NOT_APPROVED} Reason: No."]


def test_what_a_failed_run_kept_never_starts_once_the_conversation_went_on(play: Play, till: Till):
    on, conversation, run_id = fails_with_open_requests(play, till, "Fine.")
    _, held = on.send("Never mind.", conversation)
    on.desk.send_held(held)
    on.until(lambda: on.model.sent[1:] and not on.desk.is_busy(conversation))
    assert statuses(on.run(run_id)) == ["cancelled", "cancelled"]
    assert on.told() == [CANCELLED, CANCELLED]
    with pytest.raises(Refused):
        on.desk.retry(run_id)
    assert till.paid == []


def test_a_message_queued_behind_a_run_that_fails_is_held_and_retry_is_possible(
    play: Play, till: Till
):
    gate = Gate()

    def reply(messages: list[Any]) -> Any:
        if not gate.reached.is_set():
            gate.wait()
            return RuntimeError("429")
        return "Done."

    on = play(agent(till.tool()), script=reply)
    conversation, first = on.send("First")
    assert gate.was_reached()
    _, second = on.send("Second", conversation)
    gate.open()
    on.ended(first, "failed")
    assert on.run(second).run.status == "held"
    on.desk.retry(first)
    on.ended(first)
    assert on.run(second).run.status == "held"


def test_retry_twice_is_one_retry(play: Play, till: Till):
    gate = Gate()
    on = play(agent(till.tool()), RuntimeError("429"), Said("Ok.", gate=gate))
    _, run_id = on.send("One")
    on.ended(run_id, "failed")
    on.desk.retry(run_id)
    with pytest.raises(Refused):
        on.desk.retry(run_id)
    gate.open()
    on.ended(run_id)


def test_a_message_held_behind_a_failed_run_does_not_forbid_a_retry(play: Play, till: Till):
    on, _, run_id, held, waiting = held_behind_requests(
        play, till, RuntimeError("429"), "Done.", count=1
    )
    on.approve(waiting[0])
    on.ended(run_id, "failed")
    on.desk.retry(run_id)
    on.ended(run_id)
    assert on.run(held).run.status == "held"
    assert till.paid == [1]


def test_a_tool_that_raises_does_not_fail_the_run(play: Play):
    def pay(amount: int) -> str:
        """Pay."""
        raise RuntimeError("kaput")

    on = play(agent(pay), Call("pay", {"amount": 1}), "Sorry.")
    _, run_id = on.send("Pay.")
    on.approve(on.waiting(run_id)[0])
    record = on.ended(run_id)
    assert statuses(record) == ["failed"]
    assert on.told() == ["Encountered error in tool call: kaput"]


def test_a_tool_that_exits_does_not_take_the_engine_with_it(play: Play, till: Till):
    def pay(amount: int) -> str:
        """Pay."""
        raise SystemExit("bye")

    async def leave(amount: int) -> str:
        """Leave."""
        raise SystemExit("bye")

    calls = asks(Call("pay", {"amount": 1}), Call("leave", {"amount": 1}))
    on = play(agent(pay, leave, free="pay leave"), calls, "Sorry.", "Still here.")
    conversation, run_id = on.send("Pay.")
    on.ended(run_id)
    _, second = on.send("Still here?", conversation)
    on.ended(second)


def test_a_task_of_a_tool_that_exits_does_not_end_the_loop(play: Play):
    async def leave(amount: int) -> str:
        """Leave, in a task of its own, which asyncio lets out of the loop."""

        async def die() -> None:
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            await asyncio.create_task(die())
        return "left"

    on = play(agent(leave, free="leave"), Call("leave", {"amount": 1}), "Still here.")
    assert on.engine.is_alive
    _, run_id = on.send("Leave.")
    assert results(on.ended(run_id)) == ["left"]
    assert on.engine.is_alive
    on.engine.stop()
    assert not on.engine.is_alive


def test_agents_that_are_slow_to_read_do_not_stall_the_loop(play: Play, till: Till):
    on = play(agent(till.tool()), "Hi.")
    gates = [Gate(), Gate()]
    names, get = on.agents.names, on.agents.get

    def slow_names() -> list[str]:
        gates[0].wait()
        return names()

    def slow_get(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            gates[1].wait()
        return get(*arguments)

    on.agents.names, on.agents.get = slow_names, slow_get
    _, run_id = on.send("Hi")
    for gate in gates:
        assert gate.was_reached()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), on.engine._thread.loop).result(1)
        gate.open()
    on.ended(run_id)


def test_many_stuck_tools_do_not_stall_the_engine(play: Play, gated: GatedTill):
    calls = asks(*(pay(n) for n in range(4)))
    on = play(agent(gated.tool(), free="pay"), *[calls] * 17, "Hello.", *["Done."] * 17)
    stuck = [on.send("Pay.")[1] for _ in range(17)]
    running = lambda: sum(each == "running" for s in stuck for each in statuses(on.run(s)))  # noqa: E731
    on.until(lambda: running() == 4 * 17, "tools that are all stuck")
    _, other = on.send("Hello?")
    on.ended(other)
    gated.gate.open()
    for run_id in stuck:
        on.ended(run_id)


def test_an_error_of_a_listener_harms_nobody(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.")

    def broken(*_: Any) -> None:
        raise RuntimeError("the page is gone")

    on.engine.bus.subscribe("", broken)
    _, run_id = on.send("Pay.")
    assert on.approve(on.waiting(run_id)[0])
    on.ended(run_id)
    assert till.paid == [1]


# Configurations


def test_changes_count_from_the_next_message_on_and_a_running_run_keeps_its_own(
    play: Play, till: Till
):
    on = play(agent(till.tool(), system_prompt="Old."), pay(1), pay(2), "Done.", pay(3), "Done.")
    conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.desk.change(conversation, {"system_prompt": "New.", "tools": {"pay": "allow"}})
    on.approve(request)
    (second,) = on.waiting(run_id)
    assert str(on.model.sent[-1][0].content).startswith("Old.")
    on.approve(second)
    on.ended(run_id)
    _, later = on.send("Again.", conversation)
    record = on.ended(later)
    assert str(on.model.sent[-1][0].content).startswith("New.")
    assert [request.decided_by for request in record.requests] == ["the agent's policy"]
    assert till.paid == [1, 2, 3]


def test_a_held_message_is_sent_under_the_policy_of_the_moment_it_is_sent(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.", pay(2), "Done.")
    conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    on.desk.change(conversation, {"tools": {"pay": "allow"}})
    _, held = on.send("Pay more.", conversation)
    on.reject(request)
    on.ended(run_id)
    on.desk.change(conversation, {})
    on.desk.send_held(held)
    (asked,) = on.until(lambda: on.desk.pending(conversation_id=conversation))
    assert till.paid == []
    on.approve(asked)
    on.ended(asked.run_id)


def test_reject_and_send_sends_under_the_present_policy_too(play: Play, till: Till):
    on, conversation, run_id, held, waiting = held_behind_requests(
        play, till, pay(3), "Done.", count=1
    )
    on.desk.change(conversation, {"tools": {"pay": "allow"}})
    on.desk.reject_and_send(held, [waiting[0].id], by=BY)
    on.ended(run_id, "superseded")
    on.until(lambda: not on.desk.is_busy(conversation))
    assert till.paid == [3]


@pytest.mark.parametrize(("sent", "now"), [("allow", "ask"), ("ask", "allow"), ("ask", "ask")])
def test_a_queued_message_keeps_its_policy_but_what_asks_by_now_asks(
    sent: str, now: str, play: Play, till: Till
):
    gate = Gate()
    on = play(agent(till.tool()), Said("First.", gate=gate), pay(1), pay(2), "Done.")
    conversation, first = on.send("First", on.start(tools={"pay": sent}))
    assert gate.was_reached()
    _, queued = on.send("Pay.", conversation)
    on.desk.change(conversation, {"tools": {"pay": now}})
    gate.open()
    on.ended(first)
    on.approve(on.waiting(queued)[0])
    on.until(lambda: till.paid == [1])  # and it stays so in the run's later segments
    on.approve(on.waiting(queued)[0])
    assert on.ended(queued).run.config["tools"] == {"pay": "ask"}


def test_a_try_can_also_make_a_free_tool_ask(play: Play):
    on = play(agent(look, free="look"), Call("look", {"amount": 1}), "Done.")
    conversation = on.start(tools={"look": "ask"})
    _, run_id = on.send("Look.", conversation)
    on.approve(on.waiting(run_id)[0])
    on.ended(run_id)


def test_the_user_state_can_be_changed(play: Play, till: Till):
    on = play(agent(till.tool(), state={"user_name": "Logan"}), "Hi.")
    conversation = on.start(state={"user_name": "Ada"})
    on.ended(on.send("Hi", conversation)[1])
    assert str(on.model.sent[0][0].content).endswith("user_name: Ada")


def test_what_the_model_was_sent_and_said_is_kept(play: Play, till: Till):
    on = play(agent(till.tool(), system_prompt="Pay."), pay(1, "p1"), "Done.")
    _, run_id = on.send("Pay.")
    on.approve(on.waiting(run_id)[0])
    on.ended(run_id)
    first, second = on.desk.details(run_id)
    assert first.config["system_prompt"] == "Pay."
    assert [each["role"] for each in first.messages] == ["system", "user"]
    assert first.tools[0]["function"]["name"] == "pay"
    assert first.reply["calls"] == [{"name": "pay", "arguments": '{"amount": 1}', "id": "p1"}]
    assert second.reply["text"] == "Done."
    assert first.ms >= 0


# Running again, trying a tool


def test_run_again_forks_with_the_history_up_to_there(play: Play, till: Till):
    on = play(agent(till.tool()), "One.", "Two.", "Three.", "Two again.", "Four.", "More.")
    conversation, _ = on.send("1")
    on.until(lambda: not on.desk.is_busy(conversation))
    _, second = on.send("2", conversation)
    on.ended(second)
    on.ended(on.send("3", conversation)[1])
    fork = on.desk.run_again(second, conversation, by=BY)
    on.until(lambda: not on.desk.is_busy(fork))
    assert [str(each.content) for each in on.model.sent[-1][1:]] == ["1", "One.", "2"]
    on.ended(on.send("4", conversation)[1])  # what the parent says later is not the fork's
    on.ended(on.send("5", fork)[1])
    assert [str(each.content) for each in on.desk.history(fork)] == [
        *("1", "One.", "2", "Two again.", "5", "More.")
    ]
    assert [record.run.text for record in on.desk.transcript(fork, limit=9)] == ["1", "2", "5"]
    assert [record.run.text for record in on.desk.transcript(conversation, limit=9)] == [
        *("1", "2", "3", "4")
    ]


def test_run_again_in_a_fork_of_a_fork(play: Play, till: Till):
    on = play(agent(till.tool()), "One.", "Two.", "Two b.", "One b.")
    conversation, first = on.send("1")
    on.ended(first)
    _, second = on.send("2", conversation)
    on.ended(second)
    fork = on.desk.run_again(second, conversation, by=BY)
    on.until(lambda: not on.desk.is_busy(fork))
    (inherited, _) = on.desk.transcript(fork, limit=2)
    again = on.desk.run_again(inherited.run.id, fork, by=BY)
    on.until(lambda: not on.desk.is_busy(again))
    assert [str(each.content) for each in on.desk.history(again)] == ["1", "One b."]


def test_run_again_uses_the_present_configuration(play: Play, till: Till):
    on = play(agent(till.tool(), system_prompt="Old."), "One.", "Two.")
    conversation, run_id = on.send("1")
    on.ended(run_id)
    on.desk.change(conversation, {"system_prompt": "New."})
    fork = on.desk.run_again(run_id, conversation, by=BY)
    on.until(lambda: not on.desk.is_busy(fork))
    assert str(on.model.sent[-1][0].content).startswith("New.")


def test_run_again_of_a_call_made_by_hand_is_refused_and_leaves_nothing(play: Play, till: Till):
    on = play(agent(till.tool()))
    tried = on.desk.try_tool("Clerk", "pay", {"amount": 1}, by=BY)
    (record,) = on.until(lambda: on.desk.transcript(tried, limit=1))
    with pytest.raises(Refused):
        on.desk.run_again(record.run.id, tried, by=BY)
    assert on.desk.recent() == []


@pytest.mark.parametrize(("decide", "status"), [("approve", "succeeded"), ("reject", "rejected")])
def test_a_tool_that_is_tried_by_hand_goes_through_the_gate(
    decide: str, status: str, play: Play, till: Till
):
    on = play(agent(till.tool()))
    conversation = on.desk.try_tool("Clerk", "pay", {"amount": "7"}, by=BY)
    (request,) = on.until(lambda: on.desk.pending(conversation_id=conversation))
    assert (request.arguments, till.paid) == ({"amount": 7}, [])
    getattr(on, decide)(request)
    record = on.ended(request.run_id)
    assert statuses(record) == [status]
    assert till.paid == ([7] if decide == "approve" else [])
    assert on.desk.history(conversation) == []
    assert on.desk.handler(conversation, BY).result(timeout=5)["chat_history"] == []


def test_a_tool_that_asks_nobody_runs_at_once_when_tried(play: Play):
    on = play(agent(look, free="look"))
    conversation = on.desk.try_tool("Clerk", "look", {"amount": 7}, by=BY)
    on.until(lambda: not on.desk.is_busy(conversation))
    (record,) = on.desk.transcript(conversation, limit=1)
    assert record.requests[0].result == "saw 7"


def test_the_conversation_of_a_tried_call_takes_no_messages(play: Play):
    on = play(agent(look, free="look"))
    conversation = on.desk.try_tool("Clerk", "look", {"amount": 7}, by=BY)
    with pytest.raises(Refused, match="takes no messages"):
        on.send("Hello?", conversation)


def test_trying_what_does_not_exist_or_fit_is_refused(play: Play, till: Till):
    on = play(agent(till.tool()))
    with pytest.raises(InvalidArguments):
        on.desk.try_tool("Clerk", "pay", {"amount": "x"}, by=BY)
    with pytest.raises(NotFound):
        on.desk.try_tool("Clerk", "steal", {}, by=BY)
    with pytest.raises(NotFound):
        on.desk.try_tool("Nobody", "pay", {"amount": 1}, by=BY)


# History, foreign runs


def test_failed_and_stopped_runs_belong_to_the_history_with_a_note(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), RuntimeError("429"), pay(2), "Now what?")
    conversation, failed = on.send("Pay 1.")
    on.approve(on.waiting(failed)[0])
    on.ended(failed, "failed")
    _, stopped = on.send("Pay 2.", conversation)
    on.waiting(stopped)
    on.desk.stop(conversation, by=BY)
    on.ended(on.send("So?", conversation)[1])
    assert [str(each.content) for each in on.model.sent[-1][1:] if each.content] == [
        "Pay 1.",
        "paid 1",
        "[No answer was given here: 429]",
        "Pay 2.",
        CANCELLED,
        "[A person stopped the work here, before an answer was given.]",
        "So?",
    ]
    assert violations_of_chat(on.desk.history(conversation)) == []


def test_runs_of_an_agent_that_nobody_knows_are_left_alone(play: Play, till: Till):
    on = play(agent(till.tool()), "Hi.")
    stranger = on.desk.start("Stranger")
    with pytest.raises(NotFound):
        on.desk.send(stranger, "Hello?", by=BY)
    from hitl.journal import runs

    left = on.journal.write(runs.add, stranger, "Stranger", "Hello?", by=BY)
    on.engine.look()
    on.ended(on.send("Hi")[1])
    assert on.run(left).run.status == "queued"


def test_it_is_known_whether_an_approval_would_be_carried_out_here(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "Done.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    assert on.desk.can_run(request)
    known, on.agents.agent = (
        on.agents.agent,
        agent(till.tool()).model_copy(update={"name": "Renamed"}),
    )
    assert not on.desk.can_run(request)
    on.agents.agent, on.engine.kinds = known, ("library",)
    assert not on.desk.can_run(request)
    on.engine.kinds = ("chat",)
    on.approve(request)
    on.ended(run_id)


def test_the_handler_streams_what_happens_and_returns_the_result(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1), "All done.")
    conversation = on.start()
    handler = on.desk.handler(conversation, BY)
    on.send("Pay.", conversation)
    said, asked = "", []
    for event in handler.stream_events():
        if isinstance(event, ToolRequestEvent):
            asked.append(event.tool_id)
            handler.decide(event.tool_id, Approve())
        said += getattr(event, "delta", "")
    assert len(asked) == 1
    assert said == "All done."
    assert handler.result(timeout=5)["response"] == "All done."


def test_waiting_for_a_result_ends_when_its_time_is_up(play: Play, till: Till):
    on = play(agent(till.tool()), pay(1))
    conversation, run_id = on.send("Pay.")
    on.waiting(run_id)
    handler = on.desk.handler(conversation, BY)
    busy = threading.Event()
    talker = threading.Thread(target=lambda: _keep_talking(on, conversation, busy))
    talker.start()
    try:
        with pytest.raises(TimeoutError):
            handler.result(timeout=0.2)
        assert talker.is_alive()
    finally:
        busy.set()
        talker.join()


def _keep_talking(on: Stage, conversation: str, until: threading.Event) -> None:
    """Changes that say nothing new must not put the deadline off."""
    for _ in range(100):
        if until.wait(0.05):
            return
        on.engine.bus.publish(conversation)


def test_an_engine_works_on_a_journal_in_memory(till: Till):
    from tests.scripted import ScriptedModel

    on = Stage("sqlite://", agent(till.tool()), ScriptedModel(pay(1), "Done."))
    try:
        _, run_id = on.send("Pay.")
        on.approve(on.waiting(run_id)[0])
        on.ended(run_id)
        assert till.paid == [1]
    finally:
        on.close()
