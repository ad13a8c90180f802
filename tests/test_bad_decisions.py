"""Forged, replayed, stale, foreign, altered and wrongly typed decisions: refused, no effect."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from hitl import HITLAgent, ProgressEvent, ToolApprovedEvent, ToolRequestEvent
from hitl.journal import Approve, ItWorked, Reject, RunAgain
from hitl.verifying import verify
from tests.openai_server import Call
from tests.scripted import ScriptedModel, asks
from tests.stage import BY, Stage, Till, agent

Play = Callable[..., Stage]
PAY = Call("pay", {"amount": 1})

NO_DECISIONS: dict[str, Any] = {
    "nothing": None,
    "a true value": True,
    "a false one": False,
    "a number": 1,
    "a word": "yes",
    "another word": "approve",
    "a mapping": {"approved": True},
    "a list": [Approve()],
    "the type itself": Approve,
    "a resolution": ItWorked(),
    "another resolution": RunAgain(),
    "an event": ToolApprovedEvent(tool_name="pay", tool_id="x", tool_kwargs={}, approved=True),
}


@pytest.mark.parametrize("value", NO_DECISIONS.values(), ids=NO_DECISIONS.keys())
def test_what_only_looks_like_a_decision_is_refused_by_desk_handler_and_journal(
    play: Play, till: Till, value: Any
):
    on = play(agent(till.tool()), PAY, "No.")
    conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    handler = on.desk.handler(conversation, BY)
    for decide in (
        lambda: on.desk.decide(request.id, value, by=BY),
        lambda: handler.decide(request.id, value),
    ):
        with pytest.raises(TypeError, match="A decision is"):
            decide()
    assert on.desk.request(request.id) == request
    on.reject(request)
    on.ended(run_id)
    assert till.paid == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": "one"},
        {"amount": 1.5},
        {"amount": None},
        {"amount": 1, "to": "Eve"},
        {},
        {"tool": "other", "arguments": {"amount": 1}},
    ],
)
def test_altered_arguments_that_do_not_fit_the_tool_are_refused(
    play: Play, till: Till, arguments: dict[str, Any]
):
    on = play(agent(till.tool()), PAY, "No.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    with pytest.raises(ValueError, match=r"amount|unknown arguments"):
        on.approve(request, arguments)
    assert on.desk.request(request.id) == request
    on.reject(request)
    on.ended(run_id)
    assert till.paid == []


@pytest.mark.parametrize("settled_by", ["approve", "reject", "stop"])
def test_replayed_and_stale_decisions_are_told_what_counts(play: Play, till: Till, settled_by: str):
    on = play(agent(till.tool()), PAY, *(["Done."] if settled_by != "stop" else []))
    conversation, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    if settled_by == "stop":
        on.desk.stop(conversation, by="Grace")
    else:
        decision = Approve() if settled_by == "approve" else Reject("no")
        assert on.desk.decide(request.id, decision, by="Grace").accepted
    on.until(lambda: on.run(run_id).run.has_ended)
    before = on.desk.request(request.id)
    for late in (Approve(), Approve({"amount": 9}), Reject("late")):
        verdict = on.desk.decide(request.id, late, by="Eve")
        assert not verdict.accepted
        assert verdict.request == before
    assert till.paid == ([1] if settled_by == "approve" else [])
    on.journal.read(verify)


@pytest.mark.parametrize("request_id", ["", "x", "' OR 1=1 --", "a" * 5000, "\0", "💥"])
def test_a_forged_id_decides_nothing(play: Play, till: Till, request_id: str):
    on = play(agent(till.tool()), PAY, "No.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    for verdict in (
        on.desk.decide(request_id, Approve(), by="Eve"),
        on.desk.resolve(request_id, ItWorked(), by="Eve"),
    ):
        assert not verdict.accepted
        assert verdict.request is None
    assert on.desk.request(request.id) == request
    on.reject(request)
    on.ended(run_id)
    assert till.paid == []


def test_the_handler_of_another_conversation_is_refused_and_learns_nothing(play: Play, till: Till):
    on = play(agent(till.tool()), PAY, "No.")
    _, run_id = on.send("Pay.")
    (request,) = on.waiting(run_id)
    foreign = on.desk.handler(on.start(), "Eve")
    for decision in (Approve(), Reject()):
        verdict = foreign.decide(request.id, decision)
        assert (verdict.accepted, verdict.request) == (False, None)
    on.reject(request)
    on.ended(run_id)
    assert till.paid == []


# Through the library's events

GOOD = {"tool_name": "pay", "tool_kwargs": {"amount": 1}, "approved": True}
FORGED: dict[str, dict[str, Any]] = {
    "an id of nobody": {"tool_id": "forged"},
    "another tool's name": {"tool_name": "note"},
    "altered arguments that do not fit": {"tool_kwargs": {"amount": "all"}},
    "arguments that the tool does not have": {"tool_kwargs": {"amount": 1, "to": "Eve"}},
}


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_event_is_refused_and_the_request_waits_on(forgery: dict[str, Any]):
    till = Till()
    model = ScriptedModel(PAY, "No.")
    handler = HITLAgent().run(
        agent_config=agent(till.tool()), user_msg="Pay.", chat_history=[], llm=model
    )
    refused = []
    async for event in handler.stream_events():
        if isinstance(event, ToolRequestEvent):
            real = {**GOOD, "tool_id": event.tool_id}
            handler.ctx.send_event(ToolApprovedEvent(**{**real, **forgery}))
            handler.ctx.send_event(ToolApprovedEvent(**{**real, "approved": False}))
            handler.ctx.send_event(ToolApprovedEvent(**real))
        if isinstance(event, ProgressEvent) and event.msg.startswith("Approval refused"):
            refused.append(event.msg)
    await handler
    assert till.paid == []
    assert refused
    model.check()


@pytest.mark.parametrize("approved", ["yes", "true", 1, 0, None, [], {}])
def test_an_event_with_a_wrongly_typed_approval_cannot_even_be_made(approved: Any):
    with pytest.raises(ValidationError):
        ToolApprovedEvent(tool_id="x", **{**GOOD, "approved": approved})


async def test_the_same_approval_sent_three_times_runs_once():
    till = Till()
    model = ScriptedModel(asks(PAY, Call("pay", {"amount": 2})), "Done.")
    handler = HITLAgent().run(
        agent_config=agent(till.tool()), user_msg="Pay.", chat_history=[], llm=model
    )
    async for event in handler.stream_events():
        if isinstance(event, ToolRequestEvent):
            for _ in range(3):
                handler.ctx.send_event(
                    ToolApprovedEvent(
                        approved=True,
                        tool_name="pay",
                        tool_id=event.tool_id,
                        tool_kwargs=event.tool_kwargs,
                    )
                )
    await handler
    assert sorted(till.paid) == [1, 2]
    model.check()
